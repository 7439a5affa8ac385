"""Other searches that are offered where one found nothing."""

import numpy as np
import pytest

from napari_segany import AutomaticParams, FinderParams, MaskSet
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.presets import PRESETS
from napari_segany.generators.text_params import TextParams
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.plugin.everything import suggestions
from napari_segany.plugin.everything.suggestions import frame_side, suggest

FINDER = FinderParams(finder="5a" * 32, pred_iou_thresh=0.5, min_area=10)
TEXT = TextParams(text=("a cell",))
GRID = AutomaticParams().resolved(0.88, 0.95, 0)


def nothing_passes(side: int, params: FilterRules) -> MaskSet:
    """Return no mask of a plane of 512 x 512, with 20 square candidates that are not kept."""
    masks = np.zeros((20, 512, 512), bool)
    for n in range(20 if side else 0):
        masks[n, 24 * n : 24 * n + side, :side] = True
    every = MaskSet.from_masks(masks[: 20 if side else 0], [0.45] * (20 if side else 0))
    bounds = Screen(0.4, 0.0, 1.0, 1.0)
    made = Candidates.of(every, SparseEstimate.nothing(len(every)), params, bounds).select()
    assert not len(made)
    return made


@pytest.mark.parametrize(
    ("side", "params", "finder_fits", "preset", "reason"),
    [
        (0, FINDER, True, "organelles or EM", "The finder sees no object;"),
        (20, FINDER, True, "organelles or EM", "The finder is unsure of all 20 regions;"),
        (9, GRID, True, "nuclei or cells", "Objects are 18 px wide in the frame;"),
        (9, GRID, False, "everything in detail", "Objects are 18 px wide in the frame;"),
        (20, GRID, False, "everything in detail", "prompts more points"),
        (0, TEXT, True, "nuclei or cells", "Nothing fits the phrases;"),
        (0, TEXT, False, "everything in detail", "Nothing fits the phrases;"),
    ],
)
def test_another_preset_has_a_reason(
    side: int, params: FilterRules, finder_fits: bool, preset: str, reason: str
) -> None:
    (offer,) = suggest(nothing_passes(side, params), params, "tiny", finder_fits, {"tiny": ""})
    assert (offer.preset, offer.model) == (preset, "")
    assert reason in offer.reason
    assert preset in offer.title
    assert preset in PRESETS


def test_nothing_is_offered_where_all_was_tried() -> None:
    detail = PRESETS["everything in detail"].params
    assert isinstance(detail, AutomaticParams)
    params = detail.resolved(0.88, 0.95, 0)
    assert suggest(nothing_passes(20, params), params, "tiny", False, {}) == []


def test_another_model_is_offered_the_one_with_a_finder_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suggestions, "named_finder", lambda name: name == "b" or None)
    installed = {"tiny": "a small one", "a": "the first", "b": "the second"}
    found = nothing_passes(20, GRID)
    offers = suggest(found, GRID, "tiny", False, installed)
    assert [each.model for each in offers] == ["", "b"]
    assert "a finder fits b, and none fits tiny" in offers[1].reason
    assert offers[1].title == "Search with b"
    offers = suggest(found, GRID, "b", False, installed)
    assert [each.model for each in offers] == ["", "tiny"]
    assert "a small one" in offers[1].reason


def test_the_size_of_objects_in_the_frame() -> None:
    assert frame_side(nothing_passes(20, GRID)) == 40
    assert frame_side(nothing_passes(0, GRID)) == 0
