"""SAM 2 and 2.1: planes squashed to 1024 x 1024, a Hiera image encoder, and video memory."""

import threading
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from napari_segany.models.ported.model import SquashingModel
from napari_segany.models.sam2.memory_network import MemoryNetwork, load_memory_network
from napari_segany.models.sam2.video_memory import Sam2VideoMemory
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.checkpoint import read_checkpoint
from napari_segany.weights.resolve import Weights, check_unchanged


class Sam2ImageModel(SquashingModel):
    """A SAM 2 or 2.1 model, ready to use; see :class:`PortedModel`.

    Parameters
    ----------
    network : torch.nn.Module
        The network for images.
    weights : Weights
        The weights' name, file and hash.
    device : torch.device
        The device on which it computes.
    memory : MemoryNetwork, optional
        The networks of the video memory; read from the weights' file once they are needed.
    """

    own_defaults = ModelDefaults(0.8, 0.95, 0)

    def __init__(
        self,
        network: Any,
        weights: Weights,
        device: torch.device,
        memory: MemoryNetwork | None = None,
    ) -> None:
        super().__init__(network, weights, device)
        self._memory, self._loading = memory, threading.Lock()

    def video_memory(self) -> Sam2VideoMemory:
        """Return the video memory, which follows objects through planes.

        Raises
        ------
        InputError
            transformers is too old for it.
        WeightsError
            The weights' file has none, or has changed since the model was loaded.
        """
        with self._loading:
            if self._memory is None:
                check_unchanged(self.weights)
                state = read_checkpoint(self.weights.path)
                self._memory = load_memory_network(self.id, state).to(self.device)
            return Sam2VideoMemory(self.network, self._memory, self.weights.sha256)

    def _blocks(self) -> Iterable[nn.Module]:
        blocks: nn.ModuleList = self.network.vision_encoder.backbone.blocks
        return blocks
