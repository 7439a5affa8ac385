"""OME-Zarr in the registry of formats."""

from pathlib import Path

from napari_segany.core.planes import guess_axes
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.ome_zarr import (
    channel_labels,
    coarser_levels,
    is_zarr,
    list_images,
    open_zarr,
)
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.tiff_interpretation import to_known_axes


def _matches(path: Path, first: bytes) -> bool:
    return not first and is_zarr(path)


def open_folder(path: Path, request: ReadRequest) -> OpenedImage:
    """Open one image of a Zarr folder; see :class:`FileFormat`."""
    data, axes, pixel_size, notes = open_zarr(path, request.series, request.level)
    shape = tuple(int(n) for n in data.shape)
    known = to_known_axes(axes, shape) if axes else guess_axes(shape)
    if not axes:
        notes = (*notes, f"The array does not name its axes; {known} is a guess, --axes says.")
    at = known.index("C") if "C" in known else None
    names = () if at is None else channel_labels(path, request.series, shape[at])
    return OpenedImage(
        path,
        data,
        known,
        pixel_size,
        files=(path,),
        notes=notes,
        channel_names=names,
        _coarser=lambda: coarser_levels(path, request.series, request.level),
    )


def _image_names(path: Path) -> list[str]:
    return [each.relative_to(path).as_posix() for each in list_images(path)]


ZARR = FileFormat("OME-Zarr", (), _matches, open_folder, _image_names)
