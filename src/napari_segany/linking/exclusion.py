"""Groups of candidates of which at most one can be an object."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def exclusive_groups(pairs: NDArray[np.integer]) -> Iterator[list[int]]:
    """Yield groups that cover all pairs; any two of a group exclude each other.

    A group says more than its pairs do: with one constraint for each, a solver that may choose
    fractions is left with hardly any.

    Parameters
    ----------
    pairs : ndarray
        (K, 2) candidates that exclude each other.

    Examples
    --------
    >>> list(exclusive_groups(np.array([[0, 1], [0, 2], [1, 2], [2, 3]])))
    [[0, 1, 2], [2, 3]]
    """
    near: dict[int, set[int]] = {}
    for i, j in pairs.tolist():
        near.setdefault(i, set()).add(j)
        near.setdefault(j, set()).add(i)
    covered: set[tuple[int, int]] = set()
    for i, j in sorted((min(pair), max(pair)) for pair in pairs.tolist()):
        if (i, j) in covered:
            continue
        group, able = [i, j], near[i] & near[j]
        while able:
            # The one with the most of the others beside it; the first of equals.
            best = min(able, key=lambda k: (-len(near[k] & able), k))
            group.append(best)
            able &= near[best]
        group.sort()
        covered.update((a, b) for n, a in enumerate(group) for b in group[n + 1 :])
        yield group
