"""Labels that were made of found masks, in which single objects can be replaced or taken out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.core.masks import MaskSet

Pixels = tuple[NDArray[np.integer], ...]
"""Index of pixels of a layer, an array for each axis."""


class MadeLabels:
    """A labels layer with the label of each found mask.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    ids : mapping
        For each plane the label of each candidate.
    """

    def __init__(self, layer: Any, ids: Mapping[Plane, Mapping[int, int]]) -> None:
        self.layer = layer
        self._ids = ids
        # Pixels that were taken from a candidate, by plane and candidate.
        self._taken: dict[tuple[Plane, int], Pixels] = {}

    def label_of(self, plane: Plane, candidate: int) -> int | None:
        """Return the label of a candidate, None if it is not in the labels."""
        return self._ids.get(plane, {}).get(candidate)

    def candidate_of(self, plane: Plane, label: int) -> int | None:
        """Return the candidate that has a label, None if none of the plane has it."""
        return next((n for n, own in self._ids.get(plane, {}).items() if own == label), None)

    def take_out(self, plane: Plane, candidate: int, mask: MaskSet | None = None) -> None:
        """Remove the pixels of a candidate that lie outside of one mask, or all of them.

        The layer's own undo knows of it.
        """
        label = self.label_of(plane, candidate)
        if label is None:
            return
        self.put_back(plane, candidate)
        where = np.asarray(self.layer.data[plane_slices(plane)]) == label
        if mask is not None:
            a, b, c, d = mask.boxes[0].tolist()
            where[a:c, b:d] &= ~mask.crop(0)
        index = _index(where, plane)
        self._taken[plane, candidate] = index
        self._write(index, 0)

    def replace(self, plane: Plane, candidate: int, mask: MaskSet) -> None:
        """Give a candidate the pixels of one mask that are no other object's, and only those."""
        label = self.label_of(plane, candidate)
        if label is None:
            return
        self._taken.pop((plane, candidate), None)
        data = np.asarray(self.layer.data[plane_slices(plane)])
        self._write(_index((data == label) & ~mask.mask(0), plane), 0)
        self._write(_index((data == 0) & mask.mask(0), plane), label)

    def put_back(self, plane: Plane, candidate: int) -> None:
        """Give a candidate the pixels back that were taken from it and that are still empty."""
        index = self._taken.pop((plane, candidate), None)
        label = self.label_of(plane, candidate)
        if index is None or label is None:
            return
        empty = np.asarray(self.layer.data[index]) == 0
        self._write(tuple(each[empty] for each in index), label)

    def _write(self, index: Pixels, label: int) -> None:
        if len(index[0]):
            self.layer.data_setitem(index, np.full(len(index[0]), label, self.layer.data.dtype))


def _index(where: NDArray[np.bool_], plane: Plane) -> Pixels:
    """Return the index in a stack of pixels of one of its planes."""
    rows_cols = iter(np.nonzero(where))
    count = int(np.count_nonzero(where))
    return tuple(next(rows_cols) if n is None else np.full(count, n) for n in plane)
