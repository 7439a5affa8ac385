"""PNG and JPEG in the registry of formats."""

from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.raster_images import RASTER_SUFFIXES, read_raster


def _matches(path: Path, first: bytes) -> bool:
    # Pillow looks at the content itself, and says if it is neither.
    return bool(first)


def open_raster(path: Path, request: ReadRequest) -> OpenedImage:
    """Read a PNG or JPEG file whole.

    Raises
    ------
    InputError
        If another image than the first is asked for, or it is damaged.
    UnidentifiedImageError
        If it is neither of them.
    """
    if request.series:
        raise InputError(f"There is no image {request.series} in {path}; it holds one, image 0.")
    if request.level:
        raise InputError(f"There is no level {request.level} in {path}; it has only level 0.")
    pixels = read_raster(path, request.stored)
    return OpenedImage(path, pixels, "YX" if pixels.ndim == 2 else "YXS", files=(path,))


def _image_names(path: Path) -> list[str]:
    return [""]


RASTER = FileFormat("PNG or JPEG", RASTER_SUFFIXES, _matches, open_raster, _image_names)
