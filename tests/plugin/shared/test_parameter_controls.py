"""Controls of single parameters: exact values, honest texts."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QLocale, Qt
from tests.recipes import label_params

from napari_segany import AutomaticParams, LabelParams, TextParams
from napari_segany.core.parameter_info import parameters_of
from napari_segany.plugin.shared.parameter_controls import NumberControl, make_control
from napari_segany.plugin.shared.parameter_form import ParameterForm

SOLIDITY = parameters_of(AutomaticParams)["min_solidity"]
IOU = parameters_of(AutomaticParams)["pred_iou_thresh"]
OBJECT = parameters_of(LabelParams)["min_area"]


@pytest.fixture
def control(qtbot: Any) -> NumberControl:
    made = NumberControl(SOLIDITY)
    qtbot.addWidget(made)
    return made


def leave(control: NumberControl) -> None:
    """Read the text again, as a spin box does when it loses the focus."""
    control.interpretText()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.5, "0.5"),
        (0.8765, "0.8765"),
        (0.123456, "0.123456"),
        (1e-05, "0.00001"),
        (1 / 3, "≈ 0.3333"),
        (1e-9, "≈ 1e-09"),
        (0.1234567, "≈ 0.1235"),
    ],
)
def test_numbers_are_exact_and_texts_say_when_they_are_rounded(
    control: NumberControl, value: float, text: str
) -> None:
    control.set_parameter(value)
    assert control.text() == text
    leave(control)
    assert control.parameter == value
    assert (str(value) in control.toolTip()) == text.startswith("≈")
    control.setValue(0.25)
    assert (control.parameter, control.text()) == (0.25, "0.25")
    assert "Exactly" not in control.toolTip()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_any_number_is_kept_after_any_other(control: NumberControl, values: list[float]) -> None:
    for value in values:
        control.set_parameter(value)
        leave(control)
        assert control.parameter == value
        assert float(control.text().removeprefix("≈ ")) == pytest.approx(value, rel=1e-3)


def test_typing_replaces_the_exact_number(control: NumberControl, qtbot: Any) -> None:
    control.set_parameter(1 / 3)
    edited: list[float] = []
    control.edited.connect(lambda: edited.append(control.parameter))
    control.selectAll()
    qtbot.keyClicks(control, "0.62")
    qtbot.keyClick(control, Qt.Key.Key_Return)
    assert control.parameter == 0.62
    assert edited[-1] == 0.62
    control.set_parameter(1 / 3)
    assert control.parameter == 1 / 3
    assert edited[-1] == 0.62, "showing a value is no edit"


@pytest.mark.parametrize(
    ("exact", "typed", "text"),
    [(1e-9, 0.0, "0"), (1 - 1e-9, 1.0, "1"), (1 / 3, 0.333333, "0.333333")],
)
def test_the_rounded_number_can_be_typed(
    control: NumberControl, qtbot: Any, exact: float, typed: float, text: str
) -> None:
    control.set_parameter(exact)
    control.selectAll()
    with qtbot.waitSignal(control.edited):
        qtbot.keyClicks(control, text)
        qtbot.keyClick(control, Qt.Key.Key_Return)
    assert (control.parameter, control.text()) == (typed, text)
    assert "Exactly" not in control.toolTip()


def test_the_same_position_shows_the_text_of_the_new_value(control: NumberControl) -> None:
    control.set_parameter(0.5)
    control.set_parameter(0.5 + 1e-9)
    assert control.text() == "≈ 0.5"
    control.set_parameter(0.5)
    assert control.text() == "0.5"


def test_numbers_in_other_notations(control: NumberControl) -> None:
    control.setLocale(QLocale(QLocale.Language.German))
    for value, text in ((0.25, "0,25"), (1 / 3, "≈ 0.3333"), (1.0, "1")):
        control.set_parameter(value)
        assert control.text() == text
        leave(control)
        assert control.parameter == value


def test_none_has_a_text_and_steps_lead_away_from_it(qtbot: Any) -> None:
    control = NumberControl(IOU)
    qtbot.addWidget(control)
    control.set_parameter(None)
    assert control.text() == "auto"
    assert "auto: the model's own." in control.toolTip()
    leave(control)
    assert control.parameter is None
    control.stepUp()
    assert (control.parameter, control.text()) == (0.0, "0")
    control.stepUp()
    assert control.parameter == 0.05
    control.stepBy(-5)
    assert control.parameter is None
    control.set_parameter(0.0)
    assert (control.parameter, control.text()) == (0.0, "0")


@pytest.mark.parametrize("value", [0, 7, 2**31, 2**53 + 1, 2**70])
def test_numbers_of_pixels_have_no_end(qtbot: Any, value: int) -> None:
    control = NumberControl(OBJECT)
    qtbot.addWidget(control)
    control.set_parameter(value)
    assert control.text() == f"{value} px"
    leave(control)
    assert control.parameter == value
    assert isinstance(control.parameter, int)


@pytest.mark.parametrize("cls", [AutomaticParams, LabelParams])
def test_every_kind_has_a_control(qtbot: Any, cls: type) -> None:
    for name, info in parameters_of(cls).items():
        control = make_control(info)
        qtbot.addWidget(control)
        control.set_parameter(getattr(cls(), name))
        assert control.parameter == getattr(cls(), name)


def test_flags_and_choices_say_when_they_are_edited(qtbot: Any) -> None:
    for info, value in (
        (parameters_of(AutomaticParams)["exclude_border"], True),
        (parameters_of(AutomaticParams)["nms"], "box"),
    ):
        control: Any = make_control(info)
        qtbot.addWidget(control)
        with qtbot.assertNotEmitted(control.edited):
            control.set_parameter(value)
        assert control.parameter == value
        with qtbot.waitSignal(control.edited):
            if info.kind == "flag":
                control.click()
            else:
                control.setCurrentIndex(0)
        assert control.parameter != value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(label_params())
def test_any_label_parameters_come_back(qtbot: Any, params: LabelParams) -> None:
    form = ParameterForm(LabelParams(), "Advanced")
    form.set_params(params)
    assert form.params == params
    form.controls["fill_holes"].setValue(5)
    assert form.params.fill_holes == 5
    assert form.params.min_area == params.min_area


def test_a_line_holds_phrases_with_semicolons_between(qtbot: Any) -> None:
    control = make_control(parameters_of(TextParams)["text"])
    qtbot.addWidget(control)
    assert control.parameter == ()
    control.set_parameter(("beaver tooth", "wheel"))
    assert control.text() == "beaver tooth; wheel"
    heard: list[bool] = []
    control.edited.connect(lambda: heard.append(True))
    control.clear()
    qtbot.keyClicks(control, " traffic   light;;wheel; wheel")
    assert control.parameter == ("traffic light", "wheel")
    assert heard


def test_a_line_holds_a_name_or_nothing(qtbot: Any) -> None:
    control = make_control(parameters_of(TextParams)["text_model"])
    qtbot.addWidget(control)
    assert control.parameter is None
    control.set_parameter("owlv2_base")
    assert control.parameter == "owlv2_base"
    control.set_parameter(None)
    assert (control.parameter, control.text()) == (None, "")
