"""Forms whose controls are made when they are shown."""

from dataclasses import replace
from typing import Any

import pytest
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segany.core.parameter_info import parameters_of
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.plugin.shared.accessible_names import is_focusable, name_of
from napari_segany.plugin.shared.controls import column
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.parameter_form import ParameterForm

ADVANCED = {name for name, info in parameters_of(TrackParams).items() if info.advanced}
PLAIN = set(parameters_of(TrackParams)) - ADVANCED


@pytest.fixture
def form(qtbot: Any) -> ParameterForm:
    form = ParameterForm(TrackParams(), "Advanced")
    qtbot.addWidget(form)
    return form


def test_no_control_is_made_before_it_can_be_seen(form: ParameterForm, qtbot: Any) -> None:
    assert form.made == set()
    with qtbot.waitExposed(form):
        form.show()
    assert form.made == PLAIN
    form.fold.expand()
    assert form.made == PLAIN | ADVANCED


def test_what_is_set_before_is_what_the_controls_show(form: ParameterForm) -> None:
    params = replace(TrackParams(), max_distance=12.5, size_weight=0.1 + 0.2)
    form.set_params(params)
    form.set_values({"max_gap": 3})
    assert form.params == replace(params, max_gap=3)
    assert form.made == set()
    assert form.control("max_distance").parameter == 12.5
    assert form.made == PLAIN
    assert form.controls["size_weight"].parameter == 0.1 + 0.2
    assert list(form.controls) == list(parameters_of(TrackParams))
    assert form.params == replace(params, max_gap=3)


def test_what_is_hidden_or_disabled_before_is_so_afterwards(form: ParameterForm) -> None:
    form.enable(["max_gap", "max_cost"], False)
    form.show_only(["max_gap", "max_cost"])
    controls = form.controls
    assert {name for name, each in controls.items() if not each.isHidden()} == {
        "max_gap",
        "max_cost",
    }
    assert {name for name, each in controls.items() if not each.isEnabled()} == {
        "max_gap",
        "max_cost",
    }


def test_an_edit_of_a_late_control_is_told(form: ParameterForm, qtbot: Any) -> None:
    with qtbot.waitSignal(form.changed):
        form.control("max_cost").setValue(0.25)
    assert form.params.max_cost == 0.25


def test_late_controls_are_named_and_stand_where_they_are_for_the_tab_key(qtbot: Any) -> None:
    root, form = QWidget(), ParameterForm(TrackParams(), "Advanced")
    root.setLayout(column(QPushButton("before"), Fold("Linking", form), QPushButton("after")))
    qtbot.addWidget(root)
    with qtbot.waitExposed(root):
        root.show()
    for fold in root.findChildren(Fold):
        fold.expand()
    labels = [info.label for info in parameters_of(TrackParams).values() if not info.advanced]
    labels += ["Advanced"]
    labels += [info.label for info in parameters_of(TrackParams).values() if info.advanced]
    names, widget = [], root.nextInFocusChain()
    while widget is not None and widget is not root:
        name = name_of(widget).strip("\u25be ")
        # The line in a spin box has its name.
        if is_focusable(widget) and [name] != names[-1:]:
            names.append(name)
        widget = widget.nextInFocusChain()
    assert names == ["before", "Linking", *labels, "after"]
