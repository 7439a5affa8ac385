"""Recipes through forms: what is not touched stays what it was."""

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.recipes import automatic_params

from napari_segany import AutomaticParams
from napari_segany.generators.parameters import RANGES
from napari_segany.generators.presets import PRESETS
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.weights.catalog import CATALOG


@pytest.fixture
def form(qtbot: Any) -> GeneratorForm:
    made = GeneratorForm()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("name", CATALOG)
def test_every_models_own_parameters_come_back(form: GeneratorForm, name: str) -> None:
    own = CATALOG[name].defaults
    for params in (
        AutomaticParams(),
        AutomaticParams().resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area),
    ):
        form.params = params
        assert form.params == params


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(automatic_params())
def test_any_parameters_come_back_and_only_what_is_moved_changes(
    form: GeneratorForm, params: AutomaticParams
) -> None:
    form.params = params
    assert form.params == params
    form.min_region.setValue(12)
    assert form.params == dataclasses.replace(params, min_mask_region_area=12)


def test_controls_reach_as_far_as_the_parameters(form: GeneratorForm) -> None:
    for end in (1, 2):
        ends = {
            name: RANGES[name][end] if RANGES[name][0] == "number" else int(RANGES[name][end])
            for name in (*form._spins, *form.fractions)
        }
        form.params = AutomaticParams(**ends)
        for name, spin in form._spins.items():
            assert spin.value() == ends[name]
        for name, box in form.fractions.items():
            assert box.value() == ends[name]


def test_the_smallest_mask_can_be_left_to_the_model(form: GeneratorForm) -> None:
    assert form.min_mask.text() == "the model's own"
    form.min_mask.setValue(0)
    assert form.params.min_area == 0
    form.min_mask.setValue(form.min_mask.minimum())
    assert form.params.min_area is None


def test_points_of_ones_own_are_kept_until_a_preset_is_chosen(form: GeneratorForm) -> None:
    params = AutomaticParams(point_grids=(((0.5, 0.5),), ((0.1, 0.9),)), crop_n_layers=1)
    form.params = params
    assert not form.crop_n_layers.isEnabled()
    assert not form.strategy.isEnabled()
    form.points_per_batch.setValue(7)
    assert form.params == dataclasses.replace(params, points_per_batch=7)
    form.preset.setCurrentIndex(0)
    form.preset.activated.emit(0)
    assert form.crop_n_layers.isEnabled()
    chosen = PRESETS[form.preset.currentData()]
    assert form.params == dataclasses.replace(chosen, points_per_batch=7)
