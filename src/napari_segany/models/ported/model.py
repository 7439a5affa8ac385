"""Models whose networks are those of transformers: weights on one device, single images."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.geometry import Frame, SquashedFrame
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.models.device import Precision
from napari_segany.models.ported.embedded_plane import PortedEmbedding, PortedPlane
from napari_segany.models.ported.stopping import stopped_between
from napari_segany.models.protocol import Embedding
from napari_segany.models.sam.predictor import Predictor
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.checkpoint import load_network, read_checkpoint
from napari_segany.weights.resolve import Weights, check_unchanged

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the colours of ImageNet, 0..1."""

Colours = tuple[float, float, float]


class PortedModel(Predictor[PortedEmbedding]):
    """A model of one of these families, ready to use; a :class:`PromptableModel`.

    A family says how its colours are normalised and where its planes lie, names the blocks of its
    image encoder, and hands the embedding to its network. The arithmetic is float32 throughout.

    Attributes
    ----------
    weights : Weights
        The weights' name, file and hash.
    device : torch.device
        The device on which it computes.
    precision : "exact"
        float32.
    normalisation : tuple of tuple of float
        Mean and standard deviation of the colours, 0..1.
    own_defaults : ModelDefaults
        Thresholds of automatic segmentation for weights that are not in the catalogue.
    """

    embedding_type = PortedEmbedding
    precision: Literal["exact"] = "exact"
    normalisation: ClassVar[tuple[Colours, Colours]] = IMAGENET
    own_defaults: ClassVar[ModelDefaults] = ModelDefaults()

    def __init__(self, network: Any, weights: Weights, device: torch.device) -> None:
        self.network = network.to(device)
        self.weights = weights
        self.device = device

    @classmethod
    def load(cls, weights: Weights, device: torch.device, precision: Precision) -> Self:
        """Load verified weights; the arithmetic is exact, whatever is asked for."""
        del precision
        check_unchanged(weights)
        network = load_network(weights.architecture, read_checkpoint(weights.path))
        return cls(network, weights, device)

    @property
    def id(self) -> str:
        """The model's name in the catalogue, or the name it was imported under."""
        return self.weights.id

    @property
    def defaults(self) -> ModelDefaults:
        """Thresholds of automatic segmentation that the model's authors use."""
        return self.own_defaults if self.weights.spec is None else self.weights.spec.defaults

    def __reduce__(self) -> Any:
        # Weights are not copied: whoever unpickles it loads the same file, known by its hash.
        return type(self).load, (self.weights, self.device, self.precision)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, device={str(self.device)!r})"

    @abstractmethod
    def _frame(self, shape: tuple[int, int]) -> Frame:
        """Return the place of a plane in the model's frame."""

    @abstractmethod
    def _blocks(self) -> Iterable[nn.Module]:
        """Return the blocks of the image encoder; between them it can be stopped."""

    def _features(self, image: Tensor) -> Sequence[Tensor]:
        """Return what an embedding keeps of a (1, 3, side, side) image."""
        features: Sequence[Tensor] = self.network.get_image_embeddings(image)
        return features

    def _image(self, embedding: PortedEmbedding) -> dict[str, Any]:
        """Return an embedding as the network's arguments."""
        return {"image_embeddings": list(embedding.features)}

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> PortedEmbedding:
        """Run the image encoder on a plane; see :meth:`PromptableModel.embed`."""
        del stages
        rgb = to_rgb(plane, limits)
        frame = self._frame((rgb.shape[0], rgb.shape[1]))
        placed = torch.from_numpy(frame.place_image(rgb)).to(self.device)
        mean, deviation = (torch.tensor(v, device=self.device) for v in self.normalisation)
        image = ((placed.float() / 255 - mean) / deviation).permute(2, 0, 1)[None]
        height, width = frame.scaled
        image = F.pad(image, (0, frame.side - width, 0, frame.side - height))
        features = self._encode(image, should_stop)
        return PortedEmbedding(tuple(features), frame, self.weights.sha256)

    @torch.inference_mode()
    def _encode(self, image: Tensor, should_stop: ShouldStop | None) -> Sequence[Tensor]:
        with stopped_between(self._blocks(), should_stop):
            return self._features(image)

    def prepare(self, embedding: Embedding) -> PortedPlane:
        """Return an embedding in the form that answers many points."""
        own = self._own(embedding)
        return PortedPlane(own, self.network, self._image(own))

    def sketch_encoder(self) -> None:
        """Return None: no finder reads these families."""


class SquashingModel(PortedModel):
    """A model to which planes are squashed to a square, whatever their shape."""

    def _frame(self, shape: tuple[int, int]) -> SquashedFrame:
        prompts = self.network.prompt_encoder
        return SquashedFrame(shape, int(prompts.input_image_size), int(prompts.mask_input_size[0]))
