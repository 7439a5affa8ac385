"""Scores of a comparison beside those of the candidates, or the reason why they are missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from tests.generators.squares import spots, use_squares

from napari_segany import MaskSet
from napari_segany.evaluation.comparison import ObjectComparison, compare
from napari_segany.plugin.evaluate.score_panel import OF_CANDIDATES, ScorePanel
from napari_segany.plugin.evaluate.widget import EvaluateWidget
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.widget import EverythingWidget

pytestmark = pytest.mark.gui

TRUTH = np.zeros((2, 20, 30), np.uint8)
TRUTH[:, 2:8, 2:8], TRUTH[0, 2:8, 12:18], TRUTH[0, 12:18, 2:8] = 1, 2, 3
FOUND = np.where(TRUTH == 1, 1, 0)
PLANES = [(0, None, None), (1, None, None)]


def result(*searched: int, together: bool = False) -> ObjectComparison:
    """Compare with candidates for objects 1 and 2 in some planes."""
    masks: Mapping[Any, MaskSet] = {
        (n, None, None): MaskSet.from_masks([TRUTH[n % 2] == 1, TRUTH[n % 2] == 2][: 2 - n % 2])
        for n in searched
    }
    both = TRUTH, FOUND
    return compare(
        lambda side, plane: both[side][plane[0]], PLANES, together=together, candidates=masks
    )


def test_shares_are_means_over_planes_with_candidates() -> None:
    both = result(0, 1).candidate_means
    assert both is not None
    assert both["candidate recall"] == pytest.approx((2 / 3 + 1) / 2)
    assert both["proposed but lost"] == both["never proposed"] == pytest.approx(1 / 6)
    assert both["candidate mean IoU"] == pytest.approx((2 / 3 + 1) / 2)
    one = result(1)
    assert one.candidates[0] is None
    assert one.to_dict()["candidates"]["never proposed"] == 0
    assert "candidates" not in result().to_dict()


def test_candidates_of_another_shape_are_none_of_these_labels() -> None:
    masks = {PLANES[0]: MaskSet.empty((5, 5))}
    found = compare(lambda *_: TRUTH[0], PLANES[:1], candidates=masks)
    assert found.candidates == (None,)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (result(), "What was never proposed is not known: only labels that"),
        (result(0, 1, together=True), "Candidates lie in planes"),
        (result(7), "the planes that were compared were not searched"),
    ],
)
def test_the_panel_shows_shares_or_the_reason(
    qtbot: Any, found: ObjectComparison, reason: str
) -> None:
    panel = ScorePanel()
    qtbot.addWidget(panel)
    panel.show_result(result(0))
    assert panel.values["never proposed"].text() == "0.333"
    assert panel.unknown.isHidden()
    panel.show_result(found)
    assert reason in panel.unknown.text()
    assert not panel.unknown.isHidden()
    assert all(panel.values[name].isHidden() for name in OF_CANDIDATES)
    assert not panel.values["recall"].isHidden()


def test_labels_of_the_everything_dock_bring_their_candidates(
    qtbot: Any, tiny_model: Any, monkeypatch: Any
) -> None:
    use_squares(monkeypatch)
    viewer = ViewerModel()
    docks = everything, evaluate = EverythingWidget(viewer), EvaluateWidget(viewer)
    for each in docks:
        qtbot.addWidget(each)
    everything.model = tiny_model
    everything.image_layer = viewer.add_layer(Image(spots(), name="spots"))
    everything.find(wait=True)
    labels = everything.make_labels().data
    darkest = np.where(labels == labels[5, 6], 1, 0)
    assert darkest.any()
    everything.filter(Filters(pred_iou_thresh=0.8))
    evaluate.prediction = everything.make_labels()
    evaluate.truth = viewer.add_layer(Labels(darkest, name="truth"))
    evaluate.compare(wait=True)
    assert evaluate.score_panel.values["proposed but lost"].text() == "1.000"
    assert evaluate.score_panel.values["never proposed"].text() == "0.000"
    evaluate.prediction = viewer.add_layer(Labels(labels.copy(), name="by hand"))
    evaluate.compare(wait=True)
    assert "is not known" in evaluate.score_panel.unknown.text()
    for each in docks:
        each.end()
