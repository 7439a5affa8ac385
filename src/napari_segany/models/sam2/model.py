"""SAM 2 and 2.1: planes squashed to 1024 x 1024, a Hiera image encoder, and video memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from napari_segany.models.ported.memory_network import MemoryNetwork
from napari_segany.models.ported.remembering import RememberingModel
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.sam2_files import video_tensors


class Sam2ImageModel(RememberingModel):
    """A SAM 2 or 2.1 model, ready to use; see :class:`RememberingModel`."""

    own_defaults = ModelDefaults(0.8, 0.95, 0)
    family = "SAM 2.1"

    def _blocks(self) -> Iterable[nn.Module]:
        blocks: nn.ModuleList = self.network.vision_encoder.backbone.blocks
        return blocks

    @classmethod
    def _build_memory(cls) -> MemoryNetwork:
        return MemoryNetwork(memory_config(), "Sam2Video")

    @classmethod
    def _memory_tensors(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return video_tensors(state)


def memory_config() -> Any:
    """Return the configuration of the published memories, the same for all sizes of SAM 2.1."""
    from transformers import Sam2VideoConfig

    return Sam2VideoConfig()
