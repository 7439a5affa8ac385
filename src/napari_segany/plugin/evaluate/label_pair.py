"""Truth and prediction of a comparison, read plane by plane, with connected parts on request."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import plane_slices
from napari_segany.evaluation.binary_truth import describe_binary, split_components
from napari_segany.evaluation.comparison import PlaneIndex

TRUTH, PREDICTION = 0, 1
"""Roles of the two label images."""


class LabelPair:
    """Reader of truth and prediction, which also detects binary masks.

    Parameters
    ----------
    truth, prediction : array
        Labels; lazy data is computed here, in the thread that compares.
    separated : frozenset of int
        Roles of images in which each connected part is an object.
    together : bool
        True if objects extend through planes.
    """

    def __init__(
        self, truth: Any, prediction: Any, separated: frozenset[int], together: bool
    ) -> None:
        self._data: list[Any] = [truth, prediction]
        self._separated, self._together = separated, together
        self._whole: dict[int, NDArray[np.integer]] = {}
        self._ids: dict[int, set[int]] = {}
        self._reasons: dict[int, str] = {}

    def __call__(self, role: int, plane: PlaneIndex) -> NDArray[np.integer]:
        """Return the labels of a plane."""
        if role not in self._separated:
            return np.asarray(self._data[role][plane_slices(plane)])
        if not self._together:
            return split_components(np.asarray(self._data[role][plane_slices(plane)]))
        if role not in self._whole:
            # Connected parts extend through planes, too.
            self._whole[role] = split_components(np.asarray(self._data[role]))
        return self._whole[role][plane_slices(plane)]

    def read_and_inspect(self, role: int, plane: PlaneIndex) -> NDArray[np.integer]:
        """Return the labels of a plane, and note if they look binary."""
        found = self(role, plane)
        if role not in self._separated:
            if role not in self._reasons and (text := describe_binary(found)):
                self._reasons[role] = text
            if self._together:
                self._ids.setdefault(role, set()).update(np.unique(found[found > 0]).tolist())
        return found

    @property
    def binary(self) -> dict[int, str]:
        """For each image that looks binary the reason, by role."""
        # One object through planes may have several parts in one of them.
        many = {role for role, ids in self._ids.items() if len(ids) > 1}
        return {role: text for role, text in sorted(self._reasons.items()) if role not in many}
