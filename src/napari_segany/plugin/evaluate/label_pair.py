"""The two label images of a comparison, read plane by plane and, if that is wanted, taken apart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import plane_slices
from napari_segany.evaluation.binary_truth import describe_binary, split_components
from napari_segany.evaluation.comparison import PlaneIndex


class LabelPair:
    """Reads planes of truth (0) and prediction (1), and notices which look binary.

    Parameters
    ----------
    truth, prediction : array
        Labels; lazy data is computed here, in the thread that compares.
    apart : frozenset of int
        Sides of which each separate part is an object.
    together : bool
        Whether objects go through planes.
    """

    def __init__(self, truth: Any, prediction: Any, apart: frozenset[int], together: bool) -> None:
        self._data: list[Any] = [truth, prediction]
        self._apart, self._together = apart, together
        self._whole: dict[int, NDArray[np.integer]] = {}
        self._ids: dict[int, set[int]] = {}
        self._seen: dict[int, str] = {}

    def __call__(self, side: int, plane: PlaneIndex) -> NDArray[np.integer]:
        """One plane."""
        if side not in self._apart:
            return np.asarray(self._data[side][plane_slices(plane)])
        if not self._together:
            return split_components(np.asarray(self._data[side][plane_slices(plane)]))
        if side not in self._whole:
            # Parts go through planes, too.
            self._whole[side] = split_components(np.asarray(self._data[side]))
        return self._whole[side][plane_slices(plane)]

    def look(self, side: int, plane: PlaneIndex) -> NDArray[np.integer]:
        """The same, and note what it looks like."""
        found = self(side, plane)
        if side not in self._apart:
            if side not in self._seen and (text := describe_binary(found)):
                self._seen[side] = text
            if self._together:
                self._ids.setdefault(side, set()).update(np.unique(found[found > 0]).tolist())
        return found

    @property
    def noticed(self) -> dict[int, str]:
        """The reasons why layers look binary, in words, by side."""
        # One object through planes may well have several parts in one of them.
        many = {side for side, ids in self._ids.items() if len(ids) > 1}
        return {side: text for side, text in sorted(self._seen.items()) if side not in many}
