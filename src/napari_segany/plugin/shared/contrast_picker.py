"""Control that chooses the intensities that the model sees."""

from collections.abc import Callable
from typing import Any, Literal

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_segany.core.intensity import Limits
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.shown_display import describe, shown_limits
from napari_segany.plugin.shared.controls import button, combo_box, row
from napari_segany.plugin.shared.message_line import STYLES

Contrast = Literal["stretch", "shown"]
"""Percentiles of each plane, or contrast limits, gamma and colours of the layers."""

CHOICES: dict[str, Contrast] = {"automatic stretch": "stretch", "as shown": "shown"}


class ContrastPicker(QWidget):
    """Choice between percentiles of each plane and the contrast with which layers are shown.

    When a layer is shown with other limits than the model saw, a notice says so and offers to use
    those; nothing is computed by itself.

    Parameters
    ----------
    choose : callable
        Called with the choice when it changes, and when the present limits are to be used.

    Attributes
    ----------
    choice : QComboBox
        The choice.
    notice : QWidget
        The notice with its button; hidden while image and model agree.
    """

    def __init__(self, choose: Callable[[Contrast], Any]) -> None:
        super().__init__()
        self._choose = choose
        self._view: LayerView | None = None
        self._watched: tuple[Any, ...] = ()
        self.choice = combo_box(
            CHOICES,
            "Intensities that the model sees: from percentiles 1 and 99.8 of each plane, or with "
            "the contrast limits and the gamma of the layer",
        )
        self.choice.activated.connect(lambda _: choose(self.contrast))
        layout = row(self.choice)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setStyleSheet(STYLES["warning"])
        self.again = button(
            "Use as shown",
            lambda: choose("shown"),
            "Show the plane to the model as it is shown now; labels and open objects stay",
        )
        self.notice = QWidget()
        inside = QHBoxLayout(self.notice)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.line, 1)
        inside.addWidget(self.again)
        self.notice.setVisible(False)

    @property
    def contrast(self) -> Contrast:
        """The choice."""
        chosen: Contrast = self.choice.currentData()
        return chosen

    @contrast.setter
    def contrast(self, contrast: Contrast) -> None:
        self.choice.setCurrentIndex(self.choice.findData(contrast))

    def follow(self, view: LayerView | None) -> None:
        """Show the choice of a view, and listen to the contrast of its layers."""
        if view is not self._view:
            self._view = view
            self._listen(() if view is None else view.layers)
            if view is not None:
                self.contrast = "stretch" if view.limits is None else "shown"
        self._compare()

    def end(self) -> None:
        """Disconnect from the layers."""
        self._view = None
        self._listen(())

    def _listen(self, layers: tuple[Any, ...]) -> None:
        for layer in self._watched:
            for event in _contrast_events(layer):
                event.disconnect(self._compare)
        self._watched = layers
        for layer in layers:
            for event in _contrast_events(layer):
                event.connect(self._compare)

    def _compare(self, event: Any = None) -> None:
        """Show the notice if the layers are shown with other limits than the model saw."""
        view = self._view
        seen = None if view is None else view.limits
        shown: Limits | None = None
        if view is not None and seen is not None:
            shown = shown_limits(view.layers, view.channels)
        differs = shown is not None and shown != seen
        if differs:
            self.line.setText(
                f"The model sees {describe(seen)}; the image is shown with {describe(shown)}."
            )
        self.notice.setVisible(differs)


def _contrast_events(layer: Any) -> tuple[Any, ...]:
    events = layer.events
    return events.contrast_limits, events.gamma, events.colormap
