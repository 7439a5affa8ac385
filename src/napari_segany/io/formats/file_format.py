"""Description of a file format, and what is asked of its opener."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_segany.io.opened_image import OpenedImage


@dataclass(frozen=True)
class ReadRequest:
    """Choice of an image in a file.

    Attributes
    ----------
    series : int or str, optional
        Number of the image from 0, or its name; by default the first, with a note on the others.
    axes : str
        The axes that it will be taken by; only palettes of TIFF need them.
    stored : bool
        True if values stay as they are stored, for labels and masks.
    level : int
        Level of a pyramid; 0 is the full resolution.
    """

    series: int | str | None = None
    axes: str = ""
    stored: bool = False
    level: int = 0


def only_itself(path: Path) -> tuple[Path, ...]:
    """Return the one file of an image that is not spread over several."""
    return (path,)


@dataclass(frozen=True)
class FileFormat:
    """One format of image files.

    Attributes
    ----------
    name : str
        Name of the format, in errors.
    suffixes : tuple of str
        Endings of its files in lower case; a folder of images is searched by them.
    matches : callable
        Returns True for a path and its first bytes; those of a folder are empty.
    open : callable
        Opens an image without reading its pixels. Raises
        :class:`~napari_segany.errors.InputError` with one sentence.
    image_names : callable
        Returns the name of each image in a file; an image without one has an empty name.
    members : callable
        Returns every file of the set that an image is spread over, the path itself first.
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[Path, bytes], bool]
    open: Callable[[Path, ReadRequest], OpenedImage]
    image_names: Callable[[Path], list[str]]
    members: Callable[[Path], tuple[Path, ...]] = only_itself
