"""Contingency table of two label images: pixels by the pair of labels that they carry.

Counts of parts can be put together, so that neither image needs to be in memory as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.label_images import as_ids
from napari_segany.errors import InputError

FULL_TABLE = 1 << 20
"""Largest number of possible pairs of labels that are counted in one dense table."""


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """Contingency table of two label images: pixels by the pair of labels that they carry.

    Pixels that are background in both are not counted.

    Attributes
    ----------
    labels : ndarray
        (K, 2) int64, labels in truth and in what was found.
    pixels : ndarray
        (K,) int64.
    sums : ndarray
        (K, 2) float64, sums of these pixels' rows and columns.

    Examples
    --------
    >>> table = ContingencyTable.from_labels(np.array([[1, 1, 2]]), np.array([[5, 0, 5]]))
    >>> table.labels.tolist(), table.pixels.tolist()
    ([[1, 0], [1, 5], [2, 5]], [1, 1, 1])
    """

    labels: NDArray[np.int64]
    pixels: NDArray[np.int64]
    sums: NDArray[np.float64]

    @classmethod
    def from_labels(
        cls, truth: NDArray[np.integer], found: NDArray[np.integer], first_row: int = 0
    ) -> "ContingencyTable":
        """Count two label images of one shape; sums are along the last two axes.

        Parameters
        ----------
        truth, found : ndarray
            Labels, 0 is background.
        first_row : int
            The row, in a larger image, of the first one here.

        Raises
        ------
        InputError
            If the shapes differ.
        """
        if truth.shape != found.shape:
            raise InputError(
                f"Labels of shape {found.shape} cannot be compared with truth of {truth.shape}."
            )
        truth, found = as_ids(truth, "The truth"), as_ids(found)
        index = np.nonzero((truth > 0) | (found > 0))
        t, f = truth[index].astype(np.int64), found[index].astype(np.int64)
        if not len(t):
            return cls(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros((0, 2)))
        width = int(f.max()) + 1
        if (int(t.max()) + 1) * width <= FULL_TABLE:
            at, codes = t * width + f, None
            count = int(at.max()) + 1
        else:
            (t_values, t), (f_values, f) = (np.unique(x, return_inverse=True) for x in (t, f))
            width = len(f_values)
            codes, at = np.unique(t * width + f, return_inverse=True)
            count = len(codes)
        pixels = np.bincount(at, minlength=count)
        here = np.flatnonzero(pixels)
        rows, cols = (np.bincount(at, weights=x, minlength=count)[here] for x in index[-2:])
        i, j = np.divmod(here if codes is None else codes, width)
        labels = (i, j) if codes is None else (t_values[i], f_values[j])
        pixels = pixels[here].astype(np.int64)
        return cls(
            np.stack(labels, axis=1), pixels, np.stack([rows + first_row * pixels, cols], axis=1)
        )

    @classmethod
    def concatenate(cls, parts: Sequence["ContingencyTable"]) -> "ContingencyTable":
        """Concatenate the tables of parts of one image; pairs of labels may occur several times."""
        if not parts:
            return cls(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros((0, 2)))
        return cls(
            np.concatenate([each.labels for each in parts]),
            np.concatenate([each.pixels for each in parts]),
            np.concatenate([each.sums for each in parts]),
        )

    def centroids(
        self, side: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return ascending labels of one side, with their pixels and (n, 2) centroids.

        Parameters
        ----------
        side : {0, 1}
            Truth, or what was found.
        """
        ids, at = np.unique(self.labels[:, side], return_inverse=True)
        pixels = summed(at, self.pixels, len(ids))
        sums = [np.bincount(at, weights=x, minlength=len(ids)) for x in self.sums.T]
        centres = np.stack(sums, axis=1) / np.maximum(pixels, 1)[:, None]
        real = ids > 0
        return ids[real], pixels[real], centres[real]


def summed(at: NDArray[np.intp], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return exact sums of integers by position."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, at, values)
    return sums
