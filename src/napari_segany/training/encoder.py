"""Features of views: the outputs of a model's image encoder that the finder reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segany.errors import InputError
from napari_segany.models.device import Precision
from napari_segany.models.protocol import PromptableModel
from napari_segany.networks.finder import LEVELS, UNSHUFFLE, FinderShape
from napari_segany.networks.sam import Sam
from napari_segany.networks.vit import ViT
from napari_segany.training.augmentation import ViewSize
from napari_segany.weights.resolve import Weights

TOKEN = UNSHUFFLE * 2 ** (LEVELS - 1)
"""Pixels of the frame for each cell of the embedding, a side."""


@dataclass(frozen=True)
class ViewEncoder:
    """The image encoder of a model, applied to views instead of whole frames.

    Attributes
    ----------
    network : Sam
        The network that holds the encoder.
    sha256 : str
        Hash of the weights' file.
    precision : {"exact", "bfloat16"}
        Arithmetic of the encoder.
    architecture : str
        Architecture of the model, such as "vit_t".
    """

    network: Sam
    sha256: str
    precision: Precision
    architecture: str

    @classmethod
    def from_model(cls, model: PromptableModel) -> "ViewEncoder":
        """Return the encoder of a model.

        Raises
        ------
        InputError
            If the model's network has no stages that a finder could read.
        """
        # Encoding less than a frame is no task of a promptable model, so the protocol has no
        # method for it: the network is used.
        network = getattr(model, "network", None)
        if not isinstance(network, Sam) or not hasattr(network.image_encoder, "finer_stages"):
            raise InputError(
                f"A finder cannot be trained on {model.id}: its image encoder shows no stages. "
                "Take a model of the SAM family."
            )
        weights, encoder = model.weights, type(network.image_encoder).__name__
        architecture = weights.architecture if isinstance(weights, Weights) else encoder
        return cls(network, weights.sha256, model.precision, architecture)

    @property
    def view_size(self) -> ViewSize:
        """Sizes of the frame and of views.

        An encoder of convolutions and windows sees half a frame nearly as within a whole one. A ViT
        adds a code of the absolute position to every token, so its views fill the frame.
        """
        frame = self.network.frame
        whole = isinstance(self.network.image_encoder, ViT)
        return ViewSize(frame, frame if whole else frame // 2)

    @property
    def shape(self) -> FinderShape:
        """The architecture of a finder that reads this encoder."""
        encoder = self.network.image_encoder
        channels = encoder.neck[2].out_channels
        assert isinstance(channels, int)
        return FinderShape(embedding=channels, stages=encoder.finer_stages)

    def feature_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the (C, h, w) of each feature of a view: ``embedding``, ``stage0``, ..."""
        tokens = self.view_size.side // TOKEN
        shape = self.shape
        shapes = {"embedding": (shape.embedding, tokens, tokens)}
        for number, (channels, cells) in enumerate(shape.stages):
            shapes[f"stage{number}"] = (channels, tokens * cells, tokens * cells)
        return shapes

    @property
    def device(self) -> torch.device:
        """The device of the encoder's weights."""
        return self.network.pixel_mean.device

    @torch.inference_mode()
    def encode(self, images: Tensor, known: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the features of B views, float32 on the encoder's device.

        Parameters
        ----------
        images : Tensor
            (B, S, S, 3) uint8 of the side of :attr:`view_size`.
        known : Tensor
            (B, S, S) boolean; the rest is padded with zeros after normalisation, as in a frame.

        Returns
        -------
        embedding : Tensor
            (B, C, g, g).
        stages : list of Tensor
            (B, C', n * g, n * g) of each stage.
        """
        network = self.network
        pixels = images.to(self.device).permute(0, 3, 1, 2).float()
        x = (pixels - network.pixel_mean) / network.pixel_std * known.to(self.device)[:, None]
        stages: list[Tensor] = []
        embedding = network.image_encoder(x, on_stage=stages.append)
        return embedding.float(), [stage.permute(0, 3, 1, 2).float() for stage in stages]


@contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Compute with a number of torch's threads while the block runs.

    Sums of the training loop, and so the last bits of its weights, depend on their number.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
