"""The embedding of a large plane: its crops are embedded when prompts need them."""

import threading
from collections.abc import Callable

from torch import Tensor

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.geometry import Frame, PlaneFrame
from napari_segany.core.intensity import Limits
from napari_segany.core.plane_windows import WindowedPlane
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.tiled.crops import Crop
from napari_segany.models.tiled.pixels import read_crop

CROPS_BYTES = 1 << 28
"""Memory of the embedded crops of a plane: 64 of the usual 4 MiB."""


class TiledEmbedding:
    """A plane larger than the model's frame, an :class:`napari_segany.Embedding`.

    Nothing is embedded until a prompt asks for it. The latest crops are kept within a budget;
    whether a crop is kept changes no answer.

    Parameters
    ----------
    model : PromptableModel
        Embeds the crops.
    plane : WindowedPlane
        The plane, of which windows are read as long as the embedding is used.
    limits : tuple, Display or None
        Those of the whole plane as numbers.
    whole : callable
        Embeds the whole plane in one frame, as the model by itself would.
    max_bytes : int
        Memory of the embedded crops.
    """

    def __init__(
        self,
        model: PromptableModel,
        plane: WindowedPlane,
        limits: Limits | None,
        whole: Callable[[], Embedding],
        max_bytes: int = CROPS_BYTES,
    ) -> None:
        self.model, self.plane, self.limits = model, plane, limits
        self._make_whole = whole
        self._whole: Embedding | None = None
        self._crops = EmbeddingCache(max_bytes)
        self._lock = threading.RLock()

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.plane.level_shapes[0]

    @property
    def frame(self) -> PlaneFrame:
        """The place of the plane in a frame that holds all of it."""
        return Frame(self.shape)

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights that embed the crops."""
        return self.model.weights.sha256

    @property
    def stages(self) -> tuple[Tensor, ...]:
        """Empty: finders embed planes themselves."""
        return ()

    @property
    def nbytes(self) -> int:
        """Bytes that the embedded crops may take."""
        return self._crops.max_bytes

    def without_stages(self) -> "TiledEmbedding":
        """Return the embedding itself."""
        return self

    def of_crop(self, crop: Crop, should_stop: ShouldStop | None = None) -> Embedding:
        """Return the embedding of a crop; compute it unless it is kept.

        Raises
        ------
        Cancelled
            If ``should_stop`` returned True.
        """
        with self._lock:
            found = self._crops.get(crop.box)
            if found is None:
                rgb = read_crop(self.plane, crop, self.limits, should_stop)
                found = self.model.embed(rgb, should_stop=should_stop)
                self._crops.put(crop.box, found)
            return found

    def has(self, crop: Crop) -> bool:
        """Return True if the embedding of a crop is kept."""
        return crop.box in self._crops

    @property
    def whole(self) -> Embedding:
        """The embedding of the whole plane in one frame, for searches without tiles."""
        with self._lock:
            if self._whole is None:
                self._whole = self._make_whole()
            return self._whole
