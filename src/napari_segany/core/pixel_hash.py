"""Hashes of pixels, by which a plane that was seen before is known again in one process."""

import numpy as np
import xxhash
from numpy.typing import NDArray


def hash_pixels(image: NDArray[np.uint8] | NDArray[np.bool_]) -> bytes:
    """Return a hash of the shape and values of a plane, or of a mask of it.

    Parameters
    ----------
    image : ndarray
        (H, W, 3) uint8 or (H, W) boolean. The channels of a gray plane that are one in memory are
        read once.
    """
    found = xxhash.xxh3_128(repr(image.shape).encode())
    seen = image[..., :1] if image.strides[-1] == 0 else image
    found.update(str(seen.shape[-1]).encode())
    found.update(np.ascontiguousarray(seen).view(np.uint8).data)
    return found.digest()
