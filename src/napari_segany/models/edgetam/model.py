"""EdgeTAM: planes squashed to 1024 x 1024, a RepViT image encoder of timm."""

from collections.abc import Iterable

from torch import nn

from napari_segany.models.ported.model import SquashingModel
from napari_segany.weights.catalog import ModelDefaults


class EdgeTamImageModel(SquashingModel):
    """An EdgeTAM model on single images, ready to use; see :class:`PortedModel`.

    Thresholds of automatic segmentation are those of SAM 2, which it was distilled from.
    """

    own_defaults = ModelDefaults(0.8, 0.95, 0)

    def _blocks(self) -> Iterable[nn.Module]:
        parts: Iterable[nn.Module] = self.network.vision_encoder.backbone.timm_model.children()
        return parts
