"""Low-resolution logits that are not kept, because many would fill the memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RecomputedLogits:
    """Logits of some masks, computed again each time that they are read.

    Attributes
    ----------
    compute : callable
        Gives (M, m, m) float32, the same bytes every time.
    chosen : ndarray
        (N,) which of them are meant.
    """

    compute: Callable[[], NDArray[np.float32]]
    chosen: NDArray[np.intp]

    def __getitem__(self, index: NDArray[np.integer]) -> "RecomputedLogits":
        return RecomputedLogits(self.compute, self.chosen[index])

    def now(self) -> NDArray[np.float32]:
        """Compute the (N, m, m) logits."""
        return self.compute()[self.chosen]

    def __reduce__(self) -> Any:
        # Another process has the array, not the model.
        return np.asarray, (self.now(),)


Logits = NDArray[np.float32] | RecomputedLogits
"""(N, m, m) logits, kept or not."""


def join_logits(parts: Sequence[Logits | None]) -> Logits | None:
    """Join the logits of several sets, in order; none if one of them has none."""
    there = [part for part in parts if part is not None]
    if len(there) < len(parts):
        return None

    def all_of_them() -> NDArray[np.float32]:
        return np.concatenate([p.now() if isinstance(p, RecomputedLogits) else p for p in there])

    if not any(isinstance(part, RecomputedLogits) for part in there):
        return all_of_them()
    count = sum(len(p.chosen if isinstance(p, RecomputedLogits) else p) for p in there)
    return RecomputedLogits(all_of_them, np.arange(count))
