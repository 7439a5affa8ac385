"""SAM 2 and 2.1: planes squashed to 1024 x 1024, a Hiera image encoder."""

from collections.abc import Iterable

from torch import nn

from napari_segany.models.ported.model import SquashingModel
from napari_segany.weights.catalog import ModelDefaults


class Sam2ImageModel(SquashingModel):
    """A SAM 2 or 2.1 model, ready to use; see :class:`PortedModel`."""

    own_defaults = ModelDefaults(0.8, 0.95, 0)

    def _blocks(self) -> Iterable[nn.Module]:
        blocks: nn.ModuleList = self.network.vision_encoder.backbone.blocks
        return blocks
