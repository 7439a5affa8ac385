"""SAM 3 for points, boxes and masks: planes squashed to 1008 x 1008, logits of 288 x 288.

Its tracker has a video memory, too. What phrases name is found by its detector
(:mod:`napari_segany.models.detectors.sam3`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from napari_segany.models.ported.memory_network import MemoryNetwork
from napari_segany.models.ported.remembering import RememberingModel
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.sam3_files import video_tensors


class Sam3TrackerImageModel(RememberingModel):
    """The tracker of SAM 3, ready to use; see :class:`RememberingModel`.

    Its authors publish no thresholds of automatic segmentation by points; those of SAM 2 are used.
    """

    normalisation = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    own_defaults = ModelDefaults(0.8, 0.95, 0)
    family = "SAM 3"

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

    @classmethod
    def _build_memory(cls) -> MemoryNetwork:
        return MemoryNetwork(memory_config(), "Sam3TrackerVideo")

    @classmethod
    def _memory_tensors(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return video_tensors(state)


def memory_config() -> Any:
    """Return the configuration of the published memory."""
    from transformers import Sam3TrackerVideoConfig

    return Sam3TrackerVideoConfig()
