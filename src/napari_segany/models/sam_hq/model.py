"""SAM-HQ: the frame of SAM, and masks corrected by a token of high quality."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from napari_segany.core.geometry import Frame
from napari_segany.models.ported.embedded_plane import PortedEmbedding
from napari_segany.models.ported.model import PortedModel


class SamHqModel(PortedModel):
    """A SAM-HQ model, ready to use; see :class:`PortedModel`.

    Planes keep their aspect ratio and are padded below and right. The logits of the high-quality
    token are added to those of each candidate, which is the published default.
    """

    def _frame(self, shape: tuple[int, int]) -> Frame:
        return Frame(shape, int(self.network.config.vision_config.image_size))

    def _blocks(self) -> Iterable[nn.Module]:
        layers: nn.ModuleList = self.network.vision_encoder.layers
        return layers

    def _features(self, image: Tensor) -> Sequence[Tensor]:
        """Return the output of the first block that sees the whole image, and of the neck."""
        last, whole = self.network.get_image_embeddings(image)
        return whole[0], last

    def _image(self, embedding: PortedEmbedding) -> dict[str, Any]:
        whole, last = embedding.features
        return {"image_embeddings": last, "intermediate_embeddings": [whole]}
