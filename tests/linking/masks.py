"""Random masks for tests."""

import numpy as np
from hypothesis import strategies as st

from napari_segany import MaskSet


def random_mask(seed: int, density: float) -> np.ndarray:
    """A mask of at least one pixel."""
    generator = np.random.default_rng(seed)
    mask = generator.random((9, 12)) < density
    mask[tuple(generator.integers(0, mask.shape))] = True
    return mask


images = st.builds(random_mask, st.integers(0, 2**32 - 1), st.floats(0, 1))


def one(mask: np.ndarray) -> MaskSet:
    return MaskSet.from_masks(mask[None])
