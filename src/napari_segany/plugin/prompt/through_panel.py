"""Part of the Prompt dock that follows objects through the planes of a stack."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from napari_segany.linking.propagation.params import UNREAD
from napari_segany.models.tiled_model import without_tiles
from napari_segany.plugin.prompt.confidence_strip import ConfidenceStrip
from napari_segany.plugin.prompt.through_planes import ThroughPlanes
from napari_segany.plugin.shared.controls import column, combo_box, row, with_tip
from napari_segany.plugin.shared.finder_control import FinderControl
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.session.through_planes import axes_of

ACTIONS = {
    "Through planes": "Follow open objects from their prompted planes through all others (W)",
    "Not here": "Say that the object is not on the plane in view, or take it back (O)",
    "Next doubtful": "Look at the next plane where the result is least sure (Y)",
}
"""Tooltips of the buttons, by their text."""

ONLY_ACTIVE = (
    "Follow the active object and those that are followed already. Else all open objects are "
    "followed together, and neighbours stop one another."
)
"""Tooltip of the box."""


class ThroughPanel(QWidget):
    """Buttons, limits, and a strip of planes coloured by confidence.

    Parameters
    ----------
    through : ThroughPlanes
        The objects that are followed.
    message : MessageLine
        Line for errors.
    start : callable
        Starts to follow it, once there is a model.

    Attributes
    ----------
    message : MessageLine
        Line for errors.
    buttons : dict
        Push buttons by their text.
    only_active : QCheckBox
        Whether to follow the active object only.
    strip : ConfidenceStrip
        The planes, with the confidence of the object that is shown.
    line : QLabel
        Text about that object.
    limits : ParameterForm
        Limits at which it ends.
    section : QCollapsible
        Section that holds the panel; hidden for images of one plane.
    """

    reported = Signal(int, int)
    """Emitted in the GUI thread with planes of objects done and in all."""

    def __init__(
        self, through: ThroughPlanes, message: MessageLine, start: Callable[[], object]
    ) -> None:
        super().__init__()
        self.through, self.message = through, message
        # The control of the finder, once it was needed.
        self._finder: FinderControl | None = None
        self.buttons = {text: with_tip(QPushButton(text), tip) for text, tip in ACTIONS.items()}
        self.axis = combo_box({}, "Axis along which the object is followed")
        self.only_active = with_tip(QCheckBox("active object only"), ONLY_ACTIVE)
        self.strip = ConfidenceStrip()
        self.line = QLabel("")
        self.line.setWordWrap(True)
        self.limits = ParameterForm(through.params, "More")
        self._axes: tuple[tuple[int, str], ...] = ()
        # Whether an object was followed when the state was shown last.
        self._followed = False
        through_button, *further = self.buttons.values()
        layout = column(
            row(through_button, self.only_active, wide=through_button),
            row(*further),
            self.axis,
            self.strip,
            self.line,
            Fold("Limits", self.limits),
        )
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.section = Fold("Through planes", self)
        through.job.report = self.reported.emit
        self.reported.connect(lambda done, total: self.show_state())
        through.sync.plane_changed.connect(self._on_plane)
        acts = start, through.toggle_absent, through.next_doubtful
        for pressed, act in zip(self.buttons.values(), acts, strict=True):
            pressed.clicked.connect(message.guarded(act))
        self.strip.clicked.connect(message.guarded_with(through.go_to))
        self.limits.changed.connect(self._on_limits)
        self._suit_method()
        self.axis.activated.connect(self._on_axis)
        self.only_active.toggled.connect(lambda only: setattr(through, "only_active", only))

    def show_state(self) -> None:
        """Show one of the objects that are followed, and offer the axes of the image."""
        through = self.through
        axes = axes_of(through.sync.session)
        self.section.setVisible(bool(axes))
        followed = through.planes is not None
        if followed and not self._followed:
            # The key W begins it, too; the strip shows what comes of it.
            self.section.expand(animate=False)
        self._followed = followed
        self._show_axes(axes, through.axis_names)
        answers = through.answers
        confidences = {number: answer.confidence for number, answer in answers.items()}
        self.strip.show_planes(
            through.count, confidences, through.prompted, through.absent, through.shown
        )
        self.strip.setVisible(bool(through.count))
        self.buttons["Not here"].setEnabled(through.planes is not None)
        self.buttons["Next doubtful"].setEnabled(through.is_any_to_check)
        self.line.setText(describe(through))
        self.line.setVisible(bool(self.line.text()))

    def _on_plane(self, appeared: bool) -> None:
        self.show_state()

    def _show_axes(self, axes: tuple[int, ...], names: tuple[str, ...]) -> None:
        shown = tuple((axis, names[axis]) for axis in axes)
        if shown != self._axes:
            self._axes = shown
            self.axis.clear()
            for axis, name in reversed(shown):
                self.axis.addItem(f"along {name}", axis)
            self.through.axis = None
            self._suit_axis()
        self.axis.setVisible(len(shown) > 1)

    def _on_axis(self, *_: Any) -> None:
        self.through.axis = self.axis.currentData()
        self._suit_axis()

    def _suit_axis(self) -> None:
        """Predict motion along an axis of time."""
        self.through.suit_axis()
        self.limits.set_params(self.through.params)
        self._suit_method()

    def _on_limits(self) -> None:
        self.through.params = self.limits.params
        self._suit_method()

    def _suit_method(self) -> None:
        """Show the limits that the method reads."""
        unread = UNREAD[self.through.params.method]
        self.limits.show_only([name for name in self.limits.values if name not in unread])
        if self.through.params.method == "regions":
            self._suit_finder()

    def _suit_finder(self) -> None:
        """Offer the finders that fit the model in use."""
        finder = self.limits.control("finder")
        assert isinstance(finder, FinderControl)
        if self._finder is None:
            self._finder = finder
            finder.told.connect(lambda text: self.message.say(text, "error"))
        session = self.through.sync.session
        finder.follow_model(None if session is None else without_tiles(session.predictor.model))


def describe(through: ThroughPlanes) -> str:
    """Return a line about the object that is shown; empty without one."""
    whole, many = through.whole, len(through.wholes) > 1
    if through.planes is None or whole is None:
        return ""
    text = f"Object {whole}" + (f", one of {len(through.wholes)}" if many else "")
    text += f": on {len(through.answers)} of {through.count} planes"
    doubtful = len(through.doubtful)
    text += f", {doubtful} of them doubtful" if doubtful else ""
    failed = [through.planes.number(e.plane) for e in through.without_mask if e.whole == whole]
    if failed:
        where = f"s {', '.join(map(str, failed))}" if len(failed) > 1 else f" {failed[0]}"
        text += f"; prompts on plane{where} give no mask, what is found there stays"
    if through.running:
        return f"{text}; following {'them' if many else 'it'} ..."
    if not through.is_current:
        return f"{text}; its prompts have changed since"
    stopped = through.found.is_stopped(whole)
    return f"{text}; stopped before its end" if stopped else text
