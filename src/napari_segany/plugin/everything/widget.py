"""Dock that segments everything, filters the result live, and makes labels of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.io.recipe_file import read_recipe
from napari_segany.linking.link_params import LinkParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything import export_code
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.edge_layer import EdgeLayer
from napari_segany.plugin.everything.filter_sliders import FilterSliders
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.foreground_layer import ForegroundLayer
from napari_segany.plugin.everything.recipe_loader import RecipeLoader
from napari_segany.plugin.everything.volume_layer import VolumeLayer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.shared.controls import column, folded, form, panel, row, with_tip
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.plugin.shared.image_dock import ImageDock
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.plugin.shared.recipe_files import choose_target, write_recipe
from napari_segany.recipe import Recipe

if TYPE_CHECKING:
    import napari.viewer


class EverythingWidget(ImageDock):
    """Segment everything in an image, filter the masks live, and make labels of them.

    Masks and decisions are kept for each image, and come back when it is chosen again.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    >>> widget.image_layer = viewer.layers["cells"]
    >>> widget.find(wait=True)
    >>> widget.filter(Filters(pred_iou_thresh=0.8, min_area=30))
    >>> labels = widget.make_labels()
    """

    _reported = Signal(int, int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.controller = EverythingController(self.viewer, self.jobs, self._reported.emit)
        self.edges = EdgeLayer(self.controller)
        self.foreground = ForegroundLayer(self.controller)
        self.volume = VolumeLayer(self.controller)
        self.connect_model(self.controller)
        # Masks whose ranges and histograms the sliders show.
        self._shown: MaskSet | None = None
        # The recipe that was saved last, with its file.
        self._saved: tuple[Path, Recipe] | None = None
        self._build()
        self._reported.connect(self._on_report)
        self.controller.changed.connect(self._refresh)
        self.reset_choices()

    # For the console ------------------------------------------------------------------------

    @property
    def image_view(self) -> LayerView | None:
        """The image in work with its channels, None if there is none."""
        return self.controller.view

    def _open_image(
        self, layer: Any, channels: Sequence[int] | None, others: Sequence[Any]
    ) -> None:
        self.controller.open_image(layer, channels, others)

    @property
    def params(self) -> FilterRules:
        """Parameters that the controls show."""
        return self.search.params

    def find(self, params: GeneratorParams | None = None, wait: bool = False) -> MaskSet | None:
        """Search the plane in view, or the whole stack if that is ticked.

        Parameters
        ----------
        params : GeneratorParams, optional
            Parameters of the search; by default those of the controls, and before anything was
            chosen there the model's own strategy.
        wait : bool
            Return when the search is done.

        Returns
        -------
        MaskSet or None
            Masks shown in the plane in view, None before they are found.
        """
        region, whole = self.region.layer, self.whole_stack.isChecked()
        self._run(lambda: self.controller.find(params or self.search.choice, whole, region), wait)
        return self.controller.shown

    def find_edges(self, thin: bool = False, wait: bool = False) -> Any:
        """Draw edges of the plane in view, or the whole stack if that is ticked, into a layer.

        Parameters
        ----------
        thin : bool
            Draw edges one pixel wide.
        wait : bool
            Return when the edges are drawn.

        Returns
        -------
        napari.layers.Image or None
            The layer, None before its first plane is drawn.
        """
        whole = self.whole_stack.isChecked()
        self._run(lambda: self.edges.find(whole, thin), wait)
        return self.edges.layer

    def show_foreground(self, wait: bool = False) -> Any:
        """Draw the finder's foreground of the plane in view, or of the stack, into a layer.

        Parameters
        ----------
        wait : bool
            Return when the foreground is drawn.

        Returns
        -------
        napari.layers.Image or None
            The layer, None before its first plane is drawn.
        """
        whole = self.whole_stack.isChecked()
        self._run(lambda: self.foreground.find(whole), wait)
        return self.foreground.layer

    def make_volume(self, wait: bool = False) -> Any:
        """Make objects of the whole stack, and return their labels layer, None until it is there.

        Parameters
        ----------
        wait : bool
            Return when they are made.
        """
        self._run(lambda: self.volume.make(self.volume_form.params, self.search.choice), wait)
        return self.volume.layer

    def _filter_volume(self) -> None:
        self.volume.filter(self.volume_form.params)

    def _run(self, act: Callable[[], None], wait: bool) -> None:
        self.progress.start_clock()
        self.run_when_ready(act, wait)

    def stop(self) -> None:
        """Stop searching; the masks of completely searched planes are kept."""
        self.jobs.cancel()
        self.controller.stop()
        self.edges.stop()
        self.foreground.stop()
        self.volume.stop()
        self.picker.stopped()
        self.say("Stopped; what was found is kept.")

    def filter(self, filters: Filters) -> MaskSet | None:
        """Apply filters and return the masks that pass them in the plane in view."""
        self.controller.apply_filters(filters)
        self.message.clear_error()
        return self.controller.shown

    def next_uncertain(self) -> int | None:
        """Show the most uncertain object that is not accepted, and return its label."""
        label = self.controller.next_uncertain()
        self.say("No object is left to review." if label is None else f"Object {label}.")
        return label

    def accept(self) -> int | None:
        """Accept the selected object and show the next uncertain one; return its label."""
        if self.controller.selected is not None:
            self.controller.accept(self.controller.selected)
        return self.next_uncertain()

    def reject(self) -> int | None:
        """Reject the selected object and show the next uncertain one; return its label."""
        if self.controller.selected is not None:
            self.controller.reject(self.controller.selected)
        return self.next_uncertain()

    def open_in_prompt(self) -> Any:
        """Open the Prompt dock with the point that found the selected object; return the dock."""
        selected = self.controller.selected
        if selected is None:
            raise InputError("Select an object first, for example the most uncertain one.")
        point = self.controller.point_of(selected)
        _, widget = self.viewer.window.add_plugin_dock_widget(
            "napari-segany", "Prompt", tabify=True
        )
        if self.model is not None:
            widget.model = self.model
        view = self.controller.view
        assert view is not None
        widget.set_image(view.layer, view.channels, view.others)
        if point is not None:
            widget.session.add_point(*point)
        return widget

    def make_labels(self) -> Any:
        """Add a labels layer of the kept masks with scores and recipe, and return it."""
        return self.controller.make_labels()

    def make_mask_stack(self) -> Any:
        """Add a layer with each mask of the plane in view by itself, and return it."""
        return self.controller.make_mask_stack()

    def save_recipe(self, path: str | Path | None = None) -> Path | None:
        """Save a recipe for ``napari-segany segment --recipe``, and return its path.

        Parameters
        ----------
        path : str or Path, optional
            Target file; without it a file dialog is shown.
        """
        recipe = self.controller.make_recipe()
        target = choose_target(self, path)
        if target is not None:
            write_recipe(recipe, target)
            self._saved = target, recipe
            self.say(f"Saved as {target}.")
        return target

    def copy_command(self) -> str:
        """Copy a command line that makes the same labels to the clipboard, and return it.

        Raises
        ------
        InputError
            If no command can make them.
        """
        found, view = self.controller.opened()
        device = self.preferences.device
        code = export_code.as_command(found, view, device, self._saved)
        return self.copy_text(code.text, code.notes)

    def copy_python(self) -> str:
        """Copy a script that makes the same labels to the clipboard, and return it.

        Raises
        ------
        InputError
            If no script can make them.
        """
        code = export_code.as_python(*self.controller.opened())
        return self.copy_text(code.text, code.notes)

    def use_recipe(self, recipe: Recipe | str | Path | None = None) -> Recipe | None:
        """Show the parameters of a recipe for finding objects and for labels; return the recipe.

        Masks that were found are filtered like the recipe where that needs no search. Model and
        channels stay as they are in the dock.

        Parameters
        ----------
        recipe : Recipe, str or Path, optional
            Recipe, or its file; without it a file dialog is shown.

        Raises
        ------
        InputError
            If it is no recipe for labels, or of a generator without controls; nothing changes then.
        """
        if recipe is None:
            recipe, _ = QFileDialog.getOpenFileName(self, "Recipe", "", "Recipes (*.json)")
        if not recipe:
            return None
        recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
        notes = self.loader.load(recipe)
        self.say(" ".join(["Loaded.", *notes]), "warning" if notes else "info")
        self.undo_button.setEnabled(True)
        return recipe

    def undo_recipe(self) -> None:
        """Restore parameters and filters as they were before a recipe was loaded."""
        self.loader.undo()
        self.say("As before the recipe.")
        self.undo_button.setEnabled(self.loader.can_undo)

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        super().reset_choices(event)
        self.region.fill([each for each in self.viewer.layers if each is not self.controller.layer])

    def _release(self) -> None:
        self.controller.end()

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.whole_stack = with_tip(
            QCheckBox("whole stack"), "All planes parallel to the one in view"
        )
        self.region = LayerCombo(
            [Labels, Shapes], "everywhere", "Search only in these labels, or inside these shapes"
        )
        self.search = GeneratorForm()
        self.search.follow_picker(self.picker)
        self.map_button = self.button(
            "Show foreground", self.show_foreground, "An image layer with all that the finder sees"
        )
        self.search.add_advanced(FinderParams, self.map_button)
        self.volume_form = ParameterForm(LinkParams(), "Advanced: volumes")
        self.volume_form.changed.connect(self.guarded(self._filter_volume))
        make = self.button("Make volume", self.make_volume, "One id an object through all planes")
        volumes = folded("Volumes", panel(column(self.volume_form, make)))
        self.loader = RecipeLoader(self.search, self.controller, self.volume_form)
        load = self.button("Load ...", self.use_recipe, "Use a recipe's parameters")
        self.undo_button = self.button("Undo load", self.undo_recipe, "As before the recipe")
        self.undo_button.setEnabled(False)
        choices = form(
            (
                ("Image", self.image_choice),
                ("Channels", self.channels),
                ("Model", self.picker),
                ("", self.whole_stack),
                ("Region", self.region),
                ("Recipe", row(load, self.undo_button)),
            )
        )
        self.find_button = self.button("Find everything", self.find, "Search the plane in view")
        self.stop_button = self.button("stop", self.stop, "Stop; what was found is kept")
        self.sliders = FilterSliders()
        self.sliders.changed.connect(self.guarded_with(self.filter))
        review = row(
            self.button("Uncertain", self.next_uncertain, "Show the most uncertain object"),
            self.button("Accept", self.accept, "Accept the object; show the next"),
            self.button("Reject", self.reject, "Reject the object; show the next"),
            self.button("In Prompt", self.open_in_prompt, "Segment it again from its point"),
        )
        results = row(
            self.button("Make labels", self.make_labels, "A labels layer with scores and recipe"),
            self.button(
                "Masks as stack", self.make_mask_stack, "Each mask by itself, with overlaps"
            ),
            self.button("Edges", self.find_edges, "An image layer with all outlines"),
        )
        exports = row(
            self.button("Save recipe ...", self.save_recipe, "For the command line"),
            self.button("Copy as command line", self.copy_command, "For a terminal or a cluster"),
            self.button("Copy as Python", self.copy_python, "A script that makes the same labels"),
        )
        start = row(self.find_button, self.stop_button, wide=self.find_button)
        self.lay_out(
            (choices, self.search, start, self.progress, self.sliders, volumes),
            (review, results, exports, self.message),
        )

    # Showing --------------------------------------------------------------------------------

    def _on_model(self, model: PromptableModel | None) -> None:
        self.progress.start_clock()
        super()._on_model(model)

    def _on_report(self, done: int, total: int) -> None:
        drawn = (self.edges, self.foreground, self.volume, self.controller)
        planes = sum(len(each.remaining) for each in drawn)
        if not planes:
            return
        left = self.progress.seconds_left(done, total)
        more = f"{planes} planes to do" if planes > 1 else f"{left:.0f} s left"
        self.progress.show_progress(done, total, f"{done / max(total, 1):.0%}, {more}")

    def _refresh(self) -> None:
        found, shown = self.controller.found, self.controller.shown
        if found is None or shown is None or found.params is None:
            # Ranges and counts of another image, or of another plane, mean nothing here.
            self._shown = None
            self.sliders.setEnabled(False)
            self.sliders.count.setText("")
            return
        masks = found.masks[self.controller.plane]
        if masks is not self._shown:
            self._shown = masks
            self.sliders.begin(masks, found.params, found.filters)
        elif found.filters != self.sliders.filters:
            self.sliders.show_filters(found.filters)
        self.sliders.count.setText(f"{len(shown)} shown of {len(masks.all_candidates)} found")
