"""Sessions on images that are not in work at present; each comes back with its image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.prompt.labels_layer import LabelsLayer
from napari_segany.session import Session


@dataclass(eq=False)
class ParkedSession:
    """Session on an image that is not in work.

    Attributes
    ----------
    session : Session
        The session; its journal is closed.
    view : LayerView
        Its image.
    labels : LabelsLayer
        The labels that it commits into.
    journal : Path or None
        Its closed journal; None if it was not recorded to the end.
    is_outdated : bool
        True if the image got other pixels since.
    """

    session: Session
    view: LayerView
    labels: LabelsLayer
    journal: Path | None
    is_outdated: bool = False

    def on_pixels(self, event: Any = None) -> None:
        """Note that the image has other pixels."""
        self.is_outdated = True


class ParkedSessions:
    """The parked sessions of a viewer.

    A session is dropped with its image; its journal stays.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, which is observed until :meth:`end`.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._parked: list[ParkedSession] = []
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def open_objects(self) -> int:
        """Number of their open objects."""
        return sum(len(each.session.state.open) for each in self._parked)

    def park(self, parked: ParkedSession) -> None:
        """Keep a session, whose journal is closed and whose labels are not observed any more."""
        # Embeddings take most of the memory, and are computed again.
        parked.session.embeddings.clear()
        for layer in parked.view.layers:
            layer.events.data.connect(parked.on_pixels)
        self._parked.append(parked)

    def take(self, view: LayerView) -> ParkedSession | None:
        """Return the session on an image, and keep it no longer; None if there is none.

        It goes on with the limits that it began with, whatever those of ``view`` are.
        """
        for parked in self._parked:
            if view.with_limits(parked.view.limits).same_as(parked.view):
                self._drop(parked)
                return parked
        return None

    def end(self) -> None:
        """Drop all sessions and observe the viewer no longer."""
        for parked in list(self._parked):
            self._drop(parked)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _on_removed(self, event: Any) -> None:
        for parked in list(self._parked):
            if event.value in parked.view.layers:
                self._drop(parked)

    def _drop(self, parked: ParkedSession) -> None:
        self._parked.remove(parked)
        for layer in parked.view.layers:
            layer.events.data.disconnect(parked.on_pixels)
