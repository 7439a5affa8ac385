"""TIFF in the registry of formats."""

from pathlib import Path

from napari_segany.io import tiff
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.opened_image import OpenedImage


def is_tiff(path: Path, first: bytes) -> bool:
    """Return True if the first bytes of a file are those of TIFF."""
    return first[:4] in tiff.MAGIC


def open_request(path: Path, request: ReadRequest) -> OpenedImage:
    """Open one image of a TIFF file; see :class:`FileFormat`."""
    axes = "" if request.axes == "auto" else request.axes
    return tiff.open_tiff(path, request.series, axes, request.stored, request.level)


def image_names(path: Path) -> list[str]:
    """Return the names of the images in a TIFF file; one without a name if it cannot be read."""
    return tiff.image_names(path)


TIFF = FileFormat(
    "TIFF",
    (*tiff.TIFF_SUFFIXES, *tiff.DIALECT_SUFFIXES),
    is_tiff,
    open_request,
    image_names,
    tiff.members,
)
