"""Protocols of a batch: products, result files, and the values that both exchange."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

from napari_segany.batch.manifest import PlaneCheckpoint, Record
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits
from napari_segany.core.planes import Box, StackLayout
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.io.read import OpenedImage
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe

TileNumber = tuple[int, int]
"""Level and number of a tile."""


class Tiles(Protocol):
    """The finished tiles of a plane."""

    def parts(self) -> Iterator[TileCandidates]:
        """Iterate over the candidates of all tiles, one at a time."""
        ...


class Files(Protocol):
    """The result files of one image."""

    @property
    def name(self) -> str:
        """The beginning of their names, which no other image of the batch has."""
        ...

    def all(self) -> tuple[Path, ...]:
        """Return every file, the main result first, the recipe last."""
        ...

    def kinds(self) -> Mapping[str, Any]:
        """Return the kinds of the files, as plain values."""
        ...


@dataclass(frozen=True)
class Item:
    """One image of a batch.

    Attributes
    ----------
    path : Path
        The image.
    files : Files
        The files of its results.
    name : str
        See :class:`Files`.
    understood : str
        Its axes, size, type and pixel size in words.
    planes : int
        The number of planes to segment.
    axes : str
        Its axes, where they differ from those of the recipe.
    notes : tuple of str
        Assumptions made about the file; see :class:`OpenedImage`.
    channels : tuple of int
        The channels, by their numbers in this image; empty for those of the recipe.
    """

    path: Path
    files: Files
    name: str
    understood: str = ""
    planes: int = 1
    axes: str = ""
    notes: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class PlaneInput:
    """One plane of an opened image, with everything that decides its result but the model.

    Attributes
    ----------
    image : OpenedImage
        The image.
    layout : StackLayout
        Its axes and planes.
    recipe : Recipe
        The recipe with axes and intensity limits settled.
    index : tuple of int
        Index of the plane along the leading axes.
    region : array_like or None
        Nonzero where objects are searched.
    box : tuple of int or None
        Box of the plane in which objects are searched.
    """

    image: OpenedImage
    layout: StackLayout
    recipe: Recipe
    index: tuple[int, ...]
    region: Any = None
    box: Box | None = None

    @property
    def limits(self) -> Limits | None:
        """The intensity limits of the whole stack; None for the plane's own."""
        return self.recipe.limits

    def read(self) -> NDArray[Any]:
        """Return the pixels of the plane."""
        return self.layout.read(self.image.data, self.index)


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class FinishedImage(Generic[T]):
    """An image whose planes are all computed.

    Attributes
    ----------
    item : Item
        The image.
    recipe : Recipe
        The recipe of its planes.
    checkpoint : PlaneCheckpoint
        The computed planes.
    content : str
        Hash of the image's content.
    empty : container of int
        Numbers of planes that have no result, because they are blank or cannot be read.
    tiles : mapping of int to Tiles
        The finished tiles of planes that were computed in tiles.
    box : tuple of int or None
        Box of the planes in which objects were searched.
    """

    item: Item
    recipe: Recipe
    checkpoint: PlaneCheckpoint[T]
    content: str
    empty: Container[int] = field(default_factory=frozenset)
    tiles: Mapping[int, "Tiles"] = field(default_factory=dict)
    box: Box | None = None

    def load(self, number: int) -> T | None:
        """Return the result of a plane; None if it has none."""
        return None if number in self.empty else self.checkpoint.load(number)


class Product(Protocol):
    """The kind of result that a batch computes for each plane and writes for each image."""

    @property
    def name(self) -> str:
        """Name of the folder with its records; empty for labels."""
        ...

    @property
    def noun(self) -> str:
        """The noun for what is counted; empty if nothing is counted."""
        ...

    @property
    def tiled(self) -> bool:
        """True if it can be made from the tiles of planes that were searched in tiles."""
        ...

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Compute the result of one plane."""
        ...

    def decode(self, content: bytes) -> Any:
        """Decode the bytes of :meth:`compute_plane`; raise SeganyError if they are incomplete."""
        ...

    def finish(self, image: FinishedImage[Any]) -> Record:
        """Write the results of an image; the key of the record stays empty."""
        ...
