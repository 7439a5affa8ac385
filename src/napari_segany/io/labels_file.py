"""Label images to and from files, the same bytes from every face."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.core.planes import guess_axes
from napari_segany.core.sequences import listed
from napari_segany.errors import InputError
from napari_segany.io.atomic import writing
from napari_segany.io.ome_zarr import write_labels
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.read import TIFF_SUFFIXES, stem
from napari_segany.io.write import LabelStack

_ENDING = "_labels"


def image_name(path: Path) -> str:
    """Name of the image that a file of labels belongs to."""
    return stem(path).removesuffix(_ENDING)


def save_labels(
    labels: Any,
    path: str | Path,
    axes: str | None = None,
    pixel_size: PixelSize | None = None,
) -> Path:
    """Write labels as OME-TIFF or OME-Zarr: the file that the command line writes.

    Parameters
    ----------
    labels : array
        Whole numbers, (Y, X) or a stack of such planes; numpy, dask or zarr, read plane by plane.
        An iterable of planes is put together.
    path : str or Path
        Ends in ``.ome.tif`` (or ``.tif``) or in ``.ome.zarr``; what is there is replaced.
    axes : str, optional
        One letter a dimension, ending in "YX"; guessed from the shape by default.
    pixel_size : mapping, optional
        Size and unit of a step along axes, for example ``{"Y": (0.1, "um"), "X": (0.1, "um")}``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    InputError
        If labels, axes or the name cannot be used.
    SeganyError
        If the file cannot be written.
    """
    path, labels = Path(path), listed(labels)
    if not hasattr(labels, "dtype"):
        labels = np.asarray(labels)
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
    with LabelStack(axes, shape) as stack:
        for index in np.ndindex(*shape[:-2]):
            plane = np.asarray(labels[index])
            if plane.min(initial=0) < 0:
                raise InputError("Labels must not be negative.")
            stack.add(plane.astype(np.uint32))
        with writing(path) as temporary:
            if path.suffix.lower() == ".zarr":
                write_labels(stack, temporary, pixel_size or {}, image_name(path))
            elif path.suffix.lower() in TIFF_SUFFIXES:
                stack.save(temporary, pixel_size or {}, image_name(path))
            else:
                raise InputError(f"{path.name} must end in .ome.tif or .ome.zarr.")
    return path
