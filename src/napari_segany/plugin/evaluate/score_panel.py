"""Panel with the scores of a comparison; each formula is a tooltip."""

import math
from collections.abc import Iterable
from typing import Any

from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_segany.evaluation.candidate_recall import OUTCOMES
from napari_segany.evaluation.comparison import ObjectComparison
from napari_segany.evaluation.track_metrics import TRACK_TITLES, TrackScores

SCORES = {
    "msa": ("mSA", "Mean over IoU 0.5, 0.55, ... 0.95 of TP / (TP + FP + FN)"),
    "sa50": ("SA50", "TP / (TP + FP + FN) at an IoU of 0.5"),
    "f1": ("F1", "2 TP / (2 TP + FP + FN) at an IoU of 0.5"),
    "panoptic_quality": ("PQ", "Panoptic quality: sum of the IoU of matches / (TP + FP/2 + FN/2)"),
    "precision": ("Precision", "TP / (TP + FP) at an IoU of 0.5"),
    "recall": ("Recall", "TP / (TP + FN) at an IoU of 0.5"),
    "mean_iou": ("Mean IoU", "Mean over true objects of the best IoU, 0 if nothing touches one"),
    "objects": ("Objects", "Predicted ones / true ones"),
}

OF_CANDIDATES = {
    "candidate recall": (
        "Proposed",
        "Candidate recall: share of true objects with a candidate at an IoU of 0.5",
    ),
    "candidate mean IoU": ("Best IoU", "Mean over true objects of the best IoU with a candidate"),
    "proposed but lost": ("Lost", "Proposed but lost: " + OUTCOMES["lost"].partition(": ")[2]),
    "never proposed": ("Never proposed", OUTCOMES["never proposed"]),
}
"""Titles and tooltips of the scores of candidates, by their names in tables."""

OF_VOLUMES = {
    "same_label_iou": (
        "Same label",
        "Mean over true objects of the IoU with the object of the same label, 0 without one: the "
        "accuracy of objects that were propagated with their labels",
    ),
}
"""Titles and tooltips of the scores of objects through planes."""

OF_TRACKS = {
    "det": (
        "DET",
        "Detection of the Cell Tracking Challenge: missed, false and split objects",
    ),
    "seg": ("SEG", "Mean over true objects of the IoU with what covers more than half of them"),
    "tra": ("TRA", "Tracking: the errors of objects and links in one"),
    "lnk": ("LNK", "Linking: missing links, false ones, and those of the wrong kind"),
    "division_f1": ("Division F1", "2 TP / (2 TP + FP + FN) of divisions in the same frame"),
    "divisions": ("Divisions", "Found correctly / true ones / found in error"),
}
"""Titles and tooltips of the scores of tracks."""

PER_ROW = 3


class ScorePanel(QWidget):
    """Grid with the names of scores and their values below."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = grid = QGridLayout(self)
        grid.setContentsMargins(0, 4, 0, 4)
        self.headline = QLabel("")
        self.headline.setWordWrap(True)
        grid.addWidget(self.headline, 0, 0, 1, PER_ROW)
        self.values: dict[str, Any] = {}
        self._titles: dict[str, QLabel] = {}
        texts = SCORES | OF_CANDIDATES | OF_TRACKS | OF_VOLUMES
        for name, (title, tip) in texts.items():
            self._titles[name] = QLabel(title)
            value = self.values[name] = QLabel("")
            font = value.font()
            font.setBold(True)
            value.setFont(font)
            for label in (self._titles[name], value):
                label.setToolTip(tip)
        self._place(texts)
        self.unknown = QLabel("")
        self.unknown.setWordWrap(True)
        grid.addWidget(self.unknown, grid.rowCount(), 0, 1, PER_ROW)

    def _place(self, names: Iterable[str]) -> None:
        """Place scores one after the other."""
        for n, name in enumerate(names):
            for offset, label in enumerate((self._titles[name], self.values[name])):
                self._grid.addWidget(label, 1 + 2 * (n // PER_ROW) + offset, n % PER_ROW)

    def show_result(self, found: ObjectComparison) -> None:
        """Show the scores of a comparison."""
        scores = found.mean
        self.headline.setText(_headline(found))
        shown = {name: f"{getattr(scores, name):.3f}" for name in SCORES if name != "objects"}
        shown["objects"] = f"{scores.found} / {scores.truth}"
        candidates = found.candidate_means or {}
        shown |= {name: f"{value:.3f}" for name, value in candidates.items()}
        if found.same_label_iou is not None:
            shown["same_label_iou"] = f"{found.same_label_iou:.3f}"
        if found.tracks is not None:
            shown |= _of_tracks(found.tracks)
        for name, label in self.values.items():
            label.setText(shown.get(name, ""))
            for part in (self._titles[name], label):
                part.setVisible(name in shown)
        self._place(name for name in self.values if name in shown)
        self.unknown.setText("" if candidates else _why_unknown(found))
        self.unknown.setVisible(not candidates)


def _of_tracks(scores: TrackScores) -> dict[str, str]:
    """Return the scores of tracks as texts; empty where there is nothing to measure."""
    known = {name: getattr(scores, name) for name in TRACK_TITLES}
    shown = {name: "-" if math.isnan(value) else f"{value:.3f}" for name, value in known.items()}
    counts = scores.true_divisions, scores.divisions, scores.false_divisions
    return shown | {"divisions": " / ".join(map(str, counts))}


def _why_unknown(found: ObjectComparison) -> str:
    """Return the reason why candidates of the prediction are not scored."""
    if found.together and len(found.planes) > 1:
        return "Candidates lie in planes; compare every plane to see what was never proposed."
    if not found.candidates:
        return (
            "What was never proposed is not known: only labels that Make labels of the Everything "
            "dock made in this window keep their candidates."
        )
    if any(each is not None for each in found.candidates):
        return "There is no true object in the planes that were searched."
    return "What was never proposed is not known: the planes that were compared were not searched."


def _headline(found: ObjectComparison) -> str:
    if found.together and len(found.scores) == 1 and len(found.planes) > 1:
        return f"Objects through {len(found.planes)} planes:"
    if len(found.scores) > 1:
        what = "volume" if found.together else "plane"
        empty = sum(each.truth + each.found == 0 for each in found.scores)
        if empty == len(found.scores):
            return f"There is no object in any {what}:"
        left_out = f" ({empty} more have no objects)" if empty else ""
        return f"Means over {len(found.scores) - empty} {what}s{left_out}:"
    where = found.plane_text(0)
    return f"Plane {where}:" if where else "The whole image:"
