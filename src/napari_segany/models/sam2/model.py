"""SAM 2.1: one set of weights on one device, for prompts on single images."""

import threading
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import SquashedFrame
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.models.device import Precision
from napari_segany.models.protocol import Embedding
from napari_segany.models.sam.predictor import Predictor
from napari_segany.models.sam2.embedded_plane import Sam2Embedding, Sam2Plane
from napari_segany.models.sam2.memory_network import MemoryNetwork, load_memory_network
from napari_segany.models.sam2.video_memory import Sam2VideoMemory
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.checkpoint import read_checkpoint
from napari_segany.weights.resolve import Weights, check_unchanged
from napari_segany.weights.sam2_files import load_sam2_state

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the colours of ImageNet, 0..1."""


class Sam2ImageModel(Predictor[Sam2Embedding]):
    """A SAM 2.1 model, ready to use; a :class:`PromptableModel`.

    Planes are squashed to a square, whatever their shape. The arithmetic is float32 throughout.

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
    weights : Weights
        The weights' name, file and hash.
    device : torch.device
        The device on which it computes.
    precision : "exact"
        float32.
    """

    embedding_type = Sam2Embedding
    precision: Literal["exact"] = "exact"

    def __init__(
        self,
        network: Any,
        weights: Weights,
        device: torch.device,
        memory: MemoryNetwork | None = None,
    ) -> None:
        self.network = network.to(device)
        self.weights = weights
        self.device = device
        self._side = int(network.config.prompt_encoder_config.image_size)
        self._memory, self._video = memory, threading.Lock()

    @property
    def id(self) -> str:
        """The name it was imported under."""
        return self.weights.id

    @property
    def defaults(self) -> ModelDefaults:
        """Thresholds of automatic segmentation, those of the published SAM 2."""
        return ModelDefaults(0.8, 0.95, 0)

    def __reduce__(self) -> Any:
        # Weights are not copied: whoever unpickles it loads the same file, known by its hash.
        return load_sam2, (self.weights, self.device, self.precision)

    def __repr__(self) -> str:
        return f"Sam2ImageModel({self.id!r}, device={str(self.device)!r})"

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> Sam2Embedding:
        """Run the image encoder on a plane; see :meth:`PromptableModel.embed`."""
        del stages
        rgb = to_rgb(plane, limits)
        frame = SquashedFrame((rgb.shape[0], rgb.shape[1]), self._side)
        placed = torch.from_numpy(frame.place_image(rgb)).to(self.device)
        mean, deviation = (torch.tensor(v, device=self.device) for v in (MEAN, DEVIATION))
        image = ((placed.float() / 255 - mean) / deviation).permute(2, 0, 1)[None]
        features = self._encode(image, should_stop)
        return Sam2Embedding(tuple(features), frame, self.weights.sha256)

    @torch.inference_mode()
    def _encode(self, image: Tensor, should_stop: ShouldStop | None) -> list[Tensor]:
        check(should_stop)
        blocks = self.network.vision_encoder.backbone.blocks
        hooks = [block.register_forward_pre_hook(lambda *_: check(should_stop)) for block in blocks]
        try:
            features: list[Tensor] = self.network.get_image_embeddings(image)
        finally:
            for hook in hooks:
                hook.remove()
        return features

    def prepare(self, embedding: Embedding) -> Sam2Plane:
        """Return an embedding in the form that answers many points."""
        return Sam2Plane(self._own(embedding), self.network)

    def video_memory(self) -> Sam2VideoMemory:
        """Return the video memory, which follows objects through planes.

        Raises
        ------
        InputError
            transformers is too old for it.
        WeightsError
            The weights' file has none, or has changed since the model was loaded.
        """
        with self._video:
            if self._memory is None:
                check_unchanged(self.weights)
                state = read_checkpoint(self.weights.path)
                self._memory = load_memory_network(self.id, state).to(self.device)
            return Sam2VideoMemory(self.network, self._memory, self.weights.sha256)

    def sketch_encoder(self) -> None:
        """Return None: no finder reads this family."""


def load_sam2(weights: Weights, device: torch.device, precision: Precision) -> Sam2ImageModel:
    """Load verified weights of SAM 2.1; its arithmetic is exact, whatever is asked for."""
    del precision
    check_unchanged(weights)
    network = load_sam2_state(weights.architecture, read_checkpoint(weights.path))
    return Sam2ImageModel(network, weights, device)
