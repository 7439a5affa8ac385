"""Models that search planes themselves, such as those on another machine."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.shared_model import SharedModel
from napari_segany.models.tiled_model import without_tiles


@runtime_checkable
class SearchingModel(Protocol):
    """A model with generators and finders of its own, which give the same bytes as those here.

    Searches ask a model thousands of times, so they run where the model is.
    """

    @property
    def place(self) -> str:
        """The machine, as people name it: its host and port."""
        ...

    @property
    def finder_fits(self) -> bool:
        """True if a finder there fits the model's image encoder."""
        ...

    @property
    def decoder_fits(self) -> bool:
        """True if it carries a decoder of foreground and distances."""
        ...

    @property
    def machine(self) -> dict[str, str]:
        """Properties of that machine on which the last bits depend, as recipes record them."""
        ...

    def resolve(self, params: Any) -> Any:
        """Return a generator's parameters with everything filled in that the model decides.

        Raises
        ------
        InputError
            If they are a finder's, and it is not there or does not fit the model.
        """
        ...

    def search(
        self,
        rgb: NDArray[np.uint8],
        params: Any,
        *,
        faithful: bool = False,
        region: NDArray[np.bool_] | None = None,
        embedding: Embedding | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        refilter: bool = True,
    ) -> MaskSet:
        """Find the objects of a plane; see :func:`napari_segany.generate_masks`.

        Parameters
        ----------
        rgb : ndarray
            (H, W, 3) uint8.
        params : GeneratorParams
            With everything filled in, see :meth:`resolve`.
        faithful, region, embedding, progress, should_stop, refilter
            As there.
        """
        ...

    def search_maps(
        self,
        rgb: NDArray[np.uint8],
        params: Any,
        *,
        region: NDArray[np.bool_] | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Return the bytes of the finder's maps of a plane.

        The parameters are those of :meth:`search`, for the finder; the bytes are those of
        :meth:`napari_segany.generators.volumes.plane_maps.PlaneMaps.to_bytes`.
        """
        ...


def searching_model(model: PromptableModel) -> SearchingModel | None:
    """Return the model if it searches planes itself, whether docks share it or not."""
    own = with_views(without_tiles(model), 1)
    own = own.model if isinstance(own, SharedModel) else own
    return own if isinstance(own, SearchingModel) else None
