"""Choice of the level of a pyramid by the scale at which an image is wanted."""

from collections.abc import Sequence

TOLERANCE = 0.02
"""Fraction by which a level may be smaller than wanted: sides of odd length are rounded."""


def choose_level(sizes: Sequence[tuple[int, int]], scale: float) -> int:
    """Return the coarsest level that has at least the wanted resolution.

    Parameters
    ----------
    sizes : sequence of tuple
        (H, W) of each level in pixels, the full resolution first.
    scale : float
        Wanted pixels for each pixel of the full resolution along a side, above 0.

    Returns
    -------
    int
        Number of the level; 0 if none is coarse enough.

    Examples
    --------
    >>> sizes = [(8000, 6000), (4000, 3000), (1000, 750)]
    >>> choose_level(sizes, 0.3), choose_level(sizes, 0.1), choose_level(sizes, 2)
    (1, 2, 0)
    """
    fine = [
        number
        for number, size in enumerate(sizes)
        if min(n / whole for n, whole in zip(size, sizes[0], strict=True)) * (1 + TOLERANCE)
        >= scale
    ]
    return max(fine, default=0)
