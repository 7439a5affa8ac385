"""Controls of the Everything dock in the order of the work: search, filter, review."""

from collections.abc import Iterator, Sequence
from typing import Any

from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from napari_segany.generators.finder_params import FinderParams
from napari_segany.linking.link_params import LinkParams
from napari_segany.plugin.everything.example_panel import ExamplePanel
from napari_segany.plugin.everything.filter_sliders import FilterSliders
from napari_segany.plugin.everything.review_card import ReviewCard
from napari_segany.plugin.everything.sort_panel import SortPanel
from napari_segany.plugin.everything.tile_form import TileForm
from napari_segany.plugin.shared.controls import (
    Part,
    column,
    form,
    grid,
    panel,
    primary,
    row,
    set_due,
    with_tip,
)
from napari_segany.plugin.shared.fold import Fold, SetupFold
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.plugin.shared.progress_panel import ProgressPanel
from napari_segany.plugin.shared.save_labels import TIP as SAVE_TIP

BUTTONS = {
    "Find everything": "Search the plane in view, or the stack if that is ticked",
    "Stop": "Stop; what was found is kept",
    "Show foreground": "An image layer with all that the finder sees",
    "Next doubtful": "Show the most doubtful object that is not accepted",
    "Accept": "Accept the object; show the next",
    "Reject": "Reject the object; show the next",
    "Undo": "Take back the last decision",
    "Correct": "Segment it again in the Prompt dock; Commit there replaces it in the labels",
    "Make labels": "A labels layer with scores and recipe",
    "Save labels…": SAVE_TIP,
    "Change filters": "Show the masks again and move the sliders; the labels stay",
    "Masks as stack": "Each mask by itself, with overlaps",
    "Make volume": "Objects that have one id through all planes of the stack",
    "Save volume…": SAVE_TIP,
    "Edges": "An image layer with all outlines",
    "Load…": "Use a recipe's parameters",
    "Undo load": "As before the recipe",
    "Save…": "A recipe for the command line",
    "Copy as command line": "For a terminal or a cluster",
    "Copy as Python": "A script that makes the same labels",
}
"""Tooltips of the buttons, by their text."""

OF_MASKS = ("Masks as stack", "Save…", "Copy as command line", "Copy as Python")
"""Buttons that need masks, beside those of review and labels."""


class EverythingForm(QWidget):
    """Controls of the Everything dock; :meth:`make` makes them.

    Attributes
    ----------
    buttons : dict
        Push buttons by their text.
    setup : SetupFold
        Choices of image, channels and model.
    search : GeneratorForm
        Parameters of the search.
    tiles : TileForm
        Size of objects, and tiles of large planes.
    search_fold : SetupFold
        Section of the search; folded when something was found.
    whole_stack : QCheckBox
        Search all planes.
    region : LayerCombo
        Where to search.
    alike : ExamplePanel
        Examples, and the search for objects like them.
    sort : SortPanel
        Classes of the objects.
    volume_fold : Fold
        Objects through planes; hidden for an image of one plane.
    sliders : FilterSliders
        Filters; hidden before something was found.
    made_line : QLabel
        Line about the labels that were made, which the filters do not change any more.
    link_box : QCheckBox
        Whether recipes, commands and scripts link planes.
    volumes : ParameterForm
        How objects of the volume are made, and which are left out.
    card : ReviewCard
        The object that is reviewed.
    review, results : QWidget
        Buttons below everything that scrolls.
    """

    def make(
        self, image: list[tuple[str, Part]], picker: ModelPicker, progress: ProgressPanel
    ) -> Iterator[None]:
        """Make the controls; yield after each part, so that the window can do other things.

        Parameters
        ----------
        image : list of tuple
            Labelled controls that choose image, channels and model.
        picker : ModelPicker
            Control that chooses the model, which the strategies follow.
        progress : ProgressPanel
            Bar with the time left.
        """
        self.buttons = {text: with_tip(QPushButton(text), tip) for text, tip in BUTTONS.items()}
        self.setup = SetupFold("Choose an image", panel(form(image)))
        self.whole_stack = with_tip(
            QCheckBox("whole stack"), "All planes parallel to the one in view"
        )
        self.region = LayerCombo(
            [Labels, Shapes], "everywhere", "Search only in these labels, or inside these shapes"
        )
        yield
        self.search = GeneratorForm((("", self.whole_stack), ("Region", self.region)))
        self.search.follow_picker(picker)
        self.search.add_advanced(FinderParams, self.buttons["Show foreground"])
        yield
        self.tiles = TileForm()
        self.search_fold = SetupFold("Search", panel(column(self.search, self.tiles)))
        yield
        self.sliders = FilterSliders()
        yield
        self.made_line = QLabel()
        self.made_line.setWordWrap(True)
        self._made = panel(column(self.made_line, self.buttons["Change filters"]))
        find, stop = self.buttons["Find everything"], self.buttons["Stop"]
        labels, masks = self.buttons["Make labels"], self.buttons["Masks as stack"]
        self.card = ReviewCard()
        review = ("Accept", "Reject", "Undo")
        self.review = panel(
            column(
                self.card,
                row(self.buttons["Next doubtful"], self.buttons["Correct"]),
                row(*(self.buttons[text] for text in review)),
            )
        )
        # One in the place of the other: what to do next with what was found.
        next_step = column(primary(labels), primary(self.buttons["Save labels…"]))
        self.results = panel(row(next_step, masks, wide=next_step))
        self.buttons["Undo load"].setEnabled(False)
        stop.setEnabled(False)
        self.volumes = ParameterForm(LinkParams(), "Advanced: volumes")
        self.link_box = with_tip(
            QCheckBox("link planes into volumes"),
            "Recipes, commands and scripts link planes, too; Make volume switches it on",
        )
        self.buttons["Save volume…"].setEnabled(False)
        make = row(self.buttons["Make volume"], self.buttons["Save volume…"])
        volumes = panel(column(self.link_box, self.volumes, make))
        more = (
            *("Load…", "Copy as command line", "Undo load", "Copy as Python"),
            *("Save…", "Edges"),
        )
        self.alike, self.sort = ExamplePanel(), SortPanel()
        self.volume_fold = Fold("Volumes", volumes)
        yield
        layout = column(
            self.setup,
            self.search_fold,
            row(primary(find), stop, wide=find),
            progress,
            self._made,
            self.sliders,
            self.alike,
            self.sort,
            self.volume_fold,
            Fold("Recipe, edges", panel(grid(*(self.buttons[text] for text in more)))),
        )
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.show_made("")
        self.sliders.setEnabled(False)
        self.show_found(False)

    @property
    def link(self) -> LinkParams | None:
        """Rules by which recipes link planes into volumes; None if they do not."""
        params: LinkParams = self.volumes.params
        return params if self.link_box.isChecked() else None

    def fill_layers(self, layers: Sequence[Any]) -> None:
        """Offer layers as regions and as examples."""
        self.region.fill(layers)
        self.alike.layer.fill(layers)

    def show_made(self, labels: str) -> None:
        """Lock the filters because labels were made, or unlock them.

        Parameters
        ----------
        labels : str
            Name of the labels layer; empty to unlock.
        """
        self._made.setVisible(bool(labels))
        self.made_line.setText(
            f"The layer '{labels}' was made with these filters. They are locked, so that no "
            "correction in it is lost."
        )
        self.sliders.setEnabled(not labels)
        # Another layer of the same filters would lack the corrections.
        self.buttons["Make labels"].setVisible(not labels)
        self.buttons["Save labels…"].setVisible(bool(labels))

    def show_review(self, is_object: bool, can_undo: bool) -> None:
        """Enable the buttons of the review that can act.

        Parameters
        ----------
        is_object : bool
            An object is selected.
        can_undo : bool
            There is a decision to take back.
        """
        for text in ("Accept", "Reject", "Correct"):
            self.buttons[text].setEnabled(is_object)
        self.buttons["Undo"].setEnabled(can_undo)

    def show_found(self, found: bool, stack: bool = False) -> None:
        """Show the controls of masks that were found, or those of the search.

        Parameters
        ----------
        found : bool
            Masks were found in the plane in view.
        stack : bool
            The image has several planes.
        """
        self.volume_fold.setVisible(stack)
        self.whole_stack.setVisible(stack)
        self.buttons["Next doubtful"].setEnabled(found)
        self.results.setEnabled(found)
        for text in OF_MASKS:
            self.buttons[text].setEnabled(found)
        self.sliders.setVisible(found)
        set_due(self.buttons["Find everything"], not found)
        strategy, preset = self.search.strategy.currentText(), self.search.preset.currentText()
        self.search_fold.show_summary(f"Search: {preset}, {strategy}" if found else "")
