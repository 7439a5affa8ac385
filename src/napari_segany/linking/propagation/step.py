"""One step of propagation: objects asked for on the next plane, and their best candidates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.linking.mask_geometry import diameter, shift_masks
from napari_segany.linking.propagation.appearance import Appearance, PlaneView
from napari_segany.linking.propagation.compare import (
    Overlap,
    compare_shapes,
    interior_point,
    sample_inside,
)
from napari_segany.linking.propagation.motion import Velocity, predict_mask, search_by_looks
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.pixel_matching import KnownPixels, match_pixels
from napari_segany.linking.propagation.presence import presence
from napari_segany.linking.propagation.prompts import doubtful_prompts, first_prompts
from napari_segany.models.protocol import EmbeddedCrop, PromptableModel


@dataclass(frozen=True, eq=False)
class Expectation:
    """An object as it is expected on the next plane.

    Attributes
    ----------
    mask : MaskSet
        One mask, of the last plane on which it was found; smaller if it is expected to be.
    appearance : Appearance
        Its looks on the prompted plane.
    prompted_area : int
        Its pixels on the prompted plane.
    velocity : tuple of float, optional
        Its motion, if that is predicted.
    distance : int
        Planes since it was found.
    area : float, optional
        Its pixels on the next plane, if that is known.
    known : tuple of KnownPixels
        Its pixels and those around on planes on which it was found.
    """

    mask: MaskSet
    appearance: Appearance
    prompted_area: int
    velocity: Velocity | None = None
    distance: int = 1
    area: float | None = None
    known: tuple[KnownPixels, ...] = ()


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate mask with what speaks for it.

    Attributes
    ----------
    mask : MaskSet
        One mask.
    predicted_iou : float
        The model's own estimate.
    overlap : Overlap
        With the mask before; while candidates are chosen, with the pixels that match.
    similarity : float
        Its likeness to the object on the prompted plane, 0..1.
    growth : float
        Its area in areas of the object on the prompted plane.
    area_fit : float, optional
        Its area and the area that is expected, the smaller as part of the larger; 0..1.
    level : float
        Its mean brightness, see :meth:`Appearance.level`; of the candidate that is chosen.
    """

    mask: MaskSet
    predicted_iou: float
    overlap: Overlap
    similarity: float
    growth: float = 1.0
    area_fit: float | None = None
    level: float = 1.0

    @property
    def confidence(self) -> float:
        """Weighted geometric mean of score, overlap and similarity, 0..1.

        Overlap counts half, since objects shrink and grow: with full weight, masks too large would
        be kept where an object is about to end. Where the area is known that is expected, overlap
        is with a mask of that area and counts in full, and the area counts half.
        """
        score = min(max(self.predicted_iou, 0.0), 1.0)
        iou = self.overlap.iou
        if self.area_fit is not None:
            return float((score * iou * self.similarity * self.area_fit**0.5) ** (1 / 3.5))
        return float((score * iou**0.5 * self.similarity) ** (1 / 2.5))


def find_end(judged: Judged, params: PropagationParams, distance: int) -> str:
    """Return why an object ends with a candidate; empty if it goes on.

    Limits on the change from plane to plane are wider if planes between are missing.

    Returns
    -------
    str
        "area", "score", "overlap", "growth", "similarity" or "".
    """
    ratio = max(judged.overlap.area_ratio, 1e-9)
    if judged.mask.area[0] < params.min_pixels:
        return "area"
    if judged.predicted_iou < params.min_score:
        return "score"
    if judged.overlap.iou < params.min_overlap**distance:
        return "overlap"
    if max(ratio, 1 / ratio) > params.max_area_change**distance:
        return "area"
    if judged.growth > params.max_growth:
        return "growth"
    return "similarity" if judged.similarity < params.min_similarity else ""


def choose(
    judged: Sequence[Judged], params: PropagationParams, distance: int
) -> tuple[Judged, str]:
    """Return the most confident candidate, of those with which the object goes on if there are any.

    Otherwise of those that are only unlike it, which may be a wall.

    Returns
    -------
    judged : Judged
        The candidate.
    end : str
        See :func:`find_end`.
    """
    ends = [find_end(each, params, distance) for each in judged]
    order = {"": 0, "similarity": 1}
    best = min(range(len(judged)), key=lambda i: (order.get(ends[i], 2), -judged[i].confidence, i))
    return judged[best], ends[best]


@dataclass(frozen=True, eq=False)
class PlaneQuestion:
    """A plane and the model that is asked about it.

    Attributes
    ----------
    model : PromptableModel
        The model.
    view : PlaneView
        The plane.
    params : PropagationParams
        Limits and margins.
    spacing : float, optional
        Step between planes in pixels of a plane.
    should_stop : callable, optional
        Polled between prompts, and between objects whose pixels or candidates are compared.
    """

    model: PromptableModel
    view: PlaneView
    params: PropagationParams
    spacing: float | None = None
    should_stop: ShouldStop | None = None

    def ask(self, expected: Sequence[Expectation]) -> list[tuple[Judged, str]]:
        """Return the best candidate of each object on the plane, and why the object ends there.

        All objects are asked together, and once more those whose best candidate is doubtful.
        Candidates are compared with the pixels that match the object, where they are known; the
        overlap of the best one is reported with the mask before, so that a change of the shape
        shows in its confidence.
        """
        prepared = self.model.prepare(self.view.embedding)
        masks = [predict_mask(each.mask, each.velocity, each.distance) for each in expected]
        matched = []
        for asked, mask in zip(expected, masks, strict=True):
            check(self.should_stop)
            matched.append(match_pixels(mask, asked.known, self.view, prepared))
        likely = [mask if one is None else one for one, mask in zip(matched, masks, strict=True)]
        prompts = [[each] for each in self._first(expected, masks)]
        pools = self._predict(prompts)
        best = self._choose(prepared, expected, likely, pools)
        doubtful = [
            i
            for i, (judged, end) in enumerate(best)
            if end or judged.confidence < self.params.ask_again
        ]
        if doubtful:
            some = [expected[i] for i in doubtful]
            their = [likely[i] for i in doubtful]
            more = self._predict(
                [self._again(prepared, expected[i], masks[i], matched[i]) for i in doubtful]
            )
            wider = [
                MaskSet.concatenate([pools[i], found])
                for i, found in zip(doubtful, more, strict=True)
            ]
            for i, each in zip(doubtful, self._choose(prepared, some, their, wider), strict=True):
                best[i] = each
        for i, (judged, end) in enumerate(best):
            if matched[i] is not None:
                best[i] = self._with_overlap(expected[i], masks[i], judged), end
        return [
            (self._with_level(each, judged), end or self._find_absence(each, judged))
            for each, (judged, end) in zip(expected, best, strict=True)
        ]

    def judge(
        self, expected: Sequence[Expectation], found: Sequence[MaskSet]
    ) -> list[tuple[Judged, str]]:
        """Judge candidates that the model gave without being asked, as :meth:`ask` does.

        Parameters
        ----------
        expected : sequence of Expectation
            The objects.
        found : sequence of MaskSet
            At least one candidate of each.
        """
        prepared = self.model.prepare(self.view.embedding)
        masks = [predict_mask(each.mask, each.velocity, each.distance) for each in expected]
        best = self._choose(prepared, expected, masks, found)
        return [
            (self._with_level(each, judged), end)
            for each, (judged, end) in zip(expected, best, strict=True)
        ]

    def _with_overlap(self, expected: Expectation, mask: MaskSet, judged: Judged) -> Judged:
        """Return a candidate with its overlap with the mask before."""
        most = self.params.max_shift * diameter(mask) * expected.distance
        return replace(judged, overlap=compare_shapes(mask, judged.mask, most)[0])

    def _with_level(self, expected: Expectation, judged: Judged) -> Judged:
        """Return a candidate with its mean brightness, by which walls are told."""
        return replace(judged, level=expected.appearance.level(judged.mask, self.view))

    def _find_absence(self, expected: Expectation, judged: Judged) -> str:
        """Return "presence" if an object is probably not on the plane, else an empty text.

        Where the area is known that is expected, the place of its end is, too.
        """
        if not self.params.min_presence or expected.area is not None:
            return ""
        contrast = expected.appearance.relative_step(judged.mask, self.view)
        there = presence(judged.predicted_iou, judged.similarity, contrast)
        return "presence" if there < self.params.min_presence else ""

    def _spacing(self, expected: Expectation) -> float | None:
        return None if self.spacing is None else self.spacing * expected.distance

    def _first(self, expected: Sequence[Expectation], masks: Sequence[MaskSet]) -> list[Prompt]:
        inside = np.array([interior_point(mask) for mask in masks])
        return first_prompts(
            masks,
            inside,
            [np.delete(inside, i, axis=0) for i in range(len(masks))],
            [self._spacing(each) for each in expected],
            self.params,
        )

    def _again(
        self,
        prepared: EmbeddedCrop,
        expected: Expectation,
        mask: MaskSet,
        matched: MaskSet | None,
    ) -> list[Prompt]:
        spacing = self._spacing(expected)
        prompts = doubtful_prompts(mask, self.params.margin, spacing)
        if matched is not None:
            prompts += doubtful_prompts(matched, self.params.margin, spacing)
        if expected.velocity is not None:
            reach = max(self.params.max_shift, 0.1) * expected.distance
            shift = search_by_looks(mask, expected.appearance, prepared, reach)
            moved = shift_masks(mask, shift)
            if shift != (0, 0) and moved.area[0]:
                prompts += doubtful_prompts(moved, self.params.margin, spacing)
        return prompts

    def _predict(self, prompts: Sequence[Sequence[Prompt]]) -> list[MaskSet]:
        """Return the candidates of several prompts for each object, as one set."""
        found = iter(
            self.model.predict(
                self.view.embedding,
                [prompt for some in prompts for prompt in some],
                multimask="both",
                low_res_logits=False,
                should_stop=self.should_stop,
            )
        )
        return [MaskSet.concatenate([next(found) for _ in some]) for some in prompts]

    def _choose(
        self,
        prepared: EmbeddedCrop,
        expected: Sequence[Expectation],
        masks: Sequence[MaskSet],
        pools: Sequence[MaskSet],
    ) -> list[tuple[Judged, str]]:
        """Judge all candidates and choose one an object; the embedding is read once for all."""
        places = [sample_inside(mask) for pool in pools for mask in pool]
        features = prepared.features_at(np.concatenate(places))
        parts = iter(np.split(features, np.cumsum([len(each) for each in places])[:-1]))
        best = []
        for each, mask, pool in zip(expected, masks, pools, strict=True):
            check(self.should_stop)
            most = self.params.max_shift * diameter(mask) * each.distance
            judged = []
            for one, overlap in zip(pool, compare_shapes(mask, pool, most), strict=True):
                own = next(parts)
                similarity = each.appearance.similarity(one, own, self.view) if one.area[0] else 0.0
                area, score = int(one.area[0]), float(one.predicted_iou[0])
                fit = None if each.area is None else min(area / each.area, each.area / max(area, 1))
                growth = area / each.prompted_area
                judged.append(Judged(one, score, overlap, similarity, growth, fit))
            best.append(choose(judged, self.params, each.distance))
        return best
