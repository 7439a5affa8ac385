import dataclasses
import json
from math import inf
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from napari_segany.core.parameter_info import ParameterInfo, parameters_of
from napari_segany.errors import InputError
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.recipe import LabelParams

PARAMETERS = [
    pytest.param(cls, name, info, id=f"{cls.__name__}.{name}")
    for cls in (AutomaticParams, LabelParams)
    for name, info in parameters_of(cls).items()
]
NUMBERS = [each for each in PARAMETERS if each.values[2].kind in ("integer", "number")]
WHOLE = [each for each in NUMBERS if each.values[2].kind == "integer"]


def test_the_references_names_and_defaults() -> None:
    params = AutomaticParams().resolved(0.88, 0.95, 0)
    assert dataclasses.asdict(params) == {
        "strategy": "grid",
        "points_per_side": 32,
        "points_per_batch": 64,
        "pred_iou_thresh": 0.88,
        "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0,
        "box_nms_thresh": 0.7,
        "crop_n_layers": 0,
        "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500,
        "crop_n_points_downscale_factor": 1,
        "point_grids": None,
        "min_mask_region_area": 0,
        "nms": "mask",
        "min_area": 0,
        "max_area_fraction": 0.95,
        "min_solidity": 0.0,
        "exclude_border": False,
        "steering_pred_iou": 0.88,
        "steering_stability": 0.95,
    }


@pytest.mark.parametrize("cls", [AutomaticParams, LabelParams])
def test_every_field_is_described_and_in_the_docstring(cls: type) -> None:
    assert list(parameters_of(cls)) == [f.name for f in dataclasses.fields(cls)]
    for name, info in parameters_of(cls).items():
        assert f"\n{name} : " in cls.__doc__
        assert info.help.split()[0] in cls.__doc__


@pytest.mark.parametrize(("cls", "name", "info"), PARAMETERS)
def test_descriptions_are_complete(cls: type, name: str, info: ParameterInfo) -> None:
    assert info.label[0].isupper()
    assert len(info.label) <= 20
    assert info.help[0].isupper()
    assert info.help.endswith(".")
    assert len(info.help) < 260
    kind = get_type_hints(cls)[name]
    assert (type(None) in get_args(kind)) == bool(info.unset or info.kind == "structure")
    if info.kind == "choice":
        assert info.values == get_args(kind)


@pytest.mark.parametrize(("cls", "name", "info"), NUMBERS)
def test_values_out_of_range_name_their_parameter(cls: Any, name: str, info: ParameterInfo) -> None:
    limits = ", 0 or more" if info.high == inf else rf" in {info.low:g}\.\.\S+"
    message = rf"^{name} must be a {'whole ' * (info.kind == 'integer')}number{limits}, got "
    step = 1 if info.kind == "integer" else 1e-6
    out = [info.low - step, float("nan"), float("inf"), "12", True, [1], 1j]
    for value in [*out, info.high + step]:
        with pytest.raises(InputError, match=message):
            cls(**{name: value})
    if not info.unset:
        with pytest.raises(InputError, match=f"^{name} must be"):
            cls(**{name: None})


@pytest.mark.parametrize(("cls", "name", "info"), NUMBERS)
def test_both_ends_of_a_range_are_accepted(cls: Any, name: str, info: ParameterInfo) -> None:
    for value in (info.low, min(info.high, 2**70)):
        grids = {"point_grids": ((),) * (int(value) + 1)} if name == "crop_n_layers" else {}
        number = int(value) if info.kind == "integer" else value
        assert getattr(cls(**{name: number}, **grids), name) == value


@pytest.mark.parametrize(("cls", "name", "info"), WHOLE)
def test_whole_numbers_are_whole(cls: Any, name: str, info: ParameterInfo) -> None:
    with pytest.raises(InputError, match=rf"^{name} must be a whole number"):
        cls(**{name: info.low + 0.5})


@pytest.mark.parametrize(("cls", "name", "info"), PARAMETERS)
def test_flags_and_choices_take_no_other_values(cls: Any, name: str, info: ParameterInfo) -> None:
    if info.kind in ("flag", "choice"):
        for value in (None, 1, "soft", [1]):
            with pytest.raises(InputError, match=rf"^{name} must be .*, got "):
                cls(**{name: value})


def test_numbers_of_numpy_are_taken_and_can_be_stored() -> None:
    params = AutomaticParams(points_per_side=np.int64(8), pred_iou_thresh=np.float32(0.5))  # type: ignore[arg-type]
    assert params == AutomaticParams(points_per_side=8, pred_iou_thresh=0.5)
    assert AutomaticParams.from_dict(json.loads(json.dumps(params.to_dict()))) == params


def test_unknown_kinds_of_suppression_are_told() -> None:
    with pytest.raises(InputError, match="nms must be 'mask' or 'box', got 'soft'"):
        AutomaticParams(nms="soft")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grids", "layers", "message"),
    [
        ((), 0, "one grid for the plane .* got 0"),
        ((((0.5, 0.5),),), 1, "each of the 1 crop layers, got 1"),
        ((((0.5, 1.5),),), 0, "unit square"),
        ((((float("nan"), 0.5),),), 0, "unit square"),
        ((((0.5,),),), 0, r"\(row, column\) pairs"),
        (((0.5, 0.5),), 0, r"\(row, column\) pairs"),
        (5, 0, r"\(row, column\) pairs"),
    ],
)
def test_wrong_point_grids_are_told(grids: Any, layers: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        AutomaticParams(point_grids=grids, crop_n_layers=layers)


def test_point_grids_may_be_lists_or_arrays() -> None:
    wanted = (((0.25, 0.5),), ((0.0, 1.0), (1.0, 0.0)))
    for grids in (
        [[[0.25, 0.5]], [[0, 1], [1, 0]]],
        [np.array([[0.25, 0.5]]), np.eye(2)[::-1]],
    ):
        params = AutomaticParams(point_grids=grids, crop_n_layers=1)  # type: ignore[arg-type]
        assert params.point_grids == wanted
        assert hash(params) == hash(dataclasses.replace(params))


def test_only_what_was_left_open_comes_from_the_model() -> None:
    own = AutomaticParams(min_area=7, pred_iou_thresh=0).resolved(0.6, 0.65, 100)
    assert (own.pred_iou_thresh, own.stability_score_thresh, own.min_area) == (0, 0.65, 7)
    assert own.resolved(0.1, 0.1, 1) == own


def test_a_threshold_of_zero_switches_a_filter_off() -> None:
    off = AutomaticParams(pred_iou_thresh=0, stability_score_thresh=0)
    assert off.pred_iou_floor == off.stability_floor == float("-inf")
    on = AutomaticParams(pred_iou_thresh=0.5, stability_score_thresh=0.6)
    assert (on.pred_iou_floor, on.stability_floor) == (0.5, 0.6)


def test_the_references_filters() -> None:
    params = AutomaticParams(points_per_side=8, min_area=50, max_area_fraction=0.5).as_reference()
    assert params == AutomaticParams(
        points_per_side=8, min_area=0, max_area_fraction=1.0, nms="box"
    )


def test_dictionaries_there_and_back() -> None:
    params = AutomaticParams(
        points_per_side=5, crop_n_layers=1, point_grids=(((0.5, 0.5),), ()), nms="box"
    )
    assert AutomaticParams.from_dict(json.loads(json.dumps(params.to_dict()))) == params
    with pytest.raises(InputError, match="Unknown automatic parameters: a, point_per_side"):
        AutomaticParams.from_dict({"point_per_side": 3, "a": 1, "nms": "box"})


def test_parameters_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        AutomaticParams().nms = "box"  # type: ignore[misc]


def test_point_grids_may_be_any_iterables() -> None:
    params = AutomaticParams(point_grids=(iter(((r, r),)) for r in (0.5,)))  # type: ignore[arg-type]
    assert params.point_grids == (((0.5, 0.5),),)
