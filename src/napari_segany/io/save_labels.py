"""Saving of label images, with the same bytes from every interface."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.core.label_images import as_ids, whole_numbers
from napari_segany.core.planes import guess_axes
from napari_segany.core.sequences import as_array
from napari_segany.errors import InputError
from napari_segany.io.atomic import writing
from napari_segany.io.opened_image import stem
from napari_segany.io.pixel_size import PixelSize, check_sizes
from napari_segany.io.tiff import TIFF_SUFFIXES
from napari_segany.io.write_tiff import LabelStack
from napari_segany.io.write_zarr import write_labels

_ENDING = "_labels"


def image_name(path: Path) -> str:
    """Return the name of the image that a file of labels belongs to.

    Examples
    --------
    >>> image_name(Path("cells_labels.ome.tif"))
    'cells'
    """
    return stem(path).removesuffix(_ENDING)


def save_labels(
    labels: Any,
    path: str | Path,
    axes: str | None = None,
    pixel_size: PixelSize | None = None,
) -> Path:
    """Write labels as OME-TIFF or OME-Zarr, the same file that the command line writes.

    Parameters
    ----------
    labels : array
        Whole numbers up to 4,294,967,295, (Y, X) or a stack of such planes; numpy, dask or zarr,
        read plane by plane. Ids stay as they are. Negative ones are no objects and become 0, with
        a warning. An iterable of planes is put together.
    path : str or Path
        Ends in ``.ome.tif`` (or ``.tif``) or in ``.ome.zarr``; an existing file is replaced.
    axes : str, optional
        One letter a dimension, ending in "YX"; guessed from the shape by default.
    pixel_size : mapping, optional
        Size and unit of a step along axes, for example ``{"Y": (0.1, "um"), "X": (0.1, "um")}``.
        Common spellings of units are understood ("micron", "µm", "Å").

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If labels, axes, the name or a size cannot be used.
    SeganyError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from napari_segany.io.read import open_image
    >>> labels = np.zeros((32, 48), int)
    >>> labels[4:12, 6:20] = 1
    >>> sizes = {"Y": (0.5, "um"), "X": (0.5, "um")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_labels(labels, Path(folder) / "cells_labels.ome.tif", pixel_size=sizes)
    ...     with open_image(path) as image:
    ...         print(image.describe())
    YX 32 x 48 uint16, pixel 0.5 x 0.5 um
    """
    path, labels = Path(path), as_array(labels)
    zarr = path.suffix.lower() == ".zarr"
    if not zarr and path.suffix.lower() not in TIFF_SUFFIXES:
        raise InputError(f"{path} must end in .ome.tif or .ome.zarr.")
    shape = tuple(int(n) for n in np.shape(labels))
    axes = axes or guess_axes((*shape[:-2], 9, 9)) if len(shape) > 1 else ""
    if (
        len(axes) != len(shape)
        or not axes.endswith("YX")
        or np.dtype(labels.dtype).kind not in "iub"
    ):
        raise InputError(
            f"Labels are whole numbers with axes that end in YX; got {labels.dtype} of shape "
            f"{shape} with axes {axes!r}."
        )
    if 0 in shape:
        raise InputError(f"The labels have shape {shape}, so there are no pixels to save.")
    sizes = check_sizes(pixel_size or {})
    negative = False
    with LabelStack(axes, shape) as stack:
        for index in np.ndindex(*shape[:-2]):
            plane = whole_numbers(labels[index])
            negative = negative or bool(plane.min(initial=0) < 0)
            stack.add(as_ids(plane))
        if negative:
            warnings.warn(f"Negative labels are no objects; they are 0 in {path}.", stacklevel=2)
        with writing(path) as temporary:
            save: Any = write_labels if zarr else LabelStack.save
            save(stack, temporary, sizes, image_name(path))
    return path
