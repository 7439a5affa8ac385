"""Slides of scanners: the TIFF reader, with pixel sizes that only the package tiffslide knows."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from napari_segany.io import tiff
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.formats.scenes import import_reader
from napari_segany.io.formats.tiff_file import image_names, is_tiff, open_request
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.pixel_size import PixelSize, keep_known

SLIDE_SUFFIXES = (".svs", ".ndpi", ".scn", ".bif")
"""Endings of slides, in lower case."""


def _matches(path: Path, first: bytes) -> bool:
    return path.suffix.lower() in SLIDE_SUFFIXES and is_tiff(path, first)


def open_slide(path: Path, request: ReadRequest) -> OpenedImage:
    """Open a slide; tiffslide states the pixel size of dialects that the TIFF reader knows not."""
    opened = open_request(path, request)
    is_first = request.series in (None, 0) and not request.level
    if opened.pixel_size or not is_first or find_spec("tiffslide") is None:
        return opened
    return replace(opened, pixel_size=_stated_size(path, opened))


def _stated_size(path: Path, opened: OpenedImage) -> PixelSize:
    try:
        with import_reader("tiffslide", "slides", path, "a slide").TiffSlide(path) as slide:
            sides = dict(zip(opened.axes, opened.shape, strict=True))
            if slide.dimensions != (sides["X"], sides["Y"]):
                return {}
            stated = slide.properties
            return keep_known({a: (stated.get(f"tiffslide.mpp-{a.lower()}"), "um") for a in "YX"})
    # Not every TIFF with such an ending is a slide that the package knows.
    except Exception:
        return {}


SLIDES = FileFormat("slide", SLIDE_SUFFIXES, _matches, open_slide, image_names, tiff.members)
