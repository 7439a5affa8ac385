"""Summaries of measured planes as tables."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.evaluation import boundary_metrics
from napari_segany.evaluation.boundary_metrics import BoundaryCounts
from napari_segany.evaluation.candidate_recall import (
    CandidateScores,
    ObjectOutcomes,
    mean_candidate_scores,
    score_candidates,
)
from napari_segany.evaluation.click_metrics import IOU_TARGETS
from napari_segany.evaluation.detection_metrics import DetectionScorer
from napari_segany.evaluation.instance_metrics import SCORE_NAMES, InstanceScores, mean_scores
from napari_segany.evaluation.run import PlaneEvaluation
from napari_segany.evaluation.track_metrics import (
    TRACK_TITLES,
    TrackScores,
    from_values,
    mean_track_scores,
)
from napari_segany.io.rle import EncodedMask
from napari_segany.io.table import safe_text

SHOWN = (1, 2, 3, 5, 9)
"""Numbers of clicks after which tables show the mean IoU."""


@dataclass
class EvaluationSummary:
    """All measurements of one model.

    Attributes
    ----------
    predictor : str
        Name of the model.
    planes, objects, asked : int
        Numbers of planes, of true objects, and of those that got clicks or boxes.
    confident, oracle : ndarray
        (N, C) IoU of each object after each click.
    boxes : ndarray
        (N,) IoU of each object from its box.
    instances : list of InstanceScores
        Scores of each plane.
    candidates : list of CandidateScores
        Scores of the candidates of each plane.
    detections : DetectionScorer
        Scored masks of all planes.
    proposals : DetectionScorer
        Scored proposals of all planes.
    boundaries : list of BoundaryCounts
        Edge counts of each plane.
    volumes : list of InstanceScores
        Scores of the volumes of each image.
    propagated : list of float
        IoU over all planes of each object that was followed from one.
    tracks : list of TrackScores
        Scores of the tracks of each movie.
    """

    predictor: str
    planes: int = 0
    objects: int = 0
    asked: int = 0
    confident: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    oracle: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    instances: list[InstanceScores] = field(default_factory=list)
    candidates: list[CandidateScores] = field(default_factory=list)
    detections: DetectionScorer = field(default_factory=DetectionScorer)
    proposals: DetectionScorer = field(default_factory=DetectionScorer)
    boundaries: list[BoundaryCounts] = field(default_factory=list)
    volumes: list[InstanceScores] = field(default_factory=list)
    propagated: list[float] = field(default_factory=list)
    tracks: list[TrackScores] = field(default_factory=list)

    def scores(self) -> dict[str, float]:
        """Return all scores by name, without those that were not measured."""
        out = self.mean_scores()
        if self.instances:
            out |= self.detections.score()
        if self.proposals.images:
            found = self.proposals.score()
            out |= {f"proposals {name}": found[name] for name in found if name.startswith("AR")}
        if self.boundaries:
            scores = asdict(boundary_metrics.score_boundaries(self.boundaries))
            spans = boundary_metrics.confidence_intervals(self.boundaries)
            for name, value in scores.items():
                out[name] = value
                if name in spans:
                    out[f"{name} from"], out[f"{name} to"] = spans[name]
        return out

    def mean_scores(self) -> dict[str, float]:
        """Return the scores that are means over objects or planes, by name."""
        out: dict[str, float] = {}
        if len(self.confident):
            for n in self.shown:
                out[f"mIoU@{n}"] = float(self.confident[:, n - 1].mean())
                out[f"oracle mIoU@{n}"] = float(self.oracle[:, n - 1].mean())
            for target in IOU_TARGETS:
                out[f"NoC@{target * 100:.0f}"] = float(np.mean(self.clicks_to(target)))
        if len(self.boxes):
            out["box mIoU"] = float(self.boxes.mean())
        if self.instances:
            mean = mean_scores(self.instances)
            out |= {name: getattr(mean, name) for name in SCORE_NAMES}
            out |= mean_candidate_scores(self.candidates)
        if self.volumes:
            whole = mean_scores(self.volumes)
            out |= {f"3-D {name}": getattr(whole, name) for name in SCORE_NAMES}
        if self.propagated:
            out["propagation IoU"] = float(np.mean(self.propagated))
        if self.tracks:
            means = mean_track_scores(self.tracks)
            out |= {TRACK_TITLES[name]: value for name, value in means.items()}
        return out

    @property
    def shown(self) -> list[int]:
        """Numbers of clicks after which the mean is shown."""
        return [n for n in SHOWN if n <= self.confident.shape[1]]

    def clicks_to(self, target: float) -> NDArray[np.int64]:
        """Return the clicks that each object takes to an IoU; all of them if never reached."""
        reached = self.confident >= target
        most = self.confident.shape[1]
        first: NDArray[np.int64] = reached.argmax(axis=1) + 1
        return np.where(reached.any(axis=1), first, most)


def summarise(measured: Iterable[PlaneEvaluation]) -> dict[str, EvaluationSummary]:
    """Combine measured planes into a summary per model."""
    rows: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    out: dict[str, EvaluationSummary] = {}
    for each in measured:
        summary = out.setdefault(each.predictor, EvaluationSummary(each.predictor))
        values, mine = each.values, rows[each.predictor]
        if "volumes" in values:
            summary.volumes.append(InstanceScores(**values["volumes"]["instances"]))
            continue
        if "propagation" in values:
            summary.propagated += [one["iou"] for one in values["propagation"]]
            continue
        if "tracks" in values:
            summary.tracks.append(from_values(values["tracks"]))
        summary.planes += values.get("frames", 1)
        summary.objects += values["objects"]
        summary.asked += values["asked"]
        for one in values.get("clicks", ()):
            mine["confident"].append(one["confident"])
            mine["oracle"].append(one["oracle"])
        mine["boxes"] += [one["iou"] for one in values.get("boxes", ())]
        if "automatic" in values:
            found = values["automatic"]
            summary.instances.append(InstanceScores(**found["instances"]))
            outcomes = ObjectOutcomes.from_values(found["outcomes"])
            summary.candidates.append(score_candidates(outcomes))
            masks, truth = ([_encoded_mask(m) for m in found[key]] for key in ("masks", "truth"))
            summary.detections.add(masks, truth)
        if "proposals" in values:
            found = values["proposals"]
            masks, truth = ([_encoded_mask(m) for m in found[key]] for key in ("masks", "truth"))
            summary.proposals.add(masks, truth)
        if "edges" in values:
            summary.boundaries.append(counts_from_values(values["edges"]))
    for predictor, mine in rows.items():
        for name in ("confident", "oracle", "boxes"):
            if mine[name]:
                setattr(out[predictor], name, np.array(mine[name], np.float64))
    return out


def counts_from_values(values: Mapping[str, Sequence[int]]) -> BoundaryCounts:
    """Build counts of edges from plain values."""
    return BoundaryCounts(**{name: np.array(numbers) for name, numbers in values.items()})


def _encoded_mask(values: Mapping[str, Any]) -> EncodedMask:
    return EncodedMask(
        (values["size"][0], values["size"][1]), *[values[k] for k in ("counts", "area", "score")]
    )


def as_text(summaries: Mapping[str, EvaluationSummary]) -> str:
    """Format a table with a column per model."""
    scores = {predictor: summary.scores() for predictor, summary in summaries.items()}
    names = list(dict.fromkeys(name for each in scores.values() for name in each))
    width = max([*(len(name) for name in names), 8])
    columns = {predictor: max(len(predictor), 8) for predictor in scores}
    head = " " * width + "".join(f"  {predictor:>{columns[predictor]}}" for predictor in scores)
    lines = [head]
    # Truth of edges has no objects.
    objects = any(summary.objects for summary in summaries.values())
    counts = ("planes", "objects", "asked") if objects else ("planes",)
    for name in counts:
        cells = [(predictor, str(getattr(summaries[predictor], name))) for predictor in scores]
        lines.append(f"{name:<{width}}" + "".join(f"  {c:>{columns[w]}}" for w, c in cells))
    for name in names:
        cells = [(predictor, _number(scores[predictor].get(name))) for predictor in scores]
        lines.append(f"{name:<{width}}" + "".join(f"  {c:>{columns[w]}}" for w, c in cells))
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4f}"


def objects_csv(measured: Iterable[PlaneEvaluation]) -> str:
    """Format a CSV table with a row per object and model: prompts, IoU, and what became of it.

    ``automatic_iou`` and ``candidate_iou`` are the best IoU with an object of the labels and with a
    candidate; ``outcome`` is one of :data:`evaluation.candidate_recall.OUTCOMES`.
    """
    file = io.StringIO()
    rows: list[dict[str, Any]] = []
    for each in measured:
        boxes = {one["label"]: one["iou"] for one in each.values.get("boxes", ())}
        clicks = {one["label"]: one for one in each.values.get("clicks", ())}
        outcomes = _outcome_cells(each.values)
        followed = {one["label"]: one["iou"] for one in each.values.get("propagation", ())}
        for label in sorted({*boxes, *clicks, *outcomes, *followed}):
            one = clicks.get(label, {})
            row: dict[str, Any] = {
                "predictor": safe_text(each.predictor),
                "image": safe_text(each.image),
                "plane": " ".join(map(str, each.plane)),
                "label": label,
            }
            for n, (confident, oracle) in enumerate(
                zip(one.get("confident", ()), one.get("oracle", ()), strict=True), start=1
            ):
                row |= {f"iou_{n}": f"{confident:.6g}", f"oracle_{n}": f"{oracle:.6g}"}
            if label in boxes:
                row["box_iou"] = f"{boxes[label]:.6g}"
            if label in followed:
                row["propagation_iou"] = f"{followed[label]:.6g}"
            rows.append(row | outcomes.get(label, {}))
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _outcome_cells(values: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """Return the cells about automatic segmentation by the label of each object."""
    columns = values.get("automatic", {}).get("outcomes")
    if columns is None:
        return {}
    numbers = zip(columns["iou"], columns["candidate_iou"], columns["outcome"], strict=True)
    return {
        label: {
            "automatic_iou": f"{found:.6g}",
            "candidate_iou": f"{proposed:.6g}",
            "outcome": outcome,
        }
        for label, (found, proposed, outcome) in zip(columns["labels"], numbers, strict=True)
    }
