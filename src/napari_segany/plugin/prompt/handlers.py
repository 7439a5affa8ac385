"""What the Prompt widget's controls do: each calls a public method of the widget."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication

from napari_segany.plugin.prompt import layer_features
from napari_segany.plugin.prompt.candidate_buttons import CandidateButtons
from napari_segany.plugin.prompt.import_panel import ImportPanel
from napari_segany.plugin.prompt.object_list import ObjectList
from napari_segany.plugin.prompt.provenance_panel import ProvenancePanel
from napari_segany.plugin.shared.channel_picker import ChannelPicker

if TYPE_CHECKING:
    from napari_segany.plugin.prompt.widget import PromptWidget

KEYS = (
    ("Q", "flip_sign", "Next point on the object, or off it"),
    ("N", "commit", "Commit, and begin the next object"),
    ("J", "previous_candidate", "Previous reading"),
    ("K", "next_candidate", "Next reading"),
    ("U", "undo", "Undo the last step"),
    ("Shift-U", "redo", "Redo"),
    ("G", "segment", "Segment now"),
    ("H", "toggle_preview", "Hide or show the preview"),
)
"""Keys on our prompt layers; napari uses none of them there."""


class Handlers:
    """Fills a Prompt widget's form and answers its controls.

    Parameters
    ----------
    widget : PromptWidget
        Whose public methods are called.
    """

    def __init__(self, widget: "PromptWidget") -> None:
        self.widget = widget
        self._fill_form()
        self._connect()

    def _fill_form(self) -> None:
        do = self.widget.guarded
        self.widget.readings = CandidateButtons(lambda number: do(lambda: self._choose(number))())
        self.widget.channels = ChannelPicker(
            lambda channels, layers, axis: do(lambda: self._on_channels(channels, layers, axis))()
        )
        self.widget.objects = ObjectList(
            lambda numbers: do(lambda: self._go_to(numbers))(),
            lambda numbers: do(lambda: self._reopen(numbers))(),
            lambda numbers: do(lambda: self._delete(numbers))(),
        )
        self.widget.others = ImportPanel(
            lambda layer, how, every: do(lambda: self.widget.take_labels(layer, how, every))(),
            lambda layer: do(lambda: self.widget.take_layer(layer))(),
            do(self.widget.take_table),
        )
        recipes = ProvenancePanel(
            do(self.widget.save_session),
            do(self.widget.replay),
            do(lambda: self._copy(self.widget.as_python())),
            do(lambda: self._copy(self.widget.as_command())),
        )
        tools = {
            "+ point": ("Click on the object (Q flips the sign)", self._tool("points", "add", "+")),
            "- point": ("Click where it is not", self._tool("points", "add", "-")),
            "box": ("Drag a box around it", self._tool("shapes", "add_rectangle", "+")),
            "outline": ("Draw around it", self._tool("shapes", "add_polygon_lasso", "+")),
            "scribble": ("Draw along it", self._tool("shapes", "add_path", "+")),
        }
        acts = {
            "<": ("Previous reading (J)", do(self.widget.previous_candidate)),
            ">": ("Next reading (K)", do(self.widget.next_candidate)),
            "Commit": ("Write into the labels (N)", do(self.widget.commit)),
            "Clear": ("Give up the open objects", do(self.widget.clear)),
            "Undo": ("Undo the last step (U)", do(self.widget.undo)),
            "Redo": ("Redo (Shift-U)", do(self.widget.redo)),
        }
        folded = {
            "Objects": self.widget.objects,
            "From other layers": self.widget.others,
            "Recipe": recipes,
        }
        self.widget.build(
            {text: (tip, do(act)) for text, (tip, act) in tools.items()},
            acts,
            self.widget.readings,
            self.widget.channels,
            folded,
        )

    def _connect(self) -> None:
        do = self.widget.guarded
        self.widget.image_choice.activated.connect(self._on_image)
        self.widget.restore_button.clicked.connect(
            lambda _=False: do(lambda: self.widget.restore(self.widget.stories.chosen))()
        )
        self.widget.stop_button.clicked.connect(lambda _=False: do(self.widget.stop)())
        self.widget.labels_choice.activated.connect(self._on_labels)
        self.widget.overlap_choice.activated.connect(self._on_overlap)
        self.widget.many.toggled.connect(self._on_mode)
        self.widget.live.toggled.connect(lambda on: setattr(self.widget.controller, "live", on))
        for spin, name in (
            (self.widget.min_iou, "min_predicted_iou"),
            (self.widget.min_stability, "min_stability"),
        ):
            spin.valueChanged.connect(
                lambda value, n=name: setattr(self.widget.controller, n, value)
            )

        self.widget.controller.prompts_added.connect(self._bind_keys)

    def _bind_keys(self, layer: Any) -> None:
        for key, method, _ in KEYS:
            act = self.widget.guarded(getattr(self.widget, method))
            layer.bind_key(key, lambda layer, call=act: call(), overwrite=True)

    # What is clicked ------------------------------------------------------------------------

    def _tool(self, layer: str, mode: str, sign: str) -> Callable[[], None]:
        wanted = layer_features.POSITIVE if sign == "+" else layer_features.NEGATIVE

        def take() -> None:
            self.widget.controller.take_tool(layer, mode, wanted)

        return take

    def _on_image(self, index: int) -> None:
        layer = self.widget.image_choice.layer
        if layer is not None and layer is not self.widget.image_layer:
            self.widget.guarded(lambda: self._leave_for(layer))()

    def _leave_for(self, layer: Any) -> None:
        self.widget.settle_open()
        self.widget.set_image(layer)

    def _on_channels(
        self, channels: tuple[int, ...] | None, layers: tuple[Any, ...], axis: int
    ) -> None:
        if self.widget.image_layer is not None:
            self.widget.settle_open()
            self.widget.set_image(self.widget.image_layer, channels, layers, axis)

    def _on_mode(self, many: bool) -> None:
        self.widget.controller.mode = "many" if many else "one"

    def _on_labels(self, index: int) -> None:
        if self.widget.session is not None:
            layer = self.widget.labels_choice.layer
            self.widget.guarded(lambda: self.widget.controller.into(layer))()
            self.widget.reset_choices()

    def _on_overlap(self, index: int) -> None:
        if self.widget.session is not None:
            self.widget.session.on_overlap = self.widget.overlap_choice.itemData(index)

    def _choose(self, number: int) -> None:
        if self.widget.session is not None:
            self.widget.session.choose(number)

    def _go_to(self, numbers: list[int]) -> None:
        if numbers:
            self.widget.controller.go_to(numbers[0])

    def _reopen(self, numbers: list[int]) -> None:
        for number in numbers:
            self.widget.controller.go_to(number)
            assert self.widget.session is not None
            self.widget.session.reopen(number)

    def _delete(self, numbers: list[int]) -> None:
        if self.widget.session is not None and numbers:
            self.widget.session.delete(numbers)

    def _copy(self, text: str) -> None:
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(text)
        self.widget.say("Copied.")
