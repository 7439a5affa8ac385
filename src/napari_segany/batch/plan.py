"""What is to be done: which images, by which recipe, into which files."""

import logging
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from napari_segany.batch.manifest import PlaneCheckpoint, Record, is_plain
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import Range, StackLayout, axes_fit
from napari_segany.errors import InputError, SeganyError
from napari_segany.io.atomic import check_name
from napari_segany.io.read import OpenedImage, open_image, stem
from napari_segany.io.safe_names import shown
from napari_segany.io.write_tiff import ome_axes
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import PRODUCTS, Recipe

logger = logging.getLogger(__name__)

State = Literal["done", "partly", "same", "edited", "elsewhere", "failed"]
"""Done now; done but for planes that could not be read; done earlier with the same content and
recipe; the same, but changed by hand since; being done by another process; failed."""

_STACKS = (".tif", ".zarr")
"""Endings of results with the axes of the image."""

FAILED: tuple[State, ...] = ("partly", "failed")
"""States of which a run says that something failed."""


class Files(Protocol):
    """Where the results of one image go."""

    @property
    def name(self) -> str:
        """The name that they begin with, which no other image of the batch has."""
        ...

    def all(self) -> tuple[Path, ...]:
        """Every file, the one that matters most first, the recipe last."""
        ...

    def kinds(self) -> Mapping[str, Any]:
        """What kinds of files they are, as plain values."""
        ...


@dataclass(frozen=True)
class MapFiles:
    """Where the one result of an image goes that is no label image, and its recipe.

    Attributes
    ----------
    main, provenance : Path
        The result, and the recipe.
    name : str
        See :class:`Files`.
    settings : tuple
        Names and values of what else decides what is in it.
    """

    main: Path
    provenance: Path
    name: str
    settings: tuple[tuple[str, Any], ...] = ()

    def all(self) -> tuple[Path, ...]:
        """See :class:`Files`."""
        return self.main, self.provenance

    def kinds(self) -> Mapping[str, Any]:
        """See :class:`Files`."""
        return dict(self.settings)


class Product(Protocol):
    """What a batch makes of images, plane by plane."""

    @property
    def name(self) -> str:
        """Name of the folder with its records; empty for labels."""
        ...

    @property
    def noun(self) -> str:
        """What is counted; empty if nothing is."""
        ...

    def compute(
        self,
        image: OpenedImage,
        layout: StackLayout,
        recipe: Recipe,
        model: PromptableModel,
        index: tuple[int, ...],
        *,
        region: Any = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Do one plane."""
        ...

    def decode(self, content: bytes) -> Any:
        """What :meth:`compute` made bytes of; raises SeganyError if they are not whole."""
        ...

    def finish(
        self,
        item: "Item",
        recipe: Recipe,
        work: PlaneCheckpoint[Any],
        content: str,
        empty: Container[int],
    ) -> Record:
        """Write the results of an image whose planes are all there; the key stays empty.

        Parameters
        ----------
        item, recipe, work
            The image, how it was done, and its finished planes.
        content : str
            Hash of the image's content.
        empty : container of int
            Numbers of planes that nothing could be made of.
        """
        ...


@dataclass(frozen=True)
class Item:
    """One image of a batch.

    Attributes
    ----------
    path : Path
        The image.
    files : Files
        Where its results go.
    name : str
        See :class:`Files`.
    understood : str
        Its axes, size, type and pixel size in words.
    planes : int
        How many planes are to be segmented.
    axes : str
        Its axes, where they are not what the recipe says.
    notes : tuple of str
        What was guessed about it; see :class:`OpenedImage`.
    """

    path: Path
    files: Files
    name: str
    understood: str = ""
    planes: int = 1
    axes: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Everything that decides what files come out.

    Attributes
    ----------
    items : tuple of Item
        The images, which :func:`inspect` could open.
    output : Path
        The folder with the results.
    recipe : Recipe
        With axes, or "auto" for each file's own.
    product : Product
        What is made of them.
    region : Path or None
        Image that is not zero where objects are looked for.
    overwrite : bool
        Do everything anew, and replace whatever files are there.
    """

    items: tuple[Item, ...]
    output: Path
    recipe: Recipe
    product: Product
    region: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        made: Any = replace(self.recipe, product=self.product.name or PRODUCTS[0])
        object.__setattr__(self, "recipe", made)


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes
    ----------
    path : Path
        The image.
    state : str
        See :data:`State`.
    files : Files or None
        Where the results are.
    understood : str
        Its axes, size, type and pixel size in words.
    objects, planes : int
        How many were found, on how many planes.
    seconds : float
        How long it took, this time.
    pictured : str
        The plane that the picture shows, empty if there is only one.
    error : str
        Why it failed.
    resumed : int
        Planes that were finished earlier.
    failed_planes : tuple of str
        Planes that are empty because they could not be read, each with the reason.
    notes : tuple of str
        What else a person should know.
    """

    path: Path
    state: State
    files: Files | None = None
    understood: str = ""
    objects: int = 0
    planes: int = 0
    seconds: float = 0.0
    pictured: str = ""
    error: str = ""
    resumed: int = 0
    failed_planes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadOptions:
    """How the files are to be understood; see :class:`Recipe`.

    Attributes
    ----------
    axes, channels, planes
        As in a recipe.
    usual : bool
        Whether the axes come from a recipe: a file that has others goes by its own.
    """

    axes: str = "auto"
    channels: tuple[int, ...] = (0,)
    planes: tuple[Range, ...] = ()
    usual: bool = False


def own_axes(image: OpenedImage, axes: str) -> str:
    """The axes to take an image by.

    Raises
    ------
    InputError
        If there are more or fewer than the image has.
    """
    if axes in ("auto", ""):
        return image.axes
    if len(axes) != len(image.shape):
        size = " x ".join(str(n) for n in image.shape)
        raise InputError(
            f"Axes {axes} were asked for, but {image.path} is {image.axes} {size}; give others, or "
            "--axes auto to go by the file."
        )
    return axes


def chosen_layout(image: OpenedImage, reading: ReadOptions) -> StackLayout:
    """The planes of an image that are to be segmented.

    Raises
    ------
    InputError
        If axes, channels or planes do not fit.
    """
    layout = StackLayout(own_axes(image, reading.axes), image.shape, reading.channels)
    return layout.restricted(reading.planes)


def inspect(
    results: Mapping[Path, Files],
    reading: ReadOptions,
    own: Mapping[Path, str] | None = None,
) -> Iterator[Item | tuple[Path, Exception]]:
    """Open every image once, so that what cannot be done is told now and not in the night.

    Parameters
    ----------
    results : mapping
        Where the results of each image go.
    reading : ReadOptions
        How images are to be understood.
    own : mapping, optional
        Axes of single images that are to be understood otherwise.

    Yields
    ------
    Item or tuple
        An item for each image that can be read, path and error for each that cannot.
    """
    for path, files in results.items():
        axes = (own or {}).get(path, "")
        try:
            for file in files.all() if files else ():
                check_name(file)
                if not is_plain(file.name):
                    raise InputError(
                        f"The results would be called {file.name}, which other systems take for a "
                        "place and no name. Rename the image."
                    )
            with open_image(path, axes=axes or reading.axes) as image:
                usual = reading.axes if reading.usual and not axes else "auto"
                if usual not in ("auto", "") and not axes_fit(usual, image.axes):
                    axes = image.axes
                    logger.info(
                        "note: %s is %s and goes by these axes of its own, as the %s of the "
                        "recipe do not fit; --axes says otherwise.",
                        *(shown(path), axes, usual),
                    )
                layout = chosen_layout(image, replace(reading, axes=axes or reading.axes))
                understood, notes = image.describe(layout.axes), image.notes
            if files and any(file.suffix in _STACKS for file in files.all()):
                # More axes than results can have are told before planes are computed.
                ome_axes(layout.labels_axes)
            name = files.name if files else stem(path)
            yield Item(path, files, name, understood, layout.chosen_count, axes, notes)
        # Files can be damaged in ways that nobody foresaw.
        except Exception as error:
            yield path, error


def called(name: str, image: Path) -> str:
    """An image as people know it: its folder within the inputs, and the name of its file.

    Parameters
    ----------
    name : str
        What its results are called after.
    image : Path
        The file; one that is a part of a container is called after that.
    """
    own = image.name if image.name.startswith(stem(image)) else stem(image)
    place = name.rpartition("/")[0]
    return shown(f"{place}/{own}" if place else own)


def sentence(error: BaseException) -> str:
    """An error in words; one that nobody foresaw says so."""
    if isinstance(error, SeganyError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return (
            f"{place}{error.strerror}. Check that the place is there, that it may be written, and "
            "that the disk is not full."
        )
    if isinstance(error, MemoryError):
        return "Not enough memory; close other programs or use a smaller image."
    return (
        f"unexpected {type(error).__name__}: {error}. "
        "Run it again with --debug for the details to report."
    )
