"""Models of the SAM family: one set of weights on one device."""

import os
import threading
from collections import deque
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.errors import SeganyError, WeightsError
from napari_segany.models.device import Precision, choose_device
from napari_segany.models.protocol import Embedding
from napari_segany.models.sam.embedded_plane import EmbeddedPlane, SamEmbedding
from napari_segany.models.sam.predictor import Predictor
from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.decoder.decoding import PromptDecoder
from napari_segany.networks.encoder_sketch import EncoderSketch, sketch_encoder
from napari_segany.networks.sam import Sam
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.resolve import Weights, find, load_weights

REMEMBERED = 2
"""Prepared planes that a model remembers, unless more are asked for: the plane being worked on, and
the one before it. Each takes 33 MB where the embedding has 64 x 64 cells."""


class SamModel(Predictor[SamEmbedding]):
    """A Segment Anything model, ready to use.

    Made by :func:`load_model`. Methods may be called from any thread; on a CPU one computes at a
    time. A model can be pickled; the other process loads the same weights, known by their hash. On
    a CPU it also works in a forked process, with one thread.

    Attributes
    ----------
    weights : Weights
        The weights' name, file and hash.
    device : torch.device
        The device on which it computes.
    precision : {"exact", "bfloat16"}
        The resolved precision. "exact" is float32 throughout; "bfloat16" computes the encoder's
        blocks and upscales masks in that type; the decoder's attention stays float32.
    """

    embedding_type = SamEmbedding

    def __init__(
        self,
        network: Sam,
        weights: Weights,
        device: torch.device,
        precision: Precision = "exact",
    ) -> None:
        self.network = network.fuse().to(device)
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        if precision != "exact":
            self.network.image_encoder.lower_precision(self.dtype)
        self.weights = weights
        self.device = device
        self.precision = precision
        self._process = os.getpid()
        self._recent: deque[EmbeddedPlane] = deque()
        self._remembered = REMEMBERED
        self._preparing = threading.RLock()

    @property
    def id(self) -> str:
        """The model's name in the catalogue, or the name it was imported under."""
        return self.weights.id

    @property
    def defaults(self) -> ModelDefaults:
        """Thresholds of automatic segmentation that the model's authors use."""
        return self.weights.spec.defaults if self.weights.spec is not None else ModelDefaults()

    def __reduce__(self) -> Any:
        # Weights are not copied: whoever unpickles it loads the same file, known by its hash.
        return _load_again, (self.weights, str(self.device), self.precision)

    def __repr__(self) -> str:
        return f"SamModel({self.id!r}, device={str(self.device)!r}, precision={self.precision!r})"

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> SamEmbedding:
        """Run the image encoder, once for a plane.

        Parameters
        ----------
        plane : array_like
            (Y, X) or (Y, X, 3) of any boolean, integer or real floating type.
        limits : tuple, optional
            Intensities that become black and white; see :func:`core.intensity.to_rgb`.
        should_stop : callable, optional
            Polled between encoder blocks.
        stages : bool
            True to keep the encoder's finer stages, which a finder reads: six times the memory
            for TinyViT. The rest of the embedding is the same to the last bit. It is made ready
            for prompts when the first one is given, after the finder has freed the stages.

        Raises
        ------
        InputError
            If ``plane`` holds no image.
        Cancelled
            If ``should_stop`` returned True.
        """
        if stages:
            # A finder goes on from crop to crop, and the encoder can use the memory of the last.
            self._forget_all_but(0)
            self._decoder.free_buffers()
        self._forget_all_but(self._remembered - 1)
        embedding = self._embed_rgb(to_rgb(plane, limits), should_stop, stages)
        if not stages:
            # Made ready now, so that the first click is as quick as the others.
            self.prepare(embedding)
        return embedding

    @torch.inference_mode()
    def _embed_rgb(
        self, rgb: NDArray[np.uint8], should_stop: ShouldStop | None, stages: bool
    ) -> SamEmbedding:
        self._check_process()
        frame = Frame((rgb.shape[0], rgb.shape[1]), self.network.frame)
        placed = torch.from_numpy(frame.place_image(rgb)).to(self.device)
        image = self.network.normalise(placed.permute(2, 0, 1)[None])
        kept: list[Tensor] = []
        keeping: dict[str, Any] = {"on_stage": kept.append} if stages else {}
        with spreading_pieces(self.device) as spread:
            features = self.network.image_encoder(
                image, on_block=lambda: check(should_stop), spread=spread, **keeping
            )
        finer = tuple(stage[0].permute(2, 0, 1) for stage in kept)
        return SamEmbedding(features[0].float(), frame, self.weights.sha256, finer)

    @torch.inference_mode()
    def prepare(self, embedding: Embedding) -> EmbeddedPlane:
        """Prepare an embedding for prompts; those that were used last are remembered."""
        self._check_process()
        # Prompts need no stages, and what is remembered would keep them alive.
        own = self._own(embedding).without_stages()
        with self._preparing:
            for place, known in enumerate(self._recent):
                if known.embedding.features is own.features:
                    del self._recent[place]
                    self._recent.append(known)
                    return known
            self._forget_all_but(self._remembered - 1)
            prepared = EmbeddedPlane(
                own,
                self._decoder.share(own.features),
                self.network.prompt_encoder,
                self._decoder,
            )
            self._recent.append(prepared)
            return prepared

    def keep_prepared(self, planes: int) -> None:
        """Keep at least so many planes prepared for prompts, from now on."""
        with self._preparing:
            self._remembered = max(REMEMBERED, planes)
            self._forget_all_but(self._remembered)

    def _forget_all_but(self, count: int) -> None:
        """Forget the planes that were used longest ago."""
        with self._preparing:
            while len(self._recent) > count:
                self._recent.popleft()

    @property
    def _decoder(self) -> PromptDecoder:
        with self._preparing:
            return self._made_decoder

    @cached_property
    def _made_decoder(self) -> PromptDecoder:
        with torch.inference_mode():
            return PromptDecoder(self.network.mask_decoder, self.network.prompt_encoder, self.dtype)

    def _check_process(self) -> None:
        if self.device.type != "cpu" and self._process != os.getpid():
            raise SeganyError(
                f"This model was loaded on {self.device} before the process was forked, and a "
                "forked process cannot use it. Start processes with the method 'spawn' or "
                "'forkserver', or load the model after the fork."
            )

    def sketch_encoder(self) -> EncoderSketch:
        """Return the sketch of the image encoder's weights; computed once."""
        return self._sketch

    @cached_property
    def _sketch(self) -> EncoderSketch:
        return sketch_encoder(self.network.image_encoder)


def load_sam(weights: Weights, device: torch.device, precision: Precision) -> SamModel:
    """Load verified weights of the SAM family; see :func:`napari_segany.load_model`."""
    return SamModel(load_weights(weights), weights, device, precision)


def _load_again(weights: Weights, device: str, precision: Precision) -> SamModel:
    """Load a pickled model on this machine."""
    if not weights.path.is_file():
        here = find(weights.id)
        if here.sha256 != weights.sha256:
            raise WeightsError(
                f"The pickled model has other weights of {weights.id} (sha256 "
                f"{weights.sha256[:12]}...) than this machine ({here.sha256[:12]}...). Bring "
                "the same file here: napari-segany models import."
            )
        weights = here
    return load_sam(weights, choose_device(device), precision)
