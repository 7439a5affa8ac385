"""Stacks with objects that are known in 3-D, and the embeddings of their planes, kept on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tifffile import imread

from data import read_image
from napari_segany.core.geometry import Frame
from napari_segany.core.intensity import to_rgb
from napari_segany.core.plane_flips import FLIPS
from napari_segany.models.multi_view import MultiViewEmbedding, views_of, with_views
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.sam.embedded_plane import SamEmbedding
from napari_segany.models.sam.model import SamModel

SPACING = {"em_vnc_mito": 10.3, "vol_ovule": 1.57, "vol_nuclei": 2.24, "tl_cho3d": 4.95}
"""Step from plane to plane in pixels of a plane, from the pixel sizes of the sets."""

MOVIES = ("tl_davis_car", "tl_hela", "tl_nuclei_laptrack")
"""Sets whose planes are frames of a movie."""


@dataclass(frozen=True)
class Stack:
    """One stack of a set.

    Attributes
    ----------
    name : str
        Of the set.
    planes : list of ndarray
        (Y, X) or (Y, X, 3).
    labels : ndarray
        (N, Y, X) ids that are the same on every plane.
    """

    name: str
    planes: list[np.ndarray]
    labels: np.ndarray

    @property
    def spacing(self) -> float | None:
        """Step between planes in pixels of a plane; None for movies."""
        return SPACING.get(self.name.partition(":")[0])


def read_stack(folder: Path, name: str) -> Stack:
    """Read a set that is one file of planes, or one file a frame.

    A name with a number, such as ``tl_cho3d:0``, is one time of a movie of volumes.
    """
    stack, _, time = name.partition(":")
    images = sorted((folder / stack / "images").iterdir())
    labels = [imread(folder / stack / "labels" / f"{path.stem}.tif") for path in images]
    if time:
        return Stack(name, list(imread(images[0])[int(time)]), labels[0][int(time)])
    if len(images) == 1:
        return Stack(name, list(read_image(images[0])), labels[0])
    return Stack(name, [read_image(path) for path in images], np.stack(labels))


class KeptEmbeddings:
    """The embeddings of a stack's planes, computed once and kept as files.

    Parameters
    ----------
    model : PromptableModel
        Encodes planes that are not there: a model of the SAM family, maybe in several views.
    stack : Stack
        Its planes.
    folder : Path
        Where the files are; their names hold the model's hash.
    """

    def __init__(self, model: PromptableModel, stack: Stack, folder: Path) -> None:
        own = with_views(model, 1)
        assert isinstance(own, SamModel)
        self._model, self._stack, self._views = own, stack, views_of(model)
        self.folder = folder / f"{stack.name.replace(':', '_')}_{model.weights.sha256[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, plane: int) -> Embedding:
        image = self._stack.planes[plane]
        if self._views == 1:
            return self._kept(f"{plane:04}", image)
        rgb = to_rgb(image)
        mirrored = [
            self._kept(f"{plane:04}_view{n}", flip.plane(rgb))
            for n, flip in enumerate(FLIPS[: self._views - 1], 2)
        ]
        return MultiViewEmbedding(self._kept(f"{plane:04}", rgb), tuple(mirrored))

    def _kept(self, name: str, image: np.ndarray) -> Embedding:
        path = self.folder / f"{name}.npy"
        if not path.is_file():
            embedding = self._model.embed(image)
            np.save(path, embedding.features.cpu().numpy())
            return embedding
        features = torch.from_numpy(np.load(path)).to(self._model.device)
        side = self._model.network.frame
        frame = Frame((image.shape[0], image.shape[1]), side)
        return SamEmbedding(features, frame, self._model.weights.sha256)


Embed = Callable[[int], Embedding]
"""The embedding of a plane by its number."""
