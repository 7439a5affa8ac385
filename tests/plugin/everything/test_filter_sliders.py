"""The sliders of the Everything widget, without a window."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from qtpy.QtWidgets import QLabel
from tests.recipes import automatic_params

from napari_segany import AutomaticParams, ExemplarParams, MaskSet
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.presets import PRESETS
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.plugin.everything.filter_sliders import FilterSliders
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.weights.catalog import CATALOG

Search = Callable[..., tuple[MaskSet, AutomaticParams]]


@pytest.fixture
def search() -> Search:
    """Masks of some sizes up to the whole plane, found with some parameters."""

    def find(shape: tuple[int, int], **given: Any) -> tuple[MaskSet, AutomaticParams]:
        params = AutomaticParams(**given).resolved(0.88123, 0.95, 20)
        return find_with(shape, params), params

    return find


def find_with(shape: tuple[int, int], params: AutomaticParams) -> MaskSet:
    """Return masks that were found with these parameters."""
    masks = np.zeros((4, *shape), bool)
    for n, share in enumerate((0.1, 0.3, 0.6, 1.0)):
        masks[n].reshape(-1)[: int(share * masks[n].size)] = True
    every = MaskSet.from_masks(masks, [0.9, 0.95, 0.99, 1.0])
    bounds = Screen(0.80123, 0.85, params.max_area_fraction, 1.0)
    return Candidates.of(every, SparseEstimate.nothing(4), params, bounds).select()


@pytest.fixture
def sliders(qtbot: Any) -> FilterSliders:
    made = FilterSliders()
    qtbot.addWidget(made)
    return made


def test_sliders_can_be_moved_before_anything_was_found(sliders: FilterSliders) -> None:
    sliders.iou.setValue(0.5)
    assert sliders.iou.value() == 0.5


@pytest.mark.parametrize("shape", [(11, 13), (20, 20), (21, 33), (37, 50), (64, 64)])
def test_every_slider_moves_on_every_shape(
    sliders: FilterSliders, search: Search, shape: tuple[int, int]
) -> None:
    found, params = search(shape)
    sliders.begin(found, params, Filters())
    low, high = sliders.area.value()
    assert high == sliders.area.maximum() == int(0.95 * shape[0] * shape[1])
    for slider in (sliders.iou, sliders.stability, sliders.solidity):
        for value in (slider.minimum(), slider.maximum()):
            slider.setValue(value)
            sliders.filters.select_masks(found)
    sliders.area.setValue((low, high - 1))
    sliders.filters.select_masks(found)
    sliders.area.setValue((low, high))
    assert sliders.filters.max_area is None
    sliders.filters.select_masks(found)


def test_what_is_not_moved_stays_what_it_was(sliders: FilterSliders, search: Search) -> None:
    found, params = search((37, 50), min_solidity=0.12345, box_nms_thresh=0.65432)
    sliders.begin(found, params, Filters())
    assert sliders.filters == Filters()
    assert sliders.filters.search_params(params, 37 * 50) == params
    sliders.border.setChecked(True)
    assert sliders.filters == Filters(exclude_border=True)
    sliders.iou.setValue(0.9)
    assert sliders.filters == Filters(pred_iou_thresh=0.9, exclude_border=True)
    sliders.show_filters(Filters())
    assert sliders.filters == Filters()


def test_filters_from_elsewhere_are_shown_and_kept(sliders: FilterSliders, search: Search) -> None:
    found, params = search((37, 50))
    given = Filters(pred_iou_thresh=0.912345, min_area=7, overlap="best_on_top")
    sliders.begin(found, params, given)
    assert sliders.iou.value() == pytest.approx(0.912, abs=1e-3)
    assert sliders.overlap.currentData() == "best_on_top"
    assert sliders.filters == given
    sliders.show_filters(Filters())
    assert sliders.filters == Filters()
    assert sliders.overlap.currentData() == "small_on_top"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CATALOG)
def test_the_recipe_of_every_model_is_that_of_the_search(
    sliders: FilterSliders, qtbot: Any, name: str, preset: str
) -> None:
    """From the form through the search and the sliders to the recipe."""
    form, own = GeneratorForm(), CATALOG[name].defaults
    qtbot.addWidget(form)
    form.params = PRESETS[preset].params
    params = form.params.resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area)
    sliders.begin(find_with((37, 50), params), params, Filters())
    assert sliders.filters == Filters()
    assert sliders.filters.search_params(params, 37 * 50) == params


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(automatic_params())
def test_bounds_beyond_the_sliders_are_kept(
    sliders: FilterSliders, params: AutomaticParams
) -> None:
    params = params.resolved(0.88123, 0.95, 20)
    sliders.begin(find_with((37, 50), params), params, Filters())
    assert sliders.filters == Filters()
    assert sliders.filters.search_params(params, 37 * 50) == params
    sliders.border.setChecked(not params.exclude_border)
    assert sliders.filters == Filters(exclude_border=not params.exclude_border)


def test_bounds_beyond_the_candidates_are_shown(sliders: FilterSliders, search: Search) -> None:
    found, params = search((37, 50), pred_iou_thresh=1.25, min_area=10**6, min_solidity=0.12345)
    sliders.begin(found, params, Filters())
    assert sliders.iou.value() == 1.25
    assert sliders.area.value() == (10**6, 10**6)
    assert "0.12345" in sliders.solidity.toolTip()
    assert sliders.filters == Filters()
    sliders.solidity.setValue(0.5)
    assert "0.12345" not in sliders.solidity.toolTip()
    sliders.show_filters(Filters())
    largest = Filters(max_area=10**9)
    sliders.show_filters(largest)
    assert sliders.filters == largest
    found, params = search((37, 50))
    sliders.begin(found, params, Filters())
    assert sliders.iou.maximum() == 1
    assert sliders.area.maximum() == int(0.95 * 37 * 50)


def test_where_nothing_passes_the_filters_can_be_loosened(
    sliders: FilterSliders, search: Search, qtbot: Any
) -> None:
    found, params = search((60, 80))
    sliders.begin(found, params, Filters(pred_iou_thresh=1.0, min_area=4000, max_area=4001))
    sliders.show_count(3, 4)
    assert sliders.loosen_button.isHidden()
    sliders.show_count(0, 4)
    assert not sliders.loosen_button.isHidden()
    assert sliders.count.text() == "None of 4 found passes the filters."
    with qtbot.waitSignal(sliders.changed) as moved:
        sliders.loosen_button.click()
    (filters,) = moved.args
    # Of the three with the highest scores one fills the plane, which the search left out.
    assert filters.select_masks(found).predicted_iou.tolist() == pytest.approx([0.99, 0.95])


def test_a_histogram_knows_what_passes_and_where_its_slider_is(
    sliders: FilterSliders, search: Search
) -> None:
    found, params = search((60, 80))
    sliders.begin(found, params, Filters(pred_iou_thresh=0.97))
    histogram = sliders.histograms["iou"]
    assert histogram.counts.sum() == 4
    assert histogram.counts[histogram.passing].sum() == 2
    left, right = histogram.groove
    assert 0 < left < right


def test_the_stability_is_shown_where_it_tells_masks_apart(
    sliders: FilterSliders, search: Search
) -> None:
    found, params = search((40, 50))
    slider = sliders.stability.parentWidget()
    # These all have 1, as those of the finder.
    sliders.begin(found, params, Filters())
    assert slider.isHidden()
    other = found.all_candidates
    scores = np.array([0.9, 0.95, 1, 1], np.float32)
    varied = Candidates.of(
        replace(other, stability_score=scores),
        SparseEstimate.nothing(4),
        params,
        Screen(0.80123, 0.85, params.max_area_fraction, 1.0),
    ).select()
    sliders.begin(varied, params, Filters())
    assert not slider.isHidden()


def test_of_objects_like_examples_the_score_says_how_alike(
    sliders: FilterSliders, search: Search
) -> None:
    found, params = search((40, 50))
    labels = {each.text() for each in sliders.findChildren(QLabel)}
    assert "Predicted IoU" in labels
    assert "How alike" not in labels
    sliders.begin(found, ExemplarParams(), Filters())
    labels = {each.text() for each in sliders.findChildren(QLabel)}
    assert "How alike" in labels
    assert "Predicted IoU" not in labels
    sliders.begin(found, params, Filters())
    assert "Predicted IoU" in {each.text() for each in sliders.findChildren(QLabel)}
