"""From what was measured on planes to tables."""

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
from napari_segany.evaluation.click_metrics import TARGETS
from napari_segany.evaluation.detection_metrics import Detections
from napari_segany.evaluation.instance_metrics import NAMES, InstanceScores, mean_scores
from napari_segany.evaluation.run import Measured
from napari_segany.io.rle import Coded
from napari_segany.io.table import safe_text

SHOWN = (1, 2, 3, 5, 9)
"""Clicks after which tables show the mean IoU."""


@dataclass
class Summary:
    """Everything measured for one predictor.

    Attributes
    ----------
    who : str
        The predictor.
    planes, objects, asked : int
        Planes, true objects in them, and those that were clicked at or boxed.
    confident, oracle : ndarray
        (N, C) IoU of each object after each click.
    boxes : ndarray
        (N,) IoU of each object from its box.
    instances : list of InstanceScores
        Of each plane.
    detections : Detections
        Of all planes.
    proposals : Detections
        The same of proposals.
    boundaries : list of BoundaryCounts
        Of the edges of each plane.
    """

    who: str
    planes: int = 0
    objects: int = 0
    asked: int = 0
    confident: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    oracle: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    instances: list[InstanceScores] = field(default_factory=list)
    detections: Detections = field(default_factory=Detections)
    proposals: Detections = field(default_factory=Detections)
    boundaries: list[BoundaryCounts] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """All scores by name; those that were not measured are left out."""
        out: dict[str, float] = {}
        if len(self.confident):
            for n in self.shown:
                out[f"mIoU@{n}"] = float(self.confident[:, n - 1].mean())
                out[f"oracle mIoU@{n}"] = float(self.oracle[:, n - 1].mean())
            for target in TARGETS:
                out[f"NoC@{target * 100:.0f}"] = float(np.mean(self.clicks_to(target)))
        if len(self.boxes):
            out["box mIoU"] = float(self.boxes.mean())
        if self.instances:
            mean = mean_scores(self.instances)
            out |= {name: getattr(mean, name) for name in NAMES}
            out |= self.detections.score()
        if self.proposals.images:
            found = self.proposals.score()
            out |= {f"proposals {name}": found[name] for name in found if name.startswith("AR")}
        if self.boundaries:
            scores = asdict(boundary_metrics.score(self.boundaries))
            spans = boundary_metrics.intervals(self.boundaries)
            for name, value in scores.items():
                out[name] = value
                if name in spans:
                    out[f"{name} from"], out[f"{name} to"] = spans[name]
        return out

    @property
    def shown(self) -> list[int]:
        """Clicks after which the mean is told."""
        return [n for n in SHOWN if n <= self.confident.shape[1]]

    def clicks_to(self, target: float) -> NDArray[np.int64]:
        """Clicks that each object takes to an IoU; all of them if it never gets there."""
        reached = self.confident >= target
        most = self.confident.shape[1]
        first: NDArray[np.int64] = reached.argmax(axis=1) + 1
        return np.where(reached.any(axis=1), first, most)


def summarise(measured: Iterable[Measured]) -> dict[str, Summary]:
    """Put planes together, a summary a predictor."""
    rows: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    out: dict[str, Summary] = {}
    for each in measured:
        summary = out.setdefault(each.who, Summary(each.who))
        values, mine = each.values, rows[each.who]
        summary.planes += 1
        summary.objects += values["objects"]
        summary.asked += values["asked"]
        for one in values.get("clicks", ()):
            mine["confident"].append(one["confident"])
            mine["oracle"].append(one["oracle"])
        mine["boxes"] += [one["iou"] for one in values.get("boxes", ())]
        if "automatic" in values:
            found = values["automatic"]
            summary.instances.append(InstanceScores(**found["instances"]))
            masks, truth = ([_coded(m) for m in found[key]] for key in ("masks", "truth"))
            summary.detections.add(masks, truth)
        if "proposals" in values:
            found = values["proposals"]
            masks, truth = ([_coded(m) for m in found[key]] for key in ("masks", "truth"))
            summary.proposals.add(masks, truth)
        if "edges" in values:
            summary.boundaries.append(as_counts(values["edges"]))
    for who, mine in rows.items():
        for name in ("confident", "oracle", "boxes"):
            if mine[name]:
                setattr(out[who], name, np.array(mine[name], np.float64))
    return out


def as_counts(values: Mapping[str, Sequence[int]]) -> BoundaryCounts:
    """Counts of edges from plain values."""
    return BoundaryCounts(**{name: np.array(numbers) for name, numbers in values.items()})


def _coded(values: Mapping[str, Any]) -> Coded:
    return Coded(
        (values["size"][0], values["size"][1]), *[values[k] for k in ("counts", "area", "score")]
    )


def as_text(summaries: Mapping[str, Summary]) -> str:
    """A table with a column a predictor."""
    figures = {who: summary.figures() for who, summary in summaries.items()}
    names = list(dict.fromkeys(name for each in figures.values() for name in each))
    width = max([*(len(name) for name in names), 8])
    columns = {who: max(len(who), 8) for who in figures}
    head = " " * width + "".join(f"  {who:>{columns[who]}}" for who in figures)
    lines = [head]
    # Truth of edges has no objects.
    objects = any(summary.objects for summary in summaries.values())
    counts = ("planes", "objects", "asked") if objects else ("planes",)
    for name in counts:
        cells = [(who, str(getattr(summaries[who], name))) for who in figures]
        lines.append(f"{name:<{width}}" + "".join(f"  {c:>{columns[w]}}" for w, c in cells))
    for name in names:
        cells = [(who, _number(figures[who].get(name))) for who in figures]
        lines.append(f"{name:<{width}}" + "".join(f"  {c:>{columns[w]}}" for w, c in cells))
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4f}"


def objects_csv(measured: Iterable[Measured]) -> str:
    """A row an object and predictor: where it was asked, and how good the answers were."""
    file = io.StringIO()
    rows: list[dict[str, Any]] = []
    for each in measured:
        boxes = {one["label"]: one["iou"] for one in each.values.get("boxes", ())}
        clicks = {one["label"]: one for one in each.values.get("clicks", ())}
        for label in sorted({*boxes, *clicks}):
            one = clicks.get(label, {})
            row: dict[str, Any] = {
                "predictor": safe_text(each.who),
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
            rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
