"""Measurements of one plane, as plain values that JSON can hold."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.intensity import Limits
from napari_segany.core.label_images import as_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.rasterize import paint
from napari_segany.errors import InputError
from napari_segany.evaluation.binary_truth import BinaryTruth, prepare_truth
from napari_segany.evaluation.boundary_metrics import count_boundaries
from napari_segany.evaluation.candidate_recall import classify_outcomes
from napari_segany.evaluation.click_metrics import (
    OBJECTS_PER_BATCH,
    InteractiveModel,
    chunks,
    iou,
    jittered_box,
    simulate_clicks,
)
from napari_segany.evaluation.detection_metrics import encode_best, pack_objects
from napari_segany.evaluation.edge_detectors import EdgeDetector, SamEdgeDetector
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.evaluation.interactive_models import SamInteractiveModel
from napari_segany.generators.generate import generate_masks, resolve_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.io.rle import encode_masks
from napari_segany.linking.link_params import LinkParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import LabelParams
from napari_segany.zero_shot.proposals import propose

Task = Literal[
    "clicks", "boxes", "automatic", "proposals", "edges", "volumes", "propagation", "tracks"
]
TASKS: tuple[Task, ...] = get_args(Task)

FILLED = 0.3
"""Fraction of pixels inside 3 x 3 others above which boundaries are filled objects."""

EvaluatedModel = PromptableModel | InteractiveModel | EdgeDetector
"""Models that can do at least one of the tasks."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation.

    Attributes
    ----------
    tasks : tuple of str
        Tasks of :data:`TASKS`; "edges" only by itself, as its truth is boundaries and no objects,
        and "tracks", which needs no model and is done by
        :func:`evaluation.track_files.evaluate_tracks`.
    clicks : int
        Clicks at each object.
    objects : int or None
        Most objects of a plane that get clicks and boxes, a reproducible random sample; None for
        all.
    min_pixels : int
        Smaller objects get no clicks and no boxes.
    jitter : float
        Jitter of boxes as a fraction of their sides; see :func:`jittered_box`.
    params : AutomaticParams or other GeneratorParams, optional
        Parameters of automatic segmentation; by default those of
        :func:`generators.generate.usual_params` for each model.
    labels : LabelParams
        Parameters of painting masks as labels.
    binary_truth : {"tell", "components", "one", "refuse"}
        Treatment of truth that does not distinguish objects, such as a mask of 0 and 255: used as
        it is with a warning, split into connected components (any truth), used as it is, or
        refused.
    link : LinkParams, optional
        Parameters of linking for the task "volumes", which is about stacks in files.
    """

    tasks: tuple[Task, ...] = ("clicks", "boxes", "automatic")
    clicks: int = 9
    objects: int | None = None
    min_pixels: int = 1
    jitter: float = 0.0
    params: GeneratorParams | None = None
    labels: LabelParams = field(default_factory=LabelParams)
    binary_truth: BinaryTruth = "tell"
    link: LinkParams | None = None

    def __post_init__(self) -> None:
        if bad := [task for task in self.tasks if task not in TASKS]:
            raise InputError(f"tasks must be of {', '.join(TASKS)}, got {bad[0]!r}.")
        if "edges" in self.tasks and len(self.tasks) > 1:
            raise InputError("edges are measured by themselves: their truth are boundaries.")
        if "tracks" in self.tasks and len(self.tasks) > 1:
            raise InputError("tracks are measured by themselves: they are results, not models.")
        for name, least in (("clicks", 1), ("objects", 1), ("min_pixels", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise InputError(f"{name} must be a whole number from {least} on, got {value!r}.")
        if self.binary_truth not in get_args(BinaryTruth):
            known = ", ".join(get_args(BinaryTruth))
            raise InputError(f"binary_truth must be one of {known}, got {self.binary_truth!r}.")
        if not 0 <= self.jitter <= 1:
            raise InputError(f"jitter must be in 0..1, got {self.jitter!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, without linking where nothing is linked."""
        values = asdict(self)
        if self.link is None:
            del values["link"]
        else:
            values["link"] = self.link.to_dict()
        return values

    def resolved_for(self, predictor: EvaluatedModel) -> "EvaluationSettings":
        """Return the settings with the parameters that automatic segmentation has with a model.

        Those of models that find nothing by themselves stay as they are.
        """
        finds = {"automatic", "volumes"} & set(self.tasks)
        if not finds or not isinstance(predictor, PromptableModel):
            return self
        return replace(self, params=resolve_params(predictor, self.params))


class PlaneObjects(Sequence[tuple[int, NDArray[np.bool_]]]):
    """Labels and masks of some objects; masks are made on access to save memory."""

    def __init__(self, truth: NDArray[np.integer], labels: Sequence[int]) -> None:
        self.truth, self.labels = truth, labels

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, at: int) -> tuple[int, NDArray[np.bool_]]: ...

    @overload
    def __getitem__(self, at: slice) -> "PlaneObjects": ...

    def __getitem__(self, at: int | slice) -> "tuple[int, NDArray[np.bool_]] | PlaneObjects":
        if isinstance(at, slice):
            return PlaneObjects(self.truth, self.labels[at])
        return self.labels[at], self.truth == self.labels[at]


def choose_objects(
    truth: NDArray[np.integer], settings: EvaluationSettings
) -> tuple[PlaneObjects, int]:
    """Return the objects that are prompted, and the number of all objects."""
    values, counts = np.unique(truth[truth > 0], return_counts=True)
    large = values[counts >= max(settings.min_pixels, 1)]
    if settings.objects is not None and len(large) > settings.objects:
        chosen = np.random.default_rng(0).choice(len(large), settings.objects, replace=False)
        large = large[np.sort(chosen)]
    return PlaneObjects(truth, large.tolist()), len(values)


def measure_plane(
    predictor: PromptableModel | InteractiveModel,
    image: NDArray[np.generic],
    truth: NDArray[np.integer],
    settings: EvaluationSettings,
    limits: Limits | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Measure all tasks on a plane.

    Parameters
    ----------
    predictor : PromptableModel or InteractiveModel
        Model to measure; an interactive model that is no PromptableModel does clicks only.
    image : ndarray
        (H, W) or (H, W, 3).
    truth : ndarray
        (H, W) labels, 0 for background.
    settings : EvaluationSettings
        Settings of the evaluation.
    limits : tuple, optional
        Intensities that become black and white.
    should_stop : callable, optional
        Polled all the time.

    Raises
    ------
    InputError
        If image and truth do not fit, or the truth is binary and that is refused.
    Cancelled
        If ``should_stop`` returned True.
    """
    if truth.shape != image.shape[:2]:
        raise InputError(f"Truth of shape {truth.shape} is not that of an image {image.shape}.")
    truth, noticed = prepare_truth(as_ids(truth, "The truth"), settings.binary_truth)
    objects, in_all = choose_objects(truth, settings)
    out: dict[str, Any] = {"objects": in_all, "asked": len(objects), "pixels": int(truth.size)}
    if noticed:
        out["binary_truth"] = noticed
    if "clicks" in settings.tasks:
        model: InteractiveModel = (
            SamInteractiveModel(predictor, limits)
            if isinstance(predictor, PromptableModel)
            else predictor
        )
        scores = simulate_clicks(model, image, objects, settings.clicks, should_stop)
        out["clicks"] = [
            asdict(each) | {"confident": each.confident.tolist(), "oracle": each.oracle.tolist()}
            for each in scores
        ]
    if isinstance(predictor, PromptableModel):
        check(should_stop)
        if "boxes" in settings.tasks:
            out["boxes"] = _boxes(predictor, image, objects, settings, limits, should_stop)
        if "automatic" in settings.tasks:
            out["automatic"] = _automatic(predictor, image, truth, settings, limits, should_stop)
        if "proposals" in settings.tasks:
            found = propose(predictor, image, limits=limits, should_stop=should_stop)
            out["proposals"] = _ranked(*found, truth)
    return out


def measure_edges(
    predictor: PromptableModel | EdgeDetector,
    image: NDArray[np.generic],
    annotators: Sequence[NDArray[np.bool_]],
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Detect the edges of a plane and count the matched pixels.

    Parameters
    ----------
    predictor : PromptableModel or EdgeDetector
        Detector to measure.
    image : ndarray
        (H, W) or (H, W, 3).
    annotators : sequence of ndarray
        (H, W) boundaries that each of them drew.
    should_stop : callable, optional
        Polled all the time.

    Raises
    ------
    InputError
        If the boundaries are filled objects.
    Cancelled
        If ``should_stop`` returned True.
    """
    for each in annotators:
        inside = ndimage.binary_erosion(each, np.ones((3, 3), bool))
        if inside.sum() > FILLED * max(int(each.sum()), 1):
            raise InputError(
                "The truth of edges are lines where objects end, and these are filled objects; "
                "skimage.segmentation.find_boundaries makes lines of labels."
            )
    detector = SamEdgeDetector(predictor) if isinstance(predictor, PromptableModel) else predictor
    counts = count_boundaries(
        detector.edges(image, should_stop), annotators, should_stop=should_stop
    )
    values = {name: numbers.tolist() for name, numbers in asdict(counts).items()}
    return {"objects": 0, "asked": 0, "pixels": int(annotators[0].size), "edges": values}


def _boxes(
    model: PromptableModel,
    image: NDArray[np.generic],
    objects: Sequence[tuple[int, NDArray[np.bool_]]],
    settings: EvaluationSettings,
    limits: Limits | None,
    should_stop: ShouldStop | None,
) -> list[dict[str, Any]]:
    embedding, out = model.embed(image, limits=limits), []
    for part in chunks(objects, OBJECTS_PER_BATCH):
        check(should_stop)
        masks = [mask for _, mask in part]
        # Objects of one label in several images are not all off by the same.
        seeds = [zlib.crc32(np.packbits(mask).tobytes()) for mask in masks]
        boxes = [
            jittered_box(mask, settings.jitter, seed)
            for mask, seed in zip(masks, seeds, strict=True)
        ]
        found = model.predict(embedding, [Prompt(box=box) for box in boxes], low_res_logits=False)
        out += [
            {"label": label, "area": int(mask.sum()), "iou": iou(answer.mask(0), mask), "box": box}
            for (label, mask), answer, box in zip(part, found, boxes, strict=True)
        ]
    return out


def _automatic(
    model: PromptableModel,
    image: NDArray[np.generic],
    truth: NDArray[np.integer],
    settings: EvaluationSettings,
    limits: Limits | None,
    should_stop: ShouldStop | None,
) -> dict[str, Any]:
    # With the candidates beyond the thresholds; the masks and labels are those without them.
    masks = generate_masks(model, image, settings.params, limits=limits, should_stop=should_stop)
    labels, _ = paint(masks, **asdict(settings.labels))
    overlaps = ObjectOverlaps.from_labels(truth, labels)
    return {
        "instances": asdict(score_instances(overlaps)),
        "outcomes": classify_outcomes(truth, overlaps, masks.all_candidates).to_values(),
        **_ranked(masks, masks.predicted_iou, truth),
    }


def _ranked(
    masks: MaskSet, scores: NDArray[np.floating], truth: NDArray[np.integer]
) -> dict[str, Any]:
    """Encode masks with their scores, and true objects."""
    return {
        "masks": [asdict(each) for each in encode_best(masks, scores)],
        "truth": [asdict(each) for each in encode_masks(pack_objects(truth))],
    }
