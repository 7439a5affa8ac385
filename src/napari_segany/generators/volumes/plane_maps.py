"""Maps of one plane, as small as they can be kept until all planes of a volume are there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.geometry import Frame
from napari_segany.core.stored_arrays import from_stored, to_stored
from napari_segany.models.finder import CELL, ObjectMaps

NAMES = ("foreground", "contour", "interior", "centre", "log2_size")
"""Maps in the order of :attr:`PlaneMaps.values`."""

SIZES = (-4.0, 10.0)
"""Least log2 of a side in the size map, and the range of it that is kept."""


def as_maps(values: NDArray[np.float32]) -> ObjectMaps:
    """Return (5, h, w) values as maps, in a frame whose cells are those of the grid."""
    h, w = values.shape[1:]
    foreground, contour, interior, centre, log2_size = values
    frame = Frame((h, w), CELL * max(h, w))
    return ObjectMaps(frame, foreground, contour, interior, centre, log2_size)


FIRST_BYTES = b"maps of a plane\n"
"""Beginning of the bytes of a plane, by which they are told from those of candidates."""


@dataclass(frozen=True, eq=False)
class PlaneMaps:
    """The maps of all objects of one plane, on a grid of square cells.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the plane in pixels.
    step : int
        Pixels of the plane for each cell, a side. The last cells can reach beyond the plane.
    side : float
        Side of a cell in pixels of the model's frame.
    values : ndarray
        (5, h, w) uint8, see :data:`NAMES`. Probabilities are times 255.
    by_base : bool
        Whether they are of the finder that the one of the parameters was trained from.
    """

    shape: tuple[int, int]
    step: int
    side: float
    values: NDArray[np.uint8]
    by_base: bool = False

    @classmethod
    def pack(
        cls,
        shape: tuple[int, int],
        step: int,
        side: float,
        maps: ObjectMaps,
        by_base: bool = False,
    ) -> "PlaneMaps":
        """Return the maps of a plane in 8 bits."""
        size = (maps.log2_size - SIZES[0]) / SIZES[1]
        parts = [*(getattr(maps, name) for name in NAMES[:-1]), size]
        packed = [np.rint(np.clip(each, 0, 1) * 255).astype(np.uint8) for each in parts]
        return cls(shape, step, side, np.stack(packed), by_base)

    def unpack(self) -> ObjectMaps:
        """Return the maps as numbers, in a frame whose cells are those of the grid."""
        numbers = self.values.astype(np.float32) / np.float32(255)
        size = numbers[-1] * np.float32(SIZES[1]) + np.float32(SIZES[0])
        numbers[-1] = size
        return as_maps(numbers)

    def to_bytes(self) -> bytes:
        """Return the maps compressed, the same bytes every time."""
        arrays: dict[str, Any] = {
            "maps": self.values,
            "shape": np.array(self.shape),
            "step": np.array(self.step),
            "side": np.array(self.side),
        }
        if self.by_base:
            arrays["by_base"] = np.array(True)
        return FIRST_BYTES + to_stored(arrays)

    @staticmethod
    def is_of(content: bytes) -> bool:
        """Return whether bytes begin as those of :meth:`to_bytes` do."""
        return content.startswith(FIRST_BYTES)

    @classmethod
    def from_bytes(cls, content: bytes) -> "PlaneMaps":
        """Restore the maps of :meth:`to_bytes`.

        Raises
        ------
        SeganyError
            If the bytes are incomplete.
        """
        with from_stored(content.removeprefix(FIRST_BYTES)) as arrays:
            height, width = (int(n) for n in arrays["shape"])
            step, side = int(arrays["step"]), float(arrays["side"])
            by_base = "by_base" in arrays and bool(arrays["by_base"])
            return cls((height, width), step, side, arrays["maps"], by_base)
