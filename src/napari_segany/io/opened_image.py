"""Open image files: metadata, and pixels that are read on access."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.core.pyramid import choose_level
from napari_segany.io import pixel_size as sizes
from napari_segany.io.channel_names import channel_numbers
from napari_segany.io.file_version import FileVersion
from napari_segany.io.pixel_size import PixelSize


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """Image file open for reading; a context manager.

    Attributes
    ----------
    path : Path
        The file.
    data : array
        Has ``shape``, ``dtype`` and indexing; pixels are read when they are indexed.
    axes : str
        One letter a dimension; see :data:`napari_segany.core.planes.KNOWN_AXES`.
    pixel_size : mapping
        Size and unit of a step along those axes for which the file states it.
    images_in_file : int
        This is one of so many.
    files : tuple of Path
        Every file that its pixels may come from; a folder stands for all that is in it.
    channel_names : tuple of str
        Name of each channel, in order; empty if the file does not name them.
    notes : tuple of str
        Guesses, and other remarks for users, a sentence each. Those about a
        guess name the option of the command line that says otherwise.
    """

    path: Path
    data: Any
    axes: str
    pixel_size: PixelSize = field(default_factory=dict)
    images_in_file: int = 1
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    channel_names: tuple[str, ...] = ()
    _close: Callable[[], None] = field(default=lambda: None, repr=False)
    _coarser: Callable[[], Sequence[Any]] = field(default=tuple, repr=False)
    _versions: tuple[FileVersion, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_versions", tuple(FileVersion.of(path) for path in self.files))

    @property
    def name(self) -> str:
        """Name of the file without ``.tif``, ``.ome.tif`` and so on."""
        return stem(self.path)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    @property
    def is_current(self) -> bool:
        """True while the files are those that were opened."""
        return self._versions == tuple(FileVersion.of(path) for path in self.files)

    @cached_property
    def levels(self) -> tuple[Any, ...]:
        """Levels of the pyramid as lazy arrays with the same axes: ``data``, then coarser ones."""
        return (self.data, *self._coarser())

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of each level in pixels."""
        rows, cols = self.axes.index("Y"), self.axes.index("X")
        return tuple((int(each.shape[rows]), int(each.shape[cols])) for each in self.levels)

    def level_for(self, scale: float) -> int:
        """Return the number of the level to read for a scale; see :func:`choose_level`."""
        return choose_level(self.level_sizes, scale)

    def channel_numbers(self, chosen: Sequence[int | str]) -> tuple[int, ...]:
        """Return the numbers of channels that are given by number or by name.

        Raises
        ------
        InputError
            If no channel has a name; lists those that there are.
        """
        return channel_numbers(chosen, self.channel_names, str(self.path))

    def describe(self, axes: str = "") -> str:
        """Describe axes, shape, type and pixel size on one line.

        Parameters
        ----------
        axes : str, optional
            The axes to state in place of the file's own.
        """
        size = " x ".join(str(n) for n in self.shape)
        parts = [f"{axes or self.axes} {size} {self.dtype.name}"]
        parts += [text for text in [sizes.describe(self.pixel_size)] if text]
        if self.images_in_file > 1:
            parts.append(f"one of {self.images_in_file} images in the file")
        return ", ".join(parts)

    def close(self) -> None:
        """Close the file; ``data`` must not be used any more."""
        self._close()

    def __enter__(self) -> "OpenedImage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_SERIES_PATH = re.compile(r"(.+)\[(\d+)\]")
"""Path of one image in a file of several: ``cells.ome.tif[1]``."""


def series_path(path: Path, number: int) -> Path:
    """Return the path of one image in a file that holds several."""
    return path.with_name(f"{path.name}[{number}]")


def split_series(path: Path) -> tuple[Path, int | None]:
    """Split a path into the file and the number of an image in it; None without a number.

    Examples
    --------
    >>> split_series(Path("cells.ome.tif[1]"))[1]
    1
    """
    found = _SERIES_PATH.fullmatch(path.name)
    if found is None or path.exists():
        return path, None
    return path.with_name(found[1]), int(found[2])


def stem(path: Path) -> str:
    """Return the name of an image file without its suffix, ``.ome`` included.

    An image inside another is called after both: ``plate.zarr/A/1/0`` is ``plate_A_1_0``, and
    ``cells.ome.tif[1]`` is ``cells_s1``.

    Examples
    --------
    >>> stem(Path("cells.ome.tif")), stem(Path("cells.ome.tif[1]")), stem(Path("plate.zarr/A/1/0"))
    ('cells', 'cells_s1', 'plate_A_1_0')
    """
    for outer in path.parents:
        if outer.suffix.lower() == ".zarr":
            return "_".join([stem(outer), *path.relative_to(outer).parts])
    file, number = split_series(path)
    name = file.stem.removesuffix(".ome") or file.stem
    return name if number is None else f"{name}_s{number}"
