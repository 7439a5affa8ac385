"""Label images of every type, with ids that are hard to keep."""

from typing import Any

import numpy as np

IDS = (0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1)
TYPES = ("?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "F", "U1", "O")
SHAPES = ((12, 14), (2, 12, 14), (1, 1), (12,), (0, 5), (2, 2, 6, 7), (12, 14, 3), ())


def make_labels(seed: int) -> Any:
    """One label image, the same for the same seed."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(TYPES[seed % len(TYPES)])
    shape = SHAPES[rng.choice(len(SHAPES), p=[0.4, 0.2, *[0.4 / 6] * 6])]
    ids = rng.choice(np.array([*IDS[: rng.integers(2, len(IDS) + 1)], -1, -7], object), shape)
    ids = np.asarray(ids, object)
    if dtype.kind == "O":
        return ids
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        ids = np.where((ids < info.min) | (ids > info.max), 0, ids)
    with np.errstate(all="ignore"):
        labels = ids.astype(dtype)
    if dtype.kind == "f" and labels.size and rng.random() < 0.5:
        labels.flat[0] = [np.nan, np.inf, 1.5][rng.integers(3)]
    return labels
