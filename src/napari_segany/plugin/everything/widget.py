"""Dock that segments everything, filters the result live, and makes labels of it."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_segany.core.masks import MaskSet
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.presets import PRESETS
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.io.recipe_file import read_recipe
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything import export_code
from napari_segany.plugin.everything.alike import AlikeActions
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.correct_actions import CorrectActions
from napari_segany.plugin.everything.edge_layer import EdgeLayer
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.foreground_layer import ForegroundLayer
from napari_segany.plugin.everything.form import EverythingForm
from napari_segany.plugin.everything.presenter import FormPresenter
from napari_segany.plugin.everything.recipe_loader import RecipeLoader
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.everything.sort_actions import SortActions
from napari_segany.plugin.everything.suggestions import Suggestion
from napari_segany.plugin.everything.tile_actions import TileActions
from napari_segany.plugin.everything.volume_layer import VolumeLayer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.shared.image_dock import ImageDock
from napari_segany.plugin.shared.progress_panel import duration
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

    def __init__(self, viewer: "napari.viewer.Viewer", at_once: bool = True) -> None:
        super().__init__(viewer)
        self._making = self._make()
        if at_once:
            deque(self._making, 0)

    def _make(self) -> Iterator[None]:
        """Make the dock; yield after each part."""
        self.controller = EverythingController(self.viewer, self.jobs, self._reported.emit)
        self.review = ObjectReview(self.controller)
        self.edges = EdgeLayer(self.controller)
        self.foreground = ForegroundLayer(self.controller)
        self.volume = VolumeLayer(self.controller)
        self.connect_model(self.controller)
        self._saved: tuple[Path, Recipe] | None = None  # saved last, with its file
        yield from self._build()
        self._reported.connect(self._on_report)
        self._reported.connect(lambda *_: self.controller.follow_search())
        self.controller.changed.connect(self._refresh)
        self.volume.shown.connect(self._refresh)
        self.reset_choices()

    # For the console ------------------------------------------------------------------------

    @property
    def image_view(self) -> LayerView | None:
        """The image in work with its channels, None if there is none."""
        return self.controller.view

    def _labels_layer(self) -> Any:
        made = self.controller.made
        return None if made is None else made.layer

    def _open_view(self, view: LayerView) -> None:
        self.controller.open_view(view)

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
        self._run(lambda: self.edges.find(self.whole_stack.isChecked(), thin), wait)
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
        self._run(lambda: self.foreground.find(whole, self.search.choice), wait)
        return self.foreground.layer

    def make_volume(self, wait: bool = False) -> Any:
        """Make objects of the whole stack, and return their labels layer, None until it is there.

        Parameters
        ----------
        wait : bool
            Return when they are made.
        """
        self._run(lambda: self.volume.make(self.form.volumes.params, self.search.choice), wait)
        self.form.link_box.setChecked(True)
        return self.volume.layer

    def _run(self, act: Callable[[], None], wait: bool) -> None:
        self.message.dismiss()
        self.run_when_ready(act, wait)

    def stop(self) -> None:
        """Stop searching; the masks of completely searched planes are kept."""
        self.jobs.cancel()
        for each in (self.controller, self.edges, self.foreground, self.volume):
            each.stop()
        self.picker.stopped()
        self.say("Stopped; what was found is kept.")

    def filter(self, filters: Filters) -> MaskSet | None:
        """Apply filters and return the masks that pass them in the plane in view."""
        self.controller.apply_filters(filters)
        self.message.clear_error()
        return self.controller.shown

    def next_uncertain(self) -> int | None:
        """Show the most uncertain object that is not accepted, and return its label."""
        label = self.review.show_next()
        self.say("No object is left to review." if label is None else "")
        return label

    def accept(self) -> int | None:
        """Accept the selected object and show the next one; return its label."""
        if self.review.selected is not None:
            self.review.accept(self.review.selected)
        return self.next_uncertain()

    def reject(self) -> int | None:
        """Reject the selected object and show the next one; return its label."""
        if self.review.selected is not None:
            self.review.reject(self.review.selected)
        return self.next_uncertain()

    def undo_decision(self) -> int | None:
        """Take back the last decision and show its object; return its label, None without one."""
        label = self.review.undo()
        self.say("There is no decision to undo." if label is None else "")
        return label

    def correct(self) -> Any:
        """Open the selected object in the Prompt dock, and return the dock.

        Its point is set. Its commit replaces the found object in the labels of "Make labels", which
        are made now if there are none, and has the same label.
        """
        return self._correcting.correct()

    def make_labels(self, wait: bool = True) -> Any:
        """Add a labels layer of the kept masks with scores and recipe, and return it.

        The sliders are locked then, see :meth:`filter_again`. None while labels of a large plane
        are painted in the background.
        """
        if self.controller.make_labels() is None and wait:
            self.jobs.wait()
        return self._labels_layer()

    def filter_again(self) -> None:
        """Show the masks in place of the labels that were made, and unlock the sliders."""
        self.controller.filter_again()

    def search_again(self, suggestion: Suggestion, wait: bool = False) -> MaskSet | None:
        """Search with another preset or model, and return the masks shown, as :meth:`find` does."""
        if suggestion.preset:
            self.search.params = PRESETS[suggestion.preset].params
        if suggestion.model:
            # What suits one model may not suit the other.
            self.search.state = replace(self.search.state, is_chosen=False)
            self.picker.choice.setCurrentIndex(self.picker.choice.findData(suggestion.model))
            self.picker.forget()
        return self.find(wait=wait)

    def make_mask_stack(self) -> Any:
        """Add a layer with each mask of the plane in view by itself, and return it."""
        return self.controller.make_mask_stack()

    def save_recipe(self, path: str | Path | None = None) -> Path | None:
        """Save a recipe for ``napari-segany segment --recipe``, and return its path.

        Parameters
        ----------
        path : str or Path, optional
            Target; without it a file dialog is shown.
        """
        recipe = export_code.linked_recipe(self.controller.opened()[0], self.form.link)
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
        code = export_code.as_command(found, view, device, self._saved, self.form.link)
        return self.copy_text(code.text, code.notes)

    def copy_python(self) -> str:
        """Copy a script that makes the same labels to the clipboard, and return it.

        Raises
        ------
        InputError
            If no script can make them.
        """
        code = export_code.as_python(*self.controller.opened(), self.form.link)
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
        self.form.buttons["Undo load"].setEnabled(True)
        return recipe

    def undo_recipe(self) -> None:
        """Restore parameters and filters as they were before a recipe was loaded."""
        self.loader.undo()
        self.say("As before the recipe.")
        self.form.buttons["Undo load"].setEnabled(self.loader.can_undo)

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        super().reset_choices(event)
        self.form.fill_layers([e for e in self.viewer.layers if e is not self.controller.layer])

    def _release(self) -> None:
        self.controller.end()
        self.volume.end()
        self._presenter.end()
        super()._release()

    # Building -------------------------------------------------------------------------------

    def _build(self) -> Iterator[None]:
        self.form = form = EverythingForm()
        yield from form.make(self.setup_rows, self.picker, self.progress)
        self.search, self.sliders, self.region = form.search, form.sliders, form.region
        self.whole_stack = form.whole_stack
        clicked = self.guarded_with(self.review.show)
        self._presenter = FormPresenter(form, self.controller, self.review, self.jobs, clicked)
        self.alike = AlikeActions(self, self.controller, form)
        self.tiles = TileActions(self, self.controller, form.tiles, self.review)
        self._correcting = CorrectActions(self, self.review)
        self.sort = SortActions(self, self.controller, self.review, form.sort)
        self.loader = RecipeLoader(form, self.controller)
        yield
        self.lay_out([form], (form.review, form.results, self.message))
        yield
        self.sliders.changed.connect(self.guarded_with(self.filter))
        self.sliders.again.chosen.connect(self.guarded_with(self.search_again))
        form.volumes.changed.connect(self.guarded(lambda: self.volume.filter(form.volumes.params)))
        acts: dict[str, Callable[[], Any]] = {
            "Find everything": self.find,
            "Stop": self.stop,
            "Show foreground": self.show_foreground,
            "Next doubtful": self.next_uncertain,
            "Accept": self.accept,
            "Reject": self.reject,
            "Undo": self.undo_decision,
            "Correct": self._correcting.correct_in_turns,
            "Make labels": lambda: self.make_labels(wait=False),
            "Change filters": self.filter_again,
            "Save labels…": lambda: self.save_labels(wait=False),
            "Make volume": self.make_volume,
            "Save volume…": lambda: self.save_labels(wait=False, layer=self.volume.layer),
            "Masks as stack": self.make_mask_stack,
            "Edges": self.find_edges,
            "Load…": self.use_recipe,
            "Undo load": self.undo_recipe,
            "Save…": self.save_recipe,
            "Copy as command line": self.copy_command,
            "Copy as Python": self.copy_python,
        }
        for text, act in acts.items():
            form.buttons[text].clicked.connect(self.guarded(act))

    # Showing --------------------------------------------------------------------------------

    def _on_model(self, model: PromptableModel | None) -> None:
        super()._on_model(model)
        self._refresh()

    def _on_report(self, done: int, total: int) -> None:
        drawn = (self.edges, self.foreground, self.volume, self.controller)
        if any(each.remaining for each in drawn):
            clock, place = self.controller.clock, self.controller.searches.place_text
            left, share = duration(clock.seconds_left(done, total)), clock.fraction(done, total)
            self.progress.show_progress(share, 1, f"{share:.0%}, {place}{left} left", steps=1000)

    def _on_busy(self, busy: bool) -> None:
        self.form.buttons["Stop"].setEnabled(busy)
        super()._on_busy(busy)

    def _refresh(self) -> None:
        self.form.buttons["Save volume…"].setEnabled(self.volume.is_of_image)
        self._presenter.refresh(self.setup_summary)
