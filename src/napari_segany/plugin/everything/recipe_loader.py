"""Loading of a recipe into the controls of the Everything dock, and undoing it."""

from dataclasses import dataclass

from napari_segany.errors import InputError, SeganyError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.strategies import check_described
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.linking.link_params import LinkParams
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.form import EverythingForm
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.shared.generator_form import FormState
from napari_segany.recipe import Recipe


@dataclass(frozen=True)
class _Before:
    """The dock before a recipe was loaded."""

    form: FormState
    start: Filters
    found: FoundMasks | None
    searched: object
    filters: Filters
    link: LinkParams
    is_linked: bool
    tiles: TileParams | None


class RecipeLoader:
    """Shows the parameters of recipes in a dock, and undoes it.

    Parameters
    ----------
    form : EverythingForm
        Controls of the dock.
    controller : EverythingController
        Masks that were found, and filters for those to come.
    """

    def __init__(
        self,
        form: EverythingForm,
        controller: EverythingController,
    ) -> None:
        self.form, self.tiles, self.controller = form.search, form.tiles, controller
        self.volumes, self.link_box = form.volumes, form.link_box
        self._before: list[_Before] = []

    @property
    def can_undo(self) -> bool:
        """True if a recipe was loaded and not undone."""
        return bool(self._before)

    def load(self, recipe: Recipe) -> list[str]:
        """Show the parameters of a recipe, filter the masks in view like it, and return notes.

        Raises
        ------
        InputError
            If it is no recipe for labels, or of a generator without controls; nothing changes then.
        """
        recipe.check_product("labels")
        params = check_described(recipe.params)
        found = self.controller.found
        searched, filters = (None, Filters()) if found is None else (found.params, found.filters)
        start = self.controller.start
        now = self.form.state, start, found, searched, filters, self.volumes.params
        self._before.append(_Before(*now, self.link_box.isChecked(), self.tiles.params))
        self.form.params = params
        if recipe.tiles is not None or self._is_large:
            self.tiles.params = recipe.tiles
        self.controller.start = Filters().with_labels(recipe.labels)
        self.link_box.setChecked(recipe.link is not None)
        if recipe.link is not None:
            self.volumes.set_params(recipe.link)
        return [*self._show(recipe), *self._left_out(recipe)]

    def undo(self) -> None:
        """Undo the load that is the latest; masks of a later search keep their filters.

        Raises
        ------
        InputError
            If no recipe was loaded.
        """
        if not self._before:
            raise InputError("No recipe was loaded.")
        before = self._before.pop()
        self.form.state, self.controller.start = before.form, before.start
        self.volumes.set_params(before.link)
        self.link_box.setChecked(before.is_linked)
        self.tiles.params = before.tiles
        found = self.controller.found
        if found is not None and found is before.found and found.params is before.searched:
            self._apply(found, before.filters)

    @property
    def _is_large(self) -> bool:
        """True if the planes of the image in work are searched in tiles by default."""
        found = self.controller.found
        if found is None:
            return False
        rows, cols = found.source.shape[-2:]
        return AUTO_TILES.applies_to((rows, cols))

    def _show(self, recipe: Recipe) -> list[str]:
        """Filter the masks that were found like the recipe as far as no search is needed."""
        found = self.controller.found
        if found is None or found.params is None or found.model is None:
            return []
        rows, cols = found.source.shape[-2:]
        try:
            wanted = check_described(resolve_params(found.model, recipe.params))
        except SeganyError:
            # What the recipe needs is told when it is searched for.
            filters = None
        else:
            same = recipe.tiles == found.tiles.settled
            filters = Filters.between(found.params, wanted, rows * cols) if same else None
        if filters is not None and self._apply(found, filters.with_labels(recipe.labels)):
            return []
        self._apply(found, found.filters.with_labels(recipe.labels))
        return ["Press Find everything to search with its parameters."]

    def _apply(self, found: FoundMasks, filters: Filters) -> bool:
        """Apply filters to what was found; return False if they are looser than the search."""
        try:
            for masks in found.masks.values():
                filters.select_masks(masks)
        except InputError:
            return False
        self.controller.replace_filters(filters)
        return True

    def _left_out(self, recipe: Recipe) -> list[str]:
        """Return what the dock does not take from a recipe, as sentences."""
        model, notes = self.controller.model, []
        if model is not None and model.weights.sha256 != recipe.weights_sha256:
            notes.append(f"It was made with {recipe.model}; the model stays {model.id}.")
        if recipe.faithful:
            notes.append("The published code's set of masks is made by the command line only.")
        if recipe.tiles is None and self._is_large:
            notes.append("It searches large planes as a whole; Tiles is off now.")
        if recipe.link is not None:
            notes.append("Press Make volume for its objects through planes.")
        if recipe.tracks is not None:
            notes.append("Objects are linked over time by batches and in Python only.")
        return notes
