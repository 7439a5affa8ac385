"""Large planes in the Everything dock: the size of objects, and the tiles of a search."""

from napari_segany.generators.tile_params import TileParams
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.everything.tile_form import TileForm
from napari_segany.plugin.shared.image_dock import ImageDock


class TileActions:
    """Actions about the tiles of large planes.

    Parameters
    ----------
    dock : ImageDock
        The dock.
    controller : EverythingController
        Its searches.
    form : TileForm
        Its controls.
    review : ObjectReview
        The objects that were found, of which one may be selected.

    Examples
    --------
    >>> widget.tiles.params = TileParams(object_size=25)
    >>> widget.tiles.take_size()
    31.0
    """

    def __init__(
        self,
        dock: ImageDock,
        controller: EverythingController,
        form: TileForm,
        review: ObjectReview,
    ) -> None:
        self._controller, self._form, self._review = controller, form, review
        form.changed.connect(dock.guarded(self._use))
        form.size.take.clicked.connect(dock.guarded(self.take_size))

    @property
    def params(self) -> TileParams | None:
        """Tiles of new searches; None to search all planes as a whole."""
        return self._form.params

    @params.setter
    def params(self, params: TileParams | None) -> None:
        self._form.params = params

    def take_size(self) -> float:
        """Take the size of objects from what is selected, and return it in pixels.

        Raises
        ------
        InputError
            If neither a shape nor an object is selected.
        """
        size = self._review.selected_size()
        self._form.set_size(size)
        return size

    def _use(self) -> None:
        self._controller.tiles = self._form.params
