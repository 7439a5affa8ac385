"""The plan of a batch: its images, recipe and result files; and the outcome of each image."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from napari_segany.batch.manifest import is_plain
from napari_segany.batch.protocol import Files, Item, Product
from napari_segany.core.notes import note
from napari_segany.core.planes import Box, Range, StackLayout, axes_fit
from napari_segany.errors import InputError, SeganyError
from napari_segany.io.atomic import check_name
from napari_segany.io.read import OpenedImage, open_image, stem
from napari_segany.io.safe_names import shown
from napari_segany.io.write_tiff import ome_axes
from napari_segany.recipe import PRODUCTS, Recipe

logger = logging.getLogger(__name__)

State = Literal["done", "partly", "same", "edited", "locked", "failed"]
"""State of an image after a run.

done: computed now. partly: done, except for planes that cannot be read. same: computed earlier
from the same content and recipe. edited: as same, and a result was changed by hand since. locked:
another process works on the image. failed: an error.
"""

_STACKS = (".tif", ".zarr")
"""Suffixes of results that have the axes of the image."""

FAILED: tuple[State, ...] = ("partly", "failed")
"""States that count as failures of a run."""


@dataclass(frozen=True)
class MapFiles:
    """The result file and the recipe of an image, for products that write one file.

    Attributes
    ----------
    main, provenance : Path
        The result, and the recipe.
    name : str
        See :class:`Files`.
    settings : tuple
        Names and values of the product's own options, which also decide the content.
    """

    main: Path
    provenance: Path
    name: str
    settings: tuple[tuple[str, Any], ...] = ()

    def all(self) -> tuple[Path, ...]:
        """Return the result and the recipe."""
        return self.main, self.provenance

    def kinds(self) -> Mapping[str, Any]:
        """Return the product's own options."""
        return dict(self.settings)


@dataclass(frozen=True)
class Batch:
    """Everything that decides the result files.

    Attributes
    ----------
    items : tuple of Item
        The images, which :func:`inspect` could open.
    output : Path
        The folder with the results.
    recipe : Recipe
        A recipe with axes, or with axes "auto" for those of each file.
    product : Product
        The kind of result.
    region : Path or None
        Image that is nonzero where objects are searched.
    overwrite : bool
        Compute everything again, and replace existing files.
    box : tuple of int or None
        Box of the planes in which objects are searched.
    """

    items: tuple[Item, ...]
    output: Path
    recipe: Recipe
    product: Product
    region: Path | None = None
    overwrite: bool = False
    box: Box | None = None

    def __post_init__(self) -> None:
        # Maps of edges, and proposals, are of whole planes.
        tiles = None if self.product.name else self.recipe.tiles
        made: Any = replace(self.recipe, product=self.product.name or PRODUCTS[0], tiles=tiles)
        object.__setattr__(self, "recipe", made)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one image.

    Attributes
    ----------
    path : Path
        The image.
    state : str
        See :data:`State`.
    files : Files or None
        The result files.
    understood : str
        Its axes, size, type and pixel size in words.
    objects, planes : int
        The number of objects, and of planes.
    seconds : float
        Duration of this run.
    pictured : str
        The plane that the overlay shows; empty if there is only one.
    error : str
        The error, if it failed.
    resumed : int
        The number of planes that were computed by an earlier run.
    failed_planes : tuple of str
        Planes that cannot be read and are empty in the results, each with the reason.
    notes : tuple of str
        Further remarks, such as blank planes.
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
    """Options for reading image files; see :class:`Recipe`.

    Attributes
    ----------
    axes, channels, planes
        As in a recipe; channels also by the names that a file gives them.
    usual : bool
        True if the axes come from a recipe; a file that they do not fit is read with its own axes.
    """

    axes: str = "auto"
    channels: tuple[int | str, ...] = (0,)
    planes: tuple[Range, ...] = ()
    usual: bool = False


def own_axes(image: OpenedImage, axes: str) -> str:
    """Return the axes to read an image with.

    Raises
    ------
    InputError
        If their number differs from that of the image.
    """
    if axes in ("auto", ""):
        return image.axes
    if len(axes) != len(image.shape):
        size = " x ".join(str(n) for n in image.shape)
        raise InputError(
            f"Axes {axes} were given, but {image.path} is {image.axes} {size}; give others, or "
            "--axes auto to go by the file."
        )
    return axes


def chosen_layout(image: OpenedImage, options: ReadOptions) -> StackLayout:
    """Return the layout of an image, restricted to the selected planes.

    Raises
    ------
    InputError
        If axes, channels or planes do not fit.
    """
    channels = image.channel_numbers(options.channels)
    layout = StackLayout(own_axes(image, options.axes), image.shape, channels)
    return layout.restricted(options.planes)


def inspect(
    results: Mapping[Path, Files],
    options: ReadOptions,
    axes_of: Mapping[Path, str] | None = None,
) -> Iterator[Item | tuple[Path, Exception]]:
    """Open every image once, so that unreadable files are reported before the computation.

    Parameters
    ----------
    results : mapping
        The result files of each image.
    options : ReadOptions
        Options for reading the images.
    axes_of : mapping, optional
        Axes of single images, where they differ from those of the options.

    Yields
    ------
    Item or tuple
        An item for each image that can be read, path and error for each that cannot.
    """
    for path, files in results.items():
        axes = (axes_of or {}).get(path, "")
        try:
            for file in files.all() if files else ():
                check_name(file)
                if not is_plain(file.name):
                    raise InputError(
                        f"The results would be called {file.name}, which other systems take for a "
                        "place and no name. Rename the image."
                    )
            with open_image(path, axes=axes or options.axes) as image:
                usual = options.axes if options.usual and not axes else "auto"
                if usual not in ("auto", "") and not axes_fit(usual, image.axes):
                    axes = image.axes
                    note(
                        logger,
                        "%s is %s and goes by these axes of its own, as the %s of the "
                        "recipe do not fit; --axes says otherwise.",
                        *(shown(path), axes, usual),
                    )
                layout = chosen_layout(image, replace(options, axes=axes or options.axes))
                understood, notes = image.describe(layout.axes), image.notes
            if files and any(file.suffix in _STACKS for file in files.all()):
                # Too many axes for the results are reported before planes are computed.
                ome_axes(layout.labels_axes)
            name = files.name if files else stem(path)
            yield Item(
                path, files, name, understood, layout.chosen_count, axes, notes, layout.channels
            )
        # Damaged files raise many kinds of errors.
        except Exception as error:
            yield path, error


def log_notes(path: Path, notes: Iterable[str]) -> None:
    """Log the assumptions made about an image file."""
    for each in notes:
        logger.info("note: %s: %s", path, each)


def error_of(path: Path, error: BaseException) -> str:
    """Return an error as a sentence that names the image."""
    text = sentence(error)
    return text if str(path) in text else f"{path}: {text}"


def called(name: str, image: Path) -> str:
    """Return the name of an image for messages: its folder below the inputs, and its file name.

    Parameters
    ----------
    name : str
        The beginning of the names of its results.
    image : Path
        The file; an image inside a container is named after the container.
    """
    own = image.name if image.name.startswith(stem(image)) else stem(image)
    place = name.rpartition("/")[0]
    return shown(f"{place}/{own}" if place else own)


def sentence(error: BaseException) -> str:
    """Return an error as a sentence; an unexpected error is named as such."""
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
