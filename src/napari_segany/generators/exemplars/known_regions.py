"""Regions of the last planes that were searched by examples, so that a further example is quick.

They depend on the plane, the model and the finder, and not on the examples. A person adds examples
and negatives in turn, and each changes only how the same regions are rated. Where objects are
small, finding them takes many times as long as rating them.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.pixel_hash import hash_pixels
from napari_segany.models.protocol import PromptableModel

MOST_PLANES = 4
"""Planes whose regions are kept."""

MOST_REGIONS = 20_000
"""Regions of a plane above which they are not kept, as they take too much memory."""

Key = tuple[str | bytes, ...]


class KnownRegions:
    """Regions of a few planes; the least recently used plane is forgotten first.

    Methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, MaskSet] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def forget(self) -> None:
        """Forget all planes."""
        with self._lock:
            self._kept.clear()

    def get(self, key: Key, find: Callable[[], MaskSet]) -> MaskSet:
        """Return the regions of a key, found by ``find`` where they are not known.

        What ``find`` raises is raised, and nothing is kept. Two threads that ask for the same
        plane at once both find them, to the same bytes.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = find()
        if len(found) <= MOST_REGIONS:
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > MOST_PLANES:
                    self._kept.popitem(last=False)
        return found


def key_of(
    model: PromptableModel,
    finder: str,
    plane: NDArray[np.uint8],
    region: NDArray[np.bool_] | None,
) -> Key:
    """Return what the regions of a plane depend on.

    Parameters
    ----------
    model : PromptableModel
        The model.
    finder : str
        SHA-256 of the finder.
    plane : ndarray
        (H, W, 3) uint8.
    region : ndarray, optional
        (H, W) boolean, the part of the plane that is searched.
    """
    computed = (model.id, model.weights.sha256, str(model.precision), str(model.device))
    return (*computed, finder, hash_pixels(plane), b"" if region is None else hash_pixels(region))
