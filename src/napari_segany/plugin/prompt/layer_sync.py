"""Two-way synchronization of a session with the layers of a viewer.

The session decides. Layers edited by hand become one step of the session; a step of the
session becomes layers.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from napari.layers import Labels
from psygnal import Signal

from napari_segany.core.image_source import Plane
from napari_segany.errors import InputError
from napari_segany.plugin.jobs.chunked import TURN
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.adding import add_layer, show_layer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transform_sync import TransformSync
from napari_segany.plugin.layers.transforms import viewed_plane
from napari_segany.plugin.prompt.brush import paint, painted_box
from napari_segany.plugin.prompt.labels_layer import LabelsLayer
from napari_segany.plugin.prompt.layer_reader import LayerReader, Mode
from napari_segany.plugin.prompt.layers import PromptLayers, prompt_key
from napari_segany.plugin.prompt.object_scale import ObjectScale
from napari_segany.session import Session
from napari_segany.session.labels_target import NoTarget
from napari_segany.session.prompt_updates import ObjectPrompts, PartMask
from napari_segany.session.state import SegmentedObject

ContinuePrompts = Callable[[ObjectPrompts], tuple[ObjectPrompts, Mapping[int, int]]]
Propagated = Callable[[], Sequence[PartMask]]


class LayerSync:
    """Keeps a session and the layers of a viewer equal: prompts, preview, labels, plane in view.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue that delays the redraw of large layers.
    refuse : callable
        Called with an error of a change by hand.

    Attributes
    ----------
    plane_changed : Signal
        Emitted when another plane is in view, or none; with True if there was none before.
    image_removed : Signal
        Emitted with a layer of the image that was removed from the viewer.
    prompts_added : Signal
        Emitted with each prompt layer, and the preview, that is added to the viewer, also when it
        comes back.
    begun : Signal
        Emitted with the numbers of objects that were begun by a click or a shape.
    picked : Signal
        Emitted with the coordinates in the image of a click that chooses an object.
    session : Session or None
        The session.
    view : LayerView or None
        The image of the session.
    prompts : PromptLayers or None
        Prompt layers and preview of the image.
    labels : LabelsLayer
        The labels layer that objects are committed into.
    transforms : TransformSync
        Keeps the layers where the image is.
    plane : tuple or None
        The plane in view; None if the view shows no plane of the image.
    plane_error : str
        Reason why there is no plane in view; empty if there is one.
    mode : {"one", "many"}
        Points belong to one object, or each positive point begins another object.
    scale : ObjectScale
        Size of the objects that are begun on large planes.
    continue_prompts : callable
        Returns new prompts, changed perhaps, and the objects that they are parts of on further
        planes; by default none.
    propagated : callable
        Returns masks of objects that were followed through planes, the most confident first.
    add_layers : callable
        Adds the layers of an image that is opened; by default at once.
    """

    plane_changed = Signal(bool)
    image_removed = Signal(object)
    prompts_added = Signal(object)
    begun = Signal(tuple)
    picked = Signal(object)

    def __init__(self, viewer: Any, jobs: JobQueue, refuse: Callable[[Exception], object]) -> None:
        self.viewer, self.jobs, self._refuse = viewer, jobs, refuse
        self.session: Session | None = None
        self.view: LayerView | None = None
        self.prompts: PromptLayers | None = None
        self.labels = LabelsLayer(jobs, self._on_labels_redrawn)
        self.transforms = TransformSync(self._on_transform)
        self.plane: Plane | None = None
        self.plane_error = ""
        self.mode: Mode = "one"
        self.scale = ObjectScale()
        self.continue_prompts: ContinuePrompts = lambda wanted: (wanted, {})
        self.propagated: Propagated = tuple
        self.add_layers: Callable[[], object] = self.ensure_layers
        # Prompts that the layers show at present.
        self._shown: list[tuple[int, Plane, int]] = []
        self._muted = False
        for name in ("current_step", "order", "ndisplay"):
            getattr(viewer.dims.events, name).connect(self._on_view)
        viewer.layers.events.removed.connect(self._on_removed)

    def bind(self, session: Session, view: LayerView, labels: LabelsLayer | None = None) -> None:
        """Add layers for a session on an image to the viewer.

        Parameters
        ----------
        session : Session
            The session.
        view : LayerView
            Its image.
        labels : LabelsLayer, optional
            The labels that it commits into, if it has any.
        """
        self.session, self.view = session, view
        if labels is not None:
            self.labels = labels
            labels.observe()
        self.transforms.follow(view)
        self.prompts = PromptLayers(
            self.viewer, view, self._on_prompts, self._on_stroke, self.picked.emit
        )
        self.add_layers()
        self._on_view()

    def replace_session(self, session: Session) -> None:
        """Use the same layers for another session on the same image, with labels of its own."""
        self.labels.unbind()
        self.session = session

    def unbind(self) -> None:
        """Remove the prompt layers and the preview from the viewer; labels stay."""
        self.transforms.leave()
        self.labels.unbind()
        if self.prompts is not None:
            with self.muted():
                self.prompts.remove()
        self.session = self.view = self.prompts = self.plane = None
        self.plane_error = ""

    def release_labels(self) -> LabelsLayer:
        """Return the labels of the session, which are observed no longer."""
        labels = self.labels
        labels.pause()
        self.labels = LabelsLayer(self.jobs, self._on_labels_redrawn)
        return labels

    def check_labels(self) -> None:
        """Follow what happened to the labels while they were not observed."""
        session, layer = self.open_session(), self.labels.layer
        if layer is not None and layer not in self.viewer.layers:
            self.labels.unbind()
            self._reopen_objects(session)
        elif layer is not None:
            self._on_labels_redrawn()

    def disconnect(self) -> None:
        """Stop to observe the viewer."""
        for name in ("current_step", "order", "ndisplay"):
            getattr(self.viewer.dims.events, name).disconnect(self._on_view)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def open_session(self) -> Session:
        """Return the session; raise InputError if there is none."""
        if self.session is None:
            raise InputError("Choose an image first.")
        return self.session

    def make_reader(self) -> LayerReader:
        """Return a reader of layers for the present session and plane."""
        session, plane = self.open_session(), self._plane_in_view()
        hidden = {each.id for each in session.state.open} - self.ensure_layers().drawn
        return LayerReader(self.viewer, self.view, session, self.mode, plane, hidden)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Return a context in which events of layers are ignored, as the plugin changes them."""
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before

    # From layers and viewer to the session --------------------------------------------------

    def _on_view(self, event: Any = None) -> None:
        if self.session is None:
            return
        try:
            plane = viewed_plane(self.viewer, self.view)
        except InputError as error:
            self.plane, self.plane_error = None, str(error)
            self.plane_changed.emit(False)
            return
        appeared = self.plane is None
        if appeared and self.prompts is not None:
            # In 3-D napari resets the mode of a layer, and restores it later than this event.
            self.jobs.call_later("tool", self.prompts.restore_modes)
        if plane != self.plane:
            self.plane = self.session.plane = plane
            self.plane_error = ""
            self.plane_changed.emit(appeared)

    def _plane_in_view(self) -> Plane:
        """Return the plane in view; raise InputError with the reason if there is none."""
        return viewed_plane(self.viewer, self.view) if self.plane is None else self.plane

    def _on_transform(self, event: Any = None) -> None:
        """Move the layers along with the image, after which another plane may be in view."""
        if self.prompts is not None:
            with self.muted():
                self.transforms.place(self.prompts.layers)
            self._on_view()

    def _on_prompts(self, event: Any = None) -> None:
        """Read the prompt layers after points or shapes were changed by hand."""
        action = getattr(getattr(event, "action", None), "value", "changed")
        if self._muted or self.session is None or action not in ("added", "removed", "changed"):
            return
        try:
            self._plane_in_view()
            with self.muted():
                prompts = self.ensure_layers()
                if event is not None and event.source is prompts.points:
                    # A half-drawn shape is no prompt, and a click elsewhere abandons it.
                    prompts.drop_half_drawn()
                if action == "added":
                    prompts.mark_new(event)
                self._read_prompts()
        except Exception as error:
            # napari is drawing and must finish, so no error may leave this method.
            self.write_prompts()
            self._refuse(error)

    def _read_prompts(self) -> None:
        """Replace the session's open objects by the prompts of points and shapes."""
        session, layers = self.open_session(), self.ensure_layers()
        session.object_size = self.scale.of(session, self.view, self._plane_in_view())
        found = self.make_reader().read(layers.points, layers.shapes)
        wanted, wholes = self.continue_prompts(found.wanted)
        begun = session.set_open(wanted, wholes=wholes)
        layers.drawn.update(begun.values())
        if wholes:
            # Their prompts have boxes that are not drawn yet.
            self.write_prompts()
            return
        self._shown = prompt_key(session.state)
        rows = ((layers.points, found.of_points), (layers.shapes, found.of_shapes))
        for layer, numbers in rows:
            layer.features["object"] = [begun.get(number, number) for number in numbers]
        if found.outdated:
            self.write_prompts()
        if begun:
            self.begun.emit(tuple(begun.values()))

    def _on_stroke(self, event: Any) -> None:
        """Paint on the mask of an object what was painted in the preview."""
        preview = None if self.prompts is None else self.prompts.preview
        if self._muted or self.session is None or preview is None:
            return
        try:
            box = painted_box(event.value, preview.layer.data.shape)
            strokes = preview.take_stroke(self.plane, box)
            self.jobs.call_later("preview", preview.refresh)
            if strokes is None:
                raise InputError(self.plane_error or "The plane in view was not painted on.")
            paint(self.session, self._plane_in_view(), *strokes)
        except Exception as error:
            # As for prompts: napari must finish.
            self._refuse(error)

    def _on_labels_redrawn(self, event: Any = None) -> None:
        """Check the labels after a redraw, because their own undo may have removed a commit."""
        if not self._muted and self.session is not None:
            with self.muted():
                lost = self.session.check_labels()
            if lost:
                self.write_prompts()

    def _on_removed(self, event: Any) -> None:
        if self._muted or self.session is None:
            return
        layer = event.value
        if self.view is not None and layer in self.view.layers:
            self.image_removed.emit(layer)
        elif layer is self.labels.layer:
            # Later, because a window that closes removes all layers, labels before the image; the
            # journal must keep the commits then.
            session = self.session
            self.jobs.call_later("labels", lambda: self._reopen_objects(session))
            self.labels.unbind()
        elif self.prompts is not None:
            self.prompts.forget(layer)

    def _reopen_objects(self, session: Session) -> None:
        """Open the objects of a labels layer that was removed."""
        if session is self.session and self.labels.layer is None:
            session.set_target(NoTarget(), reopen=True)
            self._refuse(InputError("The labels are gone; their objects can be committed again."))

    # From the session to layers -------------------------------------------------------------

    def write_prompts(self) -> None:
        """Write the prompts of the session's open objects to the prompt layers."""
        if self.session is not None and self.prompts is not None:
            self._shown = prompt_key(self.session.state)
            with self.muted():
                self.prompts.write(self.session.state)

    def update_layers(self) -> None:
        """Show the state of the session: prompts, and the description of the labels."""
        if self.session is not None:
            if not self._muted and prompt_key(self.session.state) != self._shown:
                self.write_prompts()
            self.labels.describe(self.session)

    def outline(self, each: SegmentedObject) -> None:
        """Outline a committed object in the preview until the next step."""
        preview = None if self.prompts is None else self.prompts.preview
        if preview is not None:
            preview.outline(each, self.open_session().state)
            self.show_preview()

    def show_preview(self) -> None:
        """Show the candidates of open objects in the preview, those in view at first."""
        preview = None if self.prompts is None else self.prompts.preview
        if preview is None or self.session is None:
            return
        latest = time.perf_counter() + TURN
        changed, propagated = False, self.propagated()
        while preview.show(self.session, propagated):
            changed = True
            if preview.is_complete or time.perf_counter() >= latest:
                break
        if changed:
            self.jobs.call_later("preview", preview.refresh)  # Redrawing a large layer is slow.
        if not preview.is_complete:
            self.show_preview_later()

    def show_preview_later(self) -> None:
        """Show the candidates of open objects in a later turn."""
        self.jobs.call_later("further preview", self.show_preview)

    def ensure_layers(self, at_most: int = 3) -> PromptLayers:
        """Return the prompt layers; layers that the user removed are added again."""
        if self.prompts is None:
            raise InputError("Choose an image first.")
        if not self.prompts.complete:
            with self.muted():
                added = self.prompts.add_missing(at_most)
            for layer in added:
                self.prompts_added.emit(layer)
            self.write_prompts()
            self.show_preview()
        return self.prompts

    def set_labels(self, layer: Any) -> Any:
        """Commit into a labels layer of the image's shape, and return it; None makes a new one."""
        session, view = self.open_session(), self.view
        assert view is not None
        new = layer is None
        layer = self.labels.new_layer(view) if new else layer
        target = self.labels.bind(layer, view, new)
        if new:
            self.transforms.made(layer)
            self.insert_below_prompts(layer, show=not self.labels.is_large)
            self.jobs.call_later(layer, lambda: show_layer(layer))  # After the first commit.
        session.set_target(target)
        return layer

    def insert_below_prompts(self, layer: Any, show: bool = True) -> None:
        """Add a layer below the prompts, which stay visible on it."""
        with self.muted():
            layers = self.ensure_layers()
            preview = None if layers.preview is None else layers.preview.layer
            at = len(self.viewer.layers) if preview is None else self.viewer.layers.index(preview)
            add_layer(self.viewer, layer, at, activate=False, show=show)
            layers.select(layers.points)

    def add_replayed(self, labels: Any, name: str, metadata: dict[str, Any]) -> None:
        """Add replayed labels of the image in a layer of their own."""
        assert self.view is not None
        layer = Labels(labels, name=name, **self.view.placement())
        layer.metadata.update(metadata)
        self.transforms.made(layer)
        with self.muted():
            add_layer(self.viewer, layer)
