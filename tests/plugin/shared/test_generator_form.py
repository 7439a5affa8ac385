"""The form of the generator's parameters: what is not touched stays what it was."""

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.recipes import automatic_params

from napari_segany import AutomaticParams
from napari_segany.core.parameter_info import parameters_of
from napari_segany.generators.presets import PRESETS
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.weights.catalog import CATALOG


@pytest.fixture
def form(qtbot: Any) -> GeneratorForm:
    made = GeneratorForm()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CATALOG)
def test_every_models_own_parameters_come_back(form: GeneratorForm, name: str, preset: str) -> None:
    own, chosen = CATALOG[name].defaults, PRESETS[preset]
    for params in (
        chosen,
        chosen.resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area),
    ):
        form.params = params
        assert form.params == params
    form.params = chosen
    assert form.preset.currentText() == preset


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(automatic_params())
def test_any_parameters_come_back_and_only_what_is_moved_changes(
    form: GeneratorForm, params: AutomaticParams
) -> None:
    form.params = params
    assert form.params == params
    form.controls["min_mask_region_area"].setValue(12)
    assert form.params == dataclasses.replace(params, min_mask_region_area=12)


def test_every_parameter_has_a_control_with_its_label_and_help(form: GeneratorForm) -> None:
    assert list(form.controls) == [f.name for f in dataclasses.fields(AutomaticParams)]
    for name, info in parameters_of(AutomaticParams).items():
        control = form.controls[name]
        assert info.help.split()[0] in control.toolTip()
        form_of = control.parentWidget().layout()
        rows = form_of if info.advanced else form._form.rows
        assert rows.labelForField(control).text() == info.label


def test_controls_reach_as_far_as_the_parameters(form: GeneratorForm) -> None:
    numbers = {
        name: info
        for name, info in parameters_of(AutomaticParams).items()
        if info.kind in ("integer", "number")
    }
    for end in ("low", "high"):
        ends = {
            name: int(getattr(info, end)) if info.kind == "integer" else getattr(info, end)
            for name, info in numbers.items()
        }
        form.params = AutomaticParams(**ends)
        for name, value in ends.items():
            assert form.controls[name].value() == value
            assert form.controls[name].text().startswith(f"{value:.15g}")


def test_the_smallest_mask_can_be_left_to_the_model(form: GeneratorForm) -> None:
    smallest = form.controls["min_area"]
    assert smallest.text() == "the model's own"
    smallest.setValue(0)
    assert form.params.min_area == 0
    smallest.setValue(smallest.minimum())
    assert form.params.min_area is None


def test_points_of_ones_own_are_kept_until_a_preset_is_chosen(form: GeneratorForm) -> None:
    params = AutomaticParams(point_grids=(((0.5, 0.5),), ((0.1, 0.9),)), crop_n_layers=1)
    assert form.controls["point_grids"].text() == "none"
    form.params = params
    assert form.controls["point_grids"].text() == "as in the recipe"
    assert not form.controls["crop_n_layers"].isEnabled()
    assert not form.controls["strategy"].isEnabled()
    form.controls["points_per_batch"].setValue(7)
    assert form.params == dataclasses.replace(params, points_per_batch=7)
    form.preset.setCurrentIndex(0)
    form.preset.activated.emit(0)
    assert form.controls["crop_n_layers"].isEnabled()
    chosen = PRESETS[form.preset.currentData()]
    assert form.params == dataclasses.replace(chosen, points_per_batch=7)
