"""Objects that claim the same pixels: each pixel belongs to the one whose prompted plane is nearer.

Neighbours that lie obliquely on each other are both on a plane, side by side, where a model sees
one outline. So they are not cut at a plane, but by distance in three dimensions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import diameter
from napari_segany.linking.propagation.result import PropagatedObject
from napari_segany.linking.propagation.spans import PlaneAnswer


def resolve_conflicts(
    objects: Mapping[int, PropagatedObject], most_shared: float, spacing: float | None
) -> dict[int, PropagatedObject]:
    """Return the objects without pixels that belong to others.

    A pixel of several objects belongs to the one from whose prompted masks it is nearest, in that
    object's own diameters. An object that loses more than ``most_shared`` of a plane has ended and
    follows another one: it ends there, and with it all planes beyond. Prompted planes stay as they
    are, and planes between prompted planes are never ended.

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
        claims = {i: _Claim(each, found[i], spacing or 1.0) for i, each in objects.items()}
        kept = {i: dict(answers) for i, answers in found.items()}
        for plane in sorted({plane for answers in found.values() for plane in answers}):
            here = {i: answers[plane].mask for i, answers in found.items() if plane in answers}
            for i, mask in _own_pixels(plane, here, claims):
                kept[i][plane] = replace(found[i][plane], mask=mask)
        found = {i: _up_to_ends(objects[i], found[i], kept[i], most_shared) for i in objects}
    return {i: replace(each, answers=found[i]) for i, each in objects.items()}


def _own_pixels(
    plane: int, masks: Mapping[int, MaskSet], claims: Mapping[int, "_Claim"]
) -> Iterator[tuple[int, MaskSet]]:
    """Yield the masks on a plane that lose pixels to others, without them."""
    ids = list(masks)
    together = MaskSet.concatenate([masks[i] for i in ids]) if len(ids) > 1 else None
    lost: dict[int, list[NDArray[np.intp]]] = {}
    for k, j in _touching(together.boxes) if together is not None else ():
        one, two = ids[k], ids[j]
        pixels = _shared(masks[one], masks[two])
        if not len(pixels):
            continue
        known = [i for i in (one, two) if claims[i].is_prompted(plane)]
        if known:
            near = np.full(len(pixels), known == [one])
        else:
            near = claims[one].distance(plane, pixels) <= claims[two].distance(plane, pixels)
        for loser, those in ((two, pixels[near]), (one, pixels[~near])):
            if len(those) and loser not in known:
                lost.setdefault(loser, []).append(those)
    for i, parts in lost.items():
        mask, pixels = masks[i], np.concatenate(parts) - masks[i].boxes[0, :2]
        crop = mask.crop(0).copy()
        crop[pixels[:, 0], pixels[:, 1]] = False
        top, left = mask.boxes[0, :2].tolist()
        yield i, mask.with_masks(MaskSet.from_crops(mask.shape, [crop], [(top, left)]))


def _shared(one: MaskSet, two: MaskSet) -> NDArray[np.intp]:
    """Return the (P, 2) row, column of the pixels of two sets of one mask."""
    top, left = np.maximum(one.boxes[0, :2], two.boxes[0, :2]).tolist()
    bottom, right = np.minimum(one.boxes[0, 2:], two.boxes[0, 2:]).tolist()
    crops = [
        each.crop(0)[
            top - each.boxes[0, 0] : bottom - each.boxes[0, 0],
            left - each.boxes[0, 1] : right - each.boxes[0, 1],
        ]
        for each in (one, two)
    ]
    pixels: NDArray[np.intp] = np.argwhere(crops[0] & crops[1]) + np.array([top, left])
    return pixels


class _Claim:
    """The distance of pixels from the prompted masks of an object.

    Parameters
    ----------
    each : PropagatedObject
        The object.
    answers : mapping
        What was found, by plane.
    spacing : float
        Step between planes in pixels of a plane.
    """

    def __init__(
        self, each: PropagatedObject, answers: Mapping[int, PlaneAnswer], spacing: float
    ) -> None:
        boxes = np.concatenate([answer.mask.boxes for answer in answers.values()])
        # All pixels that are asked for lie in this box.
        self._origin, self._end = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        self._prompted, self._spacing = each.prompted, spacing
        self._outside: dict[int, NDArray[np.float64]] = {}

    def is_prompted(self, plane: int) -> bool:
        """Return True if the object is prompted on a plane."""
        return plane in self._prompted

    def distance(self, plane: int, pixels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the (P,) distances of (P, 2) pixels of a plane, in diameters of the object.

        Pixels above or below a prompted mask are the nearer the further they are from its outline.
        """
        before = [p for p in self._prompted if p <= plane]
        behind = [p for p in self._prompted if p > plane]
        nearest = [*before[-1:], *behind[:1]]
        rows, cols = (pixels - self._origin).T
        found = []
        for prompted in nearest:
            outside = self._distances(prompted)[rows, cols]
            away = np.hypot(abs(plane - prompted) * self._spacing, np.maximum(outside, 0))
            size = max(1.0, diameter(self._prompted[prompted].mask))
            found.append((away + np.minimum(outside, 0)) / size)
        nearer: NDArray[np.float64] = np.min(found, axis=0)
        return nearer

    def _distances(self, prompted: int) -> NDArray[np.float64]:
        """Return signed distances from the outline of a prompted mask, negative inside."""
        if prompted not in self._outside:
            mask = self._prompted[prompted].mask
            a, b, c, d = mask.boxes[0].tolist()
            (top, left), (bottom, right) = self._origin.tolist(), self._end.tolist()
            inside = np.zeros((bottom - top + 2, right - left + 2), bool)
            inside[a - top + 1 : c - top + 1, b - left + 1 : d - left + 1] = mask.crop(0)
            signed = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(
                inside
            )
            self._outside[prompted] = signed[1:-1, 1:-1]
        return self._outside[prompted]


def _touching(boxes: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Return the pairs of (N, 4) half-open boxes that have pixels in common."""
    low, high = boxes[:, :2], boxes[:, 2:]
    shared = (np.maximum(low[:, None], low) < np.minimum(high[:, None], high)).all(axis=2)
    first, second = np.nonzero(np.triu(shared, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _up_to_ends(
    each: PropagatedObject,
    found: Mapping[int, PlaneAnswer],
    kept: Mapping[int, PlaneAnswer],
    most_shared: float,
) -> dict[int, PlaneAnswer]:
    """Return the planes that are left, up to the first on each side that has lost too much."""
    first, last = min(each.prompted), max(each.prompted)

    def ended(plane: int) -> bool:
        least = (1 - most_shared) * int(found[plane].mask.area[0])
        return int(kept[plane].mask.area[0]) < max(least, 1)

    lost = [plane for plane in found if ended(plane)]
    low = max((plane for plane in lost if plane < first), default=-1)
    high = min((plane for plane in lost if plane > last), default=max(found) + 1)
    between = {plane for plane in lost if first < plane < last and not kept[plane].mask.area[0]}
    return {p: answer for p, answer in kept.items() if low < p < high and p not in between}
