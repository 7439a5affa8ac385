"""Models that answer prompts on single images, and follow objects through planes by memory."""

import threading
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from napari_segany.errors import InputError, WeightsError
from napari_segany.models.ported.memory_network import MemoryNetwork
from napari_segany.models.ported.model import SquashingModel
from napari_segany.models.ported.video_memory import PortedVideoMemory
from napari_segany.weights.checkpoint import read_checkpoint
from napari_segany.weights.resolve import Weights, check_unchanged


class RememberingModel(SquashingModel):
    """A model with video memory, ready to use; see :class:`PortedModel`.

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

    Attributes
    ----------
    family : str
        Name of the family in sentences.
    """

    family: ClassVar[str]

    def __init__(
        self,
        network: Any,
        weights: Weights,
        device: torch.device,
        memory: MemoryNetwork | None = None,
    ) -> None:
        super().__init__(network, weights, device)
        self._memory, self._loading = memory, threading.Lock()

    @classmethod
    @abstractmethod
    def _build_memory(cls) -> MemoryNetwork:
        """Return the networks of the published memory with any weights."""

    @classmethod
    @abstractmethod
    def _memory_tensors(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the memory's tensors of a checkpoint, named as in transformers."""

    def video_memory(self) -> PortedVideoMemory:
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
                self._memory = self._load_memory(state).to(self.device)
            return PortedVideoMemory(self.network, self._memory, self.weights.sha256)

    def _load_memory(self, state: Mapping[str, Tensor]) -> MemoryNetwork:
        """Return the networks with the memory's tensors of a checkpoint, float32 on the CPU."""
        tensors = self._memory_tensors(state)
        if not tensors:
            raise WeightsError(
                f"The weights of {self.id} hold no video memory; import the published file of "
                f'{self.family}, which does, or choose the method "prompts".'
            )
        try:
            network = self._build_memory()
        except ImportError as error:
            raise InputError(
                "Video memory needs transformers 5 or later: pip install --upgrade transformers"
            ) from error
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            said = " ".join(str(error).split())
            raise WeightsError(
                f"The video memory of {self.id} does not fit: {said[:300]}"
            ) from error
        return network.eval().requires_grad_(False)
