"""Objects that claim the same pixels: the one nearer to its prompted plane keeps them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import diameter
from napari_segany.linking.propagation.result import PropagatedObject
from napari_segany.linking.propagation.spans import PlaneAnswer

Distance = Callable[[int, int], float]
"""Distance of an object's plane from its nearest prompted plane, in diameters of the object."""


def resolve_conflicts(
    objects: Mapping[int, PropagatedObject], most_shared: float, spacing: float | None
) -> dict[int, PropagatedObject]:
    """Return the objects without the planes on which they have run into another object.

    Where two objects share more than ``most_shared`` of the smaller one, one of them has ended and
    follows the other. It is the one that is further from its nearest prompted plane, in its own
    diameters there. It ends at that plane, and with it all planes beyond. Prompted planes and
    planes between prompted planes stay.

    Parameters
    ----------
    objects : mapping
        The objects by id, as they were found.
    most_shared : float
        0..1; with 1 nothing is changed.
    spacing : float, optional
        Step between planes in pixels of a plane; 1 if it is not known.
    """
    found = {i: each.found() for i, each in objects.items()}
    if most_shared < 1:

        def distance(i: int, plane: int) -> float:
            each = objects[i]
            nearest = min(each.prompted, key=lambda prompted: (abs(plane - prompted), prompted))
            size = max(1.0, diameter(each.prompted[nearest].mask))
            return abs(plane - nearest) * (spacing or 1.0) / size

        # The surest winners first, so that an object that has lost takes nothing from others.
        for _, plane, loser, winner in sorted(_conflicts(objects, most_shared, distance)):
            if plane in found[loser] and plane in found[winner]:
                _cut(found[loser], objects[loser], plane)
    return {i: replace(each, answers=found[i]) for i, each in objects.items()}


def _conflicts(
    objects: Mapping[int, PropagatedObject], most_shared: float, distance: Distance
) -> Iterator[tuple[float, int, int, int]]:
    """Yield distance of the winner, plane, loser and winner of each pair that shares too much."""
    by_plane: dict[int, list[tuple[int, MaskSet]]] = {}
    for i, each in objects.items():
        for plane, answer in each.found().items():
            by_plane.setdefault(plane, []).append((i, answer.mask))
    for plane, here in by_plane.items():
        masks = MaskSet.concatenate([mask for _, mask in here])
        for k, j in _touching(masks.boxes):
            smaller = max(1, int(min(masks.area[k], masks.area[j])))
            if masks.shared_pixels(k, j) <= most_shared * smaller:
                continue
            one, two = here[k][0], here[j][0]
            (near, winner), (_, loser) = sorted((distance(i, plane), i) for i in (one, two))
            if _may_lose(objects[loser], plane):
                yield near, plane, loser, winner


def _touching(boxes: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Return the pairs of (N, 4) half-open boxes that have pixels in common."""
    low, high = boxes[:, :2], boxes[:, 2:]
    shared = (np.maximum(low[:, None], low) < np.minimum(high[:, None], high)).all(axis=2)
    first, second = np.nonzero(np.triu(shared, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _may_lose(each: PropagatedObject, plane: int) -> bool:
    return plane < min(each.prompted) or plane > max(each.prompted)


def _cut(answers: dict[int, PlaneAnswer], each: PropagatedObject, plane: int) -> None:
    """Remove a plane and all beyond it, away from the prompted planes."""
    before = plane < min(each.prompted)
    for other in [p for p in answers if (p <= plane if before else p >= plane)]:
        del answers[other]
