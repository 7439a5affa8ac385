"""Objects through planes: the result of propagation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.rasterize import paint_sources
from napari_segany.linking.mask_geometry import mask_iou
from napari_segany.linking.propagation.doubts import confidences_to_check, planes_to_check
from napari_segany.linking.propagation.region_source import FindRegions
from napari_segany.linking.propagation.spans import PlaneAnswer, Span, SpanResult

Given = Prompt | MaskSet | None
"""A prompt on a plane, a set of one mask that is taken as it is, or None for an object that is not
there."""


@dataclass(frozen=True, eq=False)
class PropagatedObject:
    """One object through planes.

    Attributes
    ----------
    given : mapping
        The prompt, mask or None on each prompted plane, without prompts that gave no mask.
    prompted : mapping
        The object on each prompted plane on which it is.
    spans : mapping
        What was found on the planes between and beyond them, before objects were compared with
        one another.
    answers : mapping
        The object on every plane on which it was found, in the order of the planes.
    without_mask : mapping
        The prompt on each plane on which it gave no mask, although the object has one on another
        plane. The object was looked for there as on planes without a prompt.
    """

    given: Mapping[int, Given]
    prompted: Mapping[int, PlaneAnswer]
    spans: Mapping[Span, SpanResult]
    answers: Mapping[int, PlaneAnswer]
    without_mask: Mapping[int, Given] = field(default_factory=dict)

    @property
    def planes(self) -> tuple[int, ...]:
        """The planes on which it was found."""
        return tuple(self.answers)

    @property
    def ends(self) -> tuple[str, str]:
        """Why it ends before its first and after its last plane, see :class:`SpanResult`."""
        spans = sorted(self.spans, key=lambda span: -1 if span.first is None else span.first)
        return self.spans[spans[0]].end, self.spans[spans[-1]].end

    def confidences(self, planes: range) -> dict[int, float]:
        """Return the confidence by plane of a stack, see :func:`confidences_to_check`."""
        return confidences_to_check(self.answers, self.given, self.spans, planes)

    def found(self) -> dict[int, PlaneAnswer]:
        """Return the object on each plane, before it was compared with others."""
        parts = [self.prompted, *(span.answers for span in self.spans.values())]
        together = {plane: answer for part in parts for plane, answer in part.items()}
        return dict(sorted(together.items()))


@dataclass(frozen=True, eq=False)
class Propagation:
    """Objects through planes, from :func:`propagate_objects`.

    Attributes
    ----------
    planes : range
        The planes of the stack.
    shape : tuple of int
        (H, W) of a plane.
    objects : mapping
        Each object by its id.
    find_regions : callable or None
        What found the regions of the volume, so that a correction looks at no plane again.
    """

    planes: range
    shape: tuple[int, int]
    objects: Mapping[int, PropagatedObject]
    find_regions: FindRegions | None = field(default=None, repr=False)

    def paint_plane(self, plane: int) -> NDArray[np.int32]:
        """Return the (H, W) labels of a plane, with the ids of the objects.

        A pixel that several objects claim belongs to the most confident one; prompted planes are
        before all others.
        """
        here = {i: each.answers[plane] for i, each in self.objects.items() if plane in each.answers}
        labels = np.zeros(self.shape, np.int32)
        if not here:
            return labels
        masks = MaskSet.concatenate([answer.mask for answer in here.values()])
        claims = np.array([answer.confidence for answer in here.values()], np.float32)
        masks = replace(masks, predicted_iou=claims)
        # All that can be seen of an object belongs to it.
        painted, _ = paint_sources(masks, "best_on_top", min_visible=0)
        ids = np.array([0, *here], np.int32)
        labels[:] = ids[painted]
        return labels

    def to_labels(self) -> NDArray[np.int32]:
        """Return the (N, H, W) labels of all planes, with the ids of the objects."""
        return np.stack([self.paint_plane(plane) for plane in self.planes])

    def to_check(self, below: float = 0.0) -> list[tuple[float, int, int]]:
        """Return (confidence, object, plane) of planes that deserve a look, the lowest first.

        They are the three least confident planes of each object, fewer if it was found on fewer,
        and all others below a confidence. Planes behind ends are among them with a confidence of
        0.9: there the object was not found, but may be.
        """
        found = []
        for i, each in self.objects.items():
            known = each.confidences(self.planes)
            found += [(known[plane], i, plane) for plane in planes_to_check(known, below)]
        return sorted(found)

    def table(self) -> Mapping[str, NDArray[np.generic]]:
        """Return one row for each object and plane, as columns.

        They are ``label``, ``plane``, ``area`` (pixels), ``confidence``, ``predicted_iou``,
        ``overlap``, ``similarity`` and ``source``.
        """
        rows = [
            (i, plane, answer)
            for i, each in self.objects.items()
            for plane, answer in each.answers.items()
        ]
        columns: dict[str, NDArray[np.generic]] = {
            "label": np.array([i for i, _, _ in rows], np.int64),
            "plane": np.array([plane for _, plane, _ in rows], np.int64),
            "area": np.array([int(answer.mask.area[0]) for _, _, answer in rows], np.int64),
        }
        for name in ("confidence", "predicted_iou", "overlap", "similarity"):
            values = [getattr(answer, name) for _, _, answer in rows]
            columns[name] = np.array(values, np.float64)
        return columns | {"source": np.array([a.source for _, _, a in rows], np.str_)}

    def object_table(self) -> Mapping[str, NDArray[np.generic]]:
        """Return one row for each object, as columns, in the order of ids.

        They are ``label``, ``first_plane`` and ``last_plane``, ``planes`` (on which it was found),
        ``volume`` (pixels on these), and ``mean_confidence`` and ``min_confidence`` over these.
        Objects that were found on no plane are left out.
        """
        found = {i: self.objects[i].answers for i in sorted(self.objects)}
        found = {i: answers for i, answers in found.items() if answers}
        planes = [np.array(list(answers), np.int64) for answers in found.values()]
        sizes = [sum(int(a.mask.area[0]) for a in each.values()) for each in found.values()]
        sure = [np.array([a.confidence for a in each.values()], float) for each in found.values()]
        return {
            "label": np.array(list(found), np.int64),
            "first_plane": np.array([each.min() for each in planes], np.int64),
            "last_plane": np.array([each.max() for each in planes], np.int64),
            "planes": np.array([len(each) for each in planes], np.int64),
            "volume": np.array(sizes, np.int64),
            "mean_confidence": np.array([each.mean() for each in sure], np.float64),
            "min_confidence": np.array([each.min() for each in sure], np.float64),
        }

    def changed_since(self, earlier: "Propagation") -> dict[int, tuple[int, ...]]:
        """Return the planes on which each object differs from an earlier result.

        Objects without a difference are left out.
        """
        changed = {}
        for i in sorted({*self.objects, *earlier.objects}):
            both = [_masks_of(each.objects.get(i)) for each in (earlier, self)]
            planes = sorted({*both[0], *both[1]})
            differing = tuple(p for p in planes if not _same(both[0].get(p), both[1].get(p)))
            if differing:
                changed[i] = differing
        return changed


def _masks_of(each: PropagatedObject | None) -> dict[int, MaskSet]:
    return {} if each is None else {plane: a.mask for plane, a in each.answers.items()}


def _same(one: MaskSet | None, two: MaskSet | None) -> bool:
    if one is None or two is None:
        return one is two
    same_area = int(one.area[0]) == int(two.area[0])
    return one is two or (same_area and (not one.area[0] or mask_iou(one, two) == 1))


def ranges_of(planes: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending planes as ranges of first and last plane.

    Examples
    --------
    >>> ranges_of([2, 3, 4, 8])
    [(2, 4), (8, 8)]
    """
    groups = groupby(enumerate(planes), key=lambda pair: pair[1] - pair[0])
    runs = [[plane for _, plane in group] for _, group in groups]
    return [(run[0], run[-1]) for run in runs]
