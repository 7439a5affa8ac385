"""SAM 3 for points, boxes and masks: planes squashed to 1008 x 1008, logits of 288 x 288."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from napari_segany.models.ported.model import SquashingModel
from napari_segany.weights.catalog import ModelDefaults


class Sam3TrackerImageModel(SquashingModel):
    """The tracker of SAM 3 on single images, ready to use; see :class:`PortedModel`.

    Its authors publish no thresholds of automatic segmentation by points; those of SAM 2 are used.
    """

    normalisation = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    own_defaults = ModelDefaults(0.8, 0.95, 0)

    def _blocks(self) -> Iterable[nn.Module]:
        layers: nn.ModuleList = self.network.vision_encoder.backbone.layers
        return layers

    def _features(self, image: Tensor) -> Sequence[Tensor]:
        """Return the three finest maps of the neck; the fourth is for the detector.

        The embedding that stands for an empty memory belongs to the third, as in the published
        code. The network's own method adds it to the fourth, which it does not use.
        """
        fine, middle, coarse, *_ = self.network.vision_encoder(image).fpn_hidden_states
        decoder = self.network.mask_decoder
        no_memory = self.network.no_memory_embedding.view(1, -1, 1, 1)
        return decoder.conv_s0(fine), decoder.conv_s1(middle), coarse + no_memory
