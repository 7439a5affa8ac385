"""LIF, the format of Leica's LAS X; read by the package liffile, frame by frame."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.formats.scenes import (
    Scene,
    import_reader,
    micrometres,
    open_scene,
    plain_errors,
)
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.pixel_size import PixelSize, keep_known

_MAGIC = b"\x70\0\0\0"

_DIMENSIONS = {"1": "X", "2": "Y", "3": "Z", "4": "T"}
"""Numbers of the axes that have a step."""


def _matches(path: Path, first: bytes) -> bool:
    return first.startswith(_MAGIC) and first[8:9] == b"\x2a"


def _file(path: Path) -> Any:
    reader = import_reader("liffile", "formats", path, "a LIF file")
    with plain_errors(path, "LIF"):
        return reader.LifFile(path)


def open_lif(path: Path, request: ReadRequest) -> OpenedImage:
    """Open one image of a LIF file; see :class:`FileFormat`."""
    file = _file(path)
    try:
        with plain_errors(path, "LIF"):
            return open_scene(path, scenes_of(file), request, "a LIF", file.close)
    except BaseException:
        file.close()
        raise


def image_names(path: Path) -> list[str]:
    """Return the names of the images; see :class:`FileFormat`."""
    with _file(path) as file, plain_errors(path, "LIF"):
        return [str(image.path) for image in _images(file)]


def _images(file: Any) -> list[Any]:
    # Images of lifetimes are photons and no pixels.
    return [image for image in file.images if not image.is_flim]


def scenes_of(file: Any) -> list[Scene]:
    """Return the images of an open ``liffile.LifFile``."""
    return [_scene(image) for image in _images(file)]


def _scene(image: Any) -> Scene:
    frames = image.frames
    # The axes of a frame may be others than rows and columns, and then it is refused by these.
    within = [str(axis) for axis in frames.frame_dims]
    leading = [str(axis) for axis in image.dims if axis not in within]
    return Scene(
        str(image.path),
        # Names of more letters belong to axes that a file has twice.
        "".join(axis[:1] for axis in (*leading, *within)),
        tuple(int(image.sizes[axis]) for axis in (*leading, *within)),
        np.dtype(image.dtype),
        len(within),
        _frame_reader(image, leading),
        _pixel_size(image),
        _channel_names(image),
    )


def _frame_reader(
    image: Any, leading: list[str]
) -> Callable[[tuple[int, ...]], NDArray[np.generic]]:
    def read(index: tuple[int, ...]) -> NDArray[np.generic]:
        frame: NDArray[np.generic] = image.frame(**dict(zip(leading, index, strict=True)))
        return frame

    return read


def _description(image: Any, path: str) -> list[Any]:
    found: list[Any] = image.xml_element.findall(f"./Data/Image/ImageDescription/{path}")
    return found


def _pixel_size(image: Any) -> PixelSize:
    stated: dict[str, tuple[Any, Any]] = {}
    for each in _description(image, "Dimensions/DimensionDescription"):
        axis, count = _DIMENSIONS.get(each.get("DimID", "")), int(each.get("NumberOfElements", 0))
        if axis is None or count < 2:
            continue
        # The length goes from the middle of the first step to that of the last.
        step, unit = abs(float(each.get("Length", 0))) / (count - 1), each.get("Unit", "")
        stated[axis] = micrometres(step) if unit == "m" else (step, unit)
    return keep_known(stated)


def _channel_names(image: Any) -> list[str]:
    channels = _description(image, "Channels/ChannelDescription")
    dyes = []
    for each in channels:
        properties = {p.findtext("Key"): p.findtext("Value") for p in each.iter("ChannelProperty")}
        dyes.append(properties.get("DyeName") or "")
    # Without dyes, the colours in which the channels are shown tell them apart.
    return dyes if all(dyes) else [each.get("LUTName", "") for each in channels]


LIF = FileFormat("LIF", (".lif",), _matches, open_lif, image_names)
