"""Finders on a device: the maps of all objects of an embedded plane."""

import threading
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.errors import InputError
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.sam.embedded_plane import SamEmbedding
from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.finder import (
    CENTRE,
    CONTOUR,
    FOREGROUND,
    INTERIOR,
    SIZE,
    SIZE_UNIT,
    UNSHUFFLE,
    UPSCALING,
)
from napari_segany.networks.finder_inference import FinderInference
from napari_segany.weights.finder_card import FinderCard
from napari_segany.weights.finders import (
    FinderFile,
    default_finders,
    installed_finders,
    read_finder,
)

CELL = UNSHUFFLE // UPSCALING
"""Pixels of the frame for each cell of the maps, a side."""

UNIT = SIZE_UNIT
"""Side in pixels of the frame of an object whose size map is 0."""


@dataclass(frozen=True, eq=False)
class ObjectMaps:
    """The maps that a finder predicts for one plane, (h, w) float32 each.

    A cell covers ``CELL`` x ``CELL`` pixels of the model's frame. Rows and columns are those on
    which pixels of the plane depend when maps are enlarged, see :meth:`enlarge`.

    Attributes
    ----------
    frame : Frame
        The place of the plane in the model's frame.
    foreground : ndarray
        Probability of lying in an object, 0..1.
    contour : ndarray
        Probability of lying at an object's border, 0..1.
    interior : ndarray
        Distance to the border, 1 in the middle of an object and 0 outside.
    centre : ndarray
        Closeness to the centre, 1 in the middle of an object and 0 outside.
    log2_size : ndarray
        log2 of the side of the object, in units of 16 pixels of the frame.
    """

    frame: Frame
    foreground: NDArray[np.float32]
    contour: NDArray[np.float32]
    interior: NDArray[np.float32]
    centre: NDArray[np.float32]
    log2_size: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the maps in cells."""
        h, w = self.foreground.shape
        return h, w

    @property
    def side(self) -> int:
        """Side of the frame in cells."""
        return self.frame.side // CELL

    def enlarge(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one of the maps on the pixels of the plane, (H, W), linear between the cells."""
        rows, cols = values.shape
        whole = torch.zeros(self.side, self.side)
        whole[:rows, :cols] = torch.from_numpy(values)
        pixels, _ = self.frame.enlarge_within(whole, (0, 0, rows, cols))
        enlarged: NDArray[np.float32] = pixels.numpy()
        return enlarged


class FinderModel:
    """A finder's weights on a device, for one model.

    Attributes
    ----------
    file : FinderFile
        The finder's file, hash and card.
    weights_sha256 : str
        Hash of the weights of the model whose embeddings it reads.
    device : torch.device
        The device on which it computes.
    dtype : torch.dtype
        Type of its arithmetic: bfloat16 for a model of that precision, else float32.
    """

    def __init__(self, file: FinderFile, model: PromptableModel) -> None:
        self.file = file
        self.weights_sha256 = model.weights.sha256
        self.device = model.device
        self.dtype = torch.bfloat16 if model.precision == "bfloat16" else torch.float32
        shape = file.card.shape.shape
        self._network = FinderInference(shape, file.load_tensors(), self.device, self.dtype)

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of the finder's file, as recipes record it."""
        return self.file.sha256

    @property
    def card(self) -> FinderCard:
        """The finder's description."""
        return self.file.card

    def __repr__(self) -> str:
        return f"FinderModel({str(self.file.path)!r}, device={str(self.device)!r})"

    @torch.inference_mode()
    def predict_maps(
        self,
        embedding: Embedding,
        rgb: NDArray[np.uint8],
        *,
        should_stop: ShouldStop | None = None,
    ) -> ObjectMaps:
        """Predict the maps of one plane; the number of threads changes no bit.

        Parameters
        ----------
        embedding : Embedding
            From ``model.embed(plane, stages=True)``.
        rgb : ndarray
            (H, W, 3) uint8, the plane as the model sees it; see :func:`core.intensity.to_rgb`.
        should_stop : callable, optional
            Polled between layers.

        Raises
        ------
        InputError
            The embedding is another model's, has no stages, or is of another plane.
        Cancelled
            If ``should_stop`` returned True.
        """
        own = self._own(embedding, rgb)
        check(should_stop)
        frame = own.frame
        image = torch.from_numpy(frame.place_image(rgb)).to(self.device)
        cells = frame.cells_used(frame.side // CELL)
        with spreading_pieces(self.device) as spread:
            maps = self._network.predict(
                own.features, own.stages, image, cells, spread, lambda: check(should_stop)
            )
        values: NDArray[np.float32] = maps.cpu().numpy()
        return ObjectMaps(
            frame,
            foreground=values[FOREGROUND],
            contour=values[CONTOUR],
            interior=values[INTERIOR],
            centre=values[CENTRE],
            log2_size=values[SIZE],
        )

    def _own(self, embedding: Embedding, rgb: NDArray[np.uint8]) -> SamEmbedding:
        if not isinstance(embedding, SamEmbedding):
            raise InputError(f"An embedding is needed, got {type(embedding).__name__}.")
        if embedding.weights_sha256 != self.weights_sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")
        if len(embedding.stages) != len(self.card.shape.stages):
            raise InputError(
                "The embedding was made without the stages that a finder reads; make it with "
                "model.embed(plane, stages=True)."
            )
        if rgb.shape != (*embedding.shape, 3):
            raise InputError(
                f"The embedding is of a plane of shape {embedding.shape}, the image has shape "
                f"{rgb.shape}."
            )
        return embedding


_loaded: MutableMapping[PromptableModel, dict[str, FinderModel]] = WeakKeyDictionary()
_loading = threading.Lock()


def find_finder(model: PromptableModel, sha256: str | None = None) -> FinderModel | None:
    """Return the finder that fits a model's image encoder; loaded once for each model.

    Parameters
    ----------
    model : PromptableModel
        The model.
    sha256 : str, optional
        Hash of the finder that is wanted, which is installed or was loaded from its file by
        :func:`load_finder`. By default a person's own comes before the package's; those that were
        improved on a person's labels are used only when they are wanted.

    Returns
    -------
    FinderModel or None
        None if no installed finder fits.

    Raises
    ------
    WeightsError
        The finder's file is damaged.
    """
    sketch = model.sketch_encoder()
    if sketch is None:
        return None
    if sha256 is not None and (loaded := _loaded.get(model, {}).get(sha256)) is not None:
        return loaded
    for file in default_finders() if sha256 is None else installed_finders():
        if sha256 in (None, file.sha256) and file.card.encoder.sketch.is_same(sketch):
            return _load(file, model)
    return None


def load_finder(model: PromptableModel, path: Path) -> FinderModel:
    """Load a finder from a file that need not be installed.

    Raises
    ------
    WeightsError
        The file is no usable finder.
    InputError
        It was trained on another image encoder than the model's.
    """
    file = read_finder(path)
    sketch = model.sketch_encoder()
    if sketch is None or not file.card.encoder.sketch.is_same(sketch):
        raise InputError(
            f"The finder {path} was trained on the image encoder of {file.card.encoder.name}, and "
            f"{model.id} has another one. Use it with {file.card.encoder.name}, or use a finder "
            f"that was trained on {model.id}."
        )
    return _load(file, model)


def _load(file: FinderFile, model: PromptableModel) -> FinderModel:
    with _loading:
        known = _loaded.setdefault(model, {})
        if file.sha256 not in known:
            known[file.sha256] = FinderModel(file, model)
        return known[file.sha256]
