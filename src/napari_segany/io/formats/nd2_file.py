"""ND2, the format of Nikon's NIS-Elements; read by the package nd2, frame by frame."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.formats.scenes import Scene, import_reader, open_scene, plain_errors
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.pixel_size import PixelSize, keep_known

_MAGIC = b"\xda\xce\xbe\x0a"
_LEGACY = b"\0\0\0\x0c"
"""First bytes of files before 2009, and of JPEG 2000."""

_IN_FRAME = "CYXS"
"""Axes that lie within a frame."""


def _matches(path: Path, first: bytes) -> bool:
    is_legacy = first.startswith(_LEGACY) and path.suffix.lower() == ".nd2"
    return first.startswith(_MAGIC) or is_legacy


def _file(path: Path) -> Any:
    reader = import_reader("nd2", "formats", path, "an ND2 file")
    with plain_errors(path, "ND2"):
        return reader.ND2File(path)


def open_nd2(path: Path, request: ReadRequest) -> OpenedImage:
    """Open one position of an ND2 file; see :class:`FileFormat`."""
    file = _file(path)
    try:
        with plain_errors(path, "ND2"):
            return open_scene(path, scenes_of(file), request, "an ND2", file.close)
    except BaseException:
        file.close()
        raise


def image_names(path: Path) -> list[str]:
    """Return the names of the positions; see :class:`FileFormat`."""
    with _file(path) as file, plain_errors(path, "ND2"):
        return [scene.name for scene in scenes_of(file)]


def scenes_of(file: Any) -> list[Scene]:
    """Return the positions of an open file.

    Parameters
    ----------
    file : nd2.ND2File
        Its ``sizes``, ``dtype``, ``experiment``, ``metadata`` and ``read_frame`` are used.
    """
    sizes: dict[str, int] = dict(file.sizes)
    count = sizes.get("P", 1)
    names = _position_names(file, count)
    loops = [axis for axis in sizes if axis not in _IN_FRAME]
    lengths = tuple(sizes[axis] for axis in loops)
    leading = [axis for axis in loops if axis != "P"]
    frame = [axis for axis in _IN_FRAME if axis in sizes]
    at = loops.index("P") if "P" in loops else None
    shape = tuple(sizes[axis] for axis in (*leading, *frame))
    channels = _channels(file)
    return [
        Scene(
            names[number],
            "".join((*leading, *frame)),
            shape,
            np.dtype(file.dtype),
            len(frame),
            _frame_reader(file, lengths, at, number),
            _pixel_size(file, channels),
            [each.channel.name for each in channels],
        )
        for number in range(count)
    ]


def _frame_reader(
    file: Any, lengths: tuple[int, ...], at: int | None, number: int
) -> Callable[[tuple[int, ...]], NDArray[np.generic]]:
    """Return a function that reads the frame of a position by its index along the other loops."""

    def read(index: tuple[int, ...]) -> NDArray[np.generic]:
        place = index if at is None else (*index[:at], number, *index[at:])
        frame: NDArray[np.generic] = file.read_frame(
            int(np.ravel_multi_index(place, lengths)) if lengths else 0
        )
        # A frame lies in the mapped file.
        return np.array(frame)

    return read


def _position_names(file: Any, count: int) -> list[str]:
    for loop in file.experiment:
        if loop.type == "XYPosLoop" and len(loop.parameters.points) == count:
            return [str(point.name or "") for point in loop.parameters.points]
    return [""] * count


def _channels(file: Any) -> list[Any]:
    """Return the descriptions of the channels; none if the file has none that can be read."""
    try:
        return list(file.metadata.channels or [])
    # Pixels are read without names and sizes, too.
    except Exception:
        return []


def _pixel_size(file: Any, channels: list[Any]) -> PixelSize:
    stated: dict[str, tuple[Any, Any]] = {}
    if channels:
        volume = channels[0].volume
        stated = {
            axis: (step, "um")
            for axis, step, known in zip(
                "XYZ", volume.axesCalibration, volume.axesCalibrated, strict=True
            )
            if known
        }
    for loop in file.experiment:
        if loop.type == "TimeLoop":
            difference = getattr(loop.parameters, "periodDiff", None)
            # Of an acquisition without a pause only the mean is known.
            period = loop.parameters.periodMs or getattr(difference, "avg", 0)
            stated["T"] = ((period or 0) / 1000, "s")
    return keep_known(stated)


ND2 = FileFormat("ND2", (".nd2",), _matches, open_nd2, image_names)
