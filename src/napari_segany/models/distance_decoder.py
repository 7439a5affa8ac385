"""Decoders of micro-sam on a device: foreground and distances of an embedded plane."""

import threading
from collections.abc import MutableMapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.errors import InputError
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.sam.embedded_plane import SamEmbedding
from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.models.searching import searching_model
from napari_segany.networks.unetr import BOUNDARY, CENTRE, FOREGROUND
from napari_segany.networks.unetr_inference import UnetrInference
from napari_segany.weights.decoder_catalog import DECODERS, ENDING
from napari_segany.weights.decoders import DecoderFile, decoder_paths, find_decoder_file
from napari_segany.weights.resolve import Weights


@dataclass(frozen=True, eq=False)
class DistanceMaps:
    """The maps that a decoder predicts for one plane, (H, W) float32 each, 0..1.

    Attributes
    ----------
    foreground : ndarray
        Probability of lying in an object.
    centre : ndarray
        Distance to the centre of the object, 0 there.
    boundary : ndarray
        Closeness to the border of the object: 1 at the border and outside, 0 in the middle.
    """

    foreground: NDArray[np.float32]
    centre: NDArray[np.float32]
    boundary: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        h, w = self.foreground.shape
        return h, w


class DistanceDecoder:
    """A decoder's weights on a device, for one model.

    Attributes
    ----------
    file : DecoderFile
        The file that holds the decoder.
    weights_sha256 : str
        Hash of the weights of the model whose embeddings it reads.
    device : torch.device
        The device on which it computes.
    """

    def __init__(self, file: DecoderFile, model: PromptableModel) -> None:
        self.file = file
        self.weights_sha256 = model.weights.sha256
        self.device = model.device
        dtype = torch.bfloat16 if model.precision == "bfloat16" else torch.float32
        self._network = UnetrInference(*file.load(), self.device, dtype)

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of the decoder's file, as recipes record it."""
        return self.file.sha256

    def __repr__(self) -> str:
        return f"DistanceDecoder({str(self.file.path)!r}, device={str(self.device)!r})"

    @torch.inference_mode()
    def predict_maps(
        self, embedding: Embedding, *, should_stop: ShouldStop | None = None
    ) -> DistanceMaps:
        """Predict the maps of one plane; the number of threads changes no bit.

        The maps of the frame are cut to the plane and enlarged or reduced to its pixels, linear
        between them, as the published code does.

        Parameters
        ----------
        embedding : Embedding
            From ``model.embed(plane)``.
        should_stop : callable, optional
            Polled between layers.

        Raises
        ------
        InputError
            The embedding is another model's, or has another number of channels.
        Cancelled
            If ``should_stop`` returned True.
        """
        own = self._own(embedding)
        check(should_stop)
        with spreading_pieces(self.device) as spread:
            maps = self._network.predict(own.features, spread, lambda: check(should_stop)).cpu()
            pixels = [_on_plane(own.frame, each) for each in maps]
        return DistanceMaps(pixels[FOREGROUND], pixels[CENTRE], pixels[BOUNDARY])

    def _own(self, embedding: Embedding) -> SamEmbedding:
        if not isinstance(embedding, SamEmbedding):
            raise InputError(
                f"A decoder reads the embeddings of SAM, got {type(embedding).__name__}."
            )
        if embedding.weights_sha256 != self.weights_sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")
        channels = self._network.shape.embedding
        if embedding.features.shape[0] != channels:
            raise InputError(
                f"The decoder {self.file.path} reads {channels} channels, and the embedding has "
                f"{embedding.features.shape[0]}; it belongs to another model."
            )
        return embedding


def _on_plane(frame: Frame, values: Tensor) -> NDArray[np.float32]:
    """Return a (side, side) map of a frame on the (H, W) pixels of its plane."""
    rows, cols = frame.cells_used(values.shape[0])
    pixels, _ = frame.enlarge_within(values.contiguous(), (0, 0, rows, cols))
    on_plane: NDArray[np.float32] = pixels.numpy()
    return on_plane


_loaded: MutableMapping[PromptableModel, dict[str, DistanceDecoder]] = WeakKeyDictionary()
_loading = threading.Lock()


def has_decoder(model: PromptableModel) -> bool:
    """Return whether a model carries a decoder, or one lies beside it; nothing is loaded."""
    own = searching_model(model)
    if own is not None:
        return own.decoder_fits
    weights = model.weights
    return isinstance(weights, Weights) and any(True for _ in decoder_paths(weights.path))


def decoder_file(model: PromptableModel, sha256: str | None = None) -> DecoderFile | None:
    """Return the file that holds the decoder of a model, of this hash if one is given.

    None if there is none; nothing is loaded.
    """
    weights = model.weights
    return find_decoder_file(weights, sha256) if isinstance(weights, Weights) else None


def find_decoder(model: PromptableModel, sha256: str | None = None) -> DistanceDecoder | None:
    """Return the decoder of a model, loaded once for each model.

    Parameters
    ----------
    model : PromptableModel
        The model.
    sha256 : str, optional
        Hash of the decoder's file that is wanted; by default the first that there is.

    Returns
    -------
    DistanceDecoder or None
        None if the model has none.

    Raises
    ------
    WeightsError
        The file of the decoder is damaged or does not fit.
    """
    file = decoder_file(model, sha256)
    if file is None:
        return None
    with _loading:
        known = _loaded.setdefault(model, {})
        if file.sha256 not in known:
            known[file.sha256] = DistanceDecoder(file, model)
        return known[file.sha256]


def describe_missing(model: PromptableModel, wanted: str | None = None) -> str:
    """Return the sentences about a decoder that a model lacks.

    Parameters
    ----------
    model : PromptableModel
        The model.
    wanted : str, optional
        Hash of the decoder that is needed.
    """
    name = f"{model.id}{ENDING}"
    own = searching_model(model)
    if own is not None and wanted is None:
        return (
            f"{model.id} on {own.place} carries no decoder. Import one there, with: napari-segany "
            f"models import-decoder FILE --model {model.id}; then start the server again."
        )
    if wanted is not None and has_decoder(model):
        return (
            f"The decoder {wanted[:12]}... is needed, and {model.id} has another one here. Bring "
            "the file of the other here, beside the checkpoint."
        )
    if name in DECODERS:
        return (
            f"The decoder of {model.id} is not on this machine. Fetch it with: napari-segany "
            f"models fetch {name}"
        )
    return (
        f"{model.id} carries no decoder. The strategy 'decoder' needs a checkpoint of micro-sam "
        "that holds one, or the decoder's own file: napari-segany models import-decoder FILE "
        f"--model {model.id}"
    )
