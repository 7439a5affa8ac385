"""List of the objects of the Prompt dock: what is selected, and which buttons can act."""

from types import SimpleNamespace
from typing import Any

import pytest

from napari_segany.core.prompts import Prompt
from napari_segany.plugin.prompt.object_list import ObjectList
from napari_segany.session.state import SegmentedObject

pytestmark = pytest.mark.gui


def session_of(*numbers: int) -> Any:
    """Return a stand-in for a session with objects of these numbers, none of which has a mask."""
    objects = {n: SegmentedObject(n, (None, None), Prompt([(3, n)], [1])) for n in numbers}
    return SimpleNamespace(state=SimpleNamespace(objects=objects), preview=lambda number: None)


@pytest.fixture
def shown(qtbot: Any) -> ObjectList:
    made = ObjectList()
    qtbot.addWidget(made)
    return made


def test_the_latest_object_is_selected_until_another_one_is(shown: ObjectList) -> None:
    assert not any(each.isEnabled() for each in shown.buttons)
    shown.model.show_session(session_of(1, 2, 3))
    assert shown.selected == [3]
    assert all(each.isEnabled() for each in shown.buttons)
    shown.table.selectRow(2)
    assert shown.selected == [1]
    shown.model.show_session(session_of(1, 2, 3, 4))
    assert shown.selected == [1]
    shown.model.show_session(session_of(2, 4))
    assert shown.selected == [4]
    shown.model.show_session(None)
    assert not any(each.isEnabled() for each in shown.buttons)


def test_several_selected_objects_stay_selected(shown: ObjectList) -> None:
    shown.model.show_session(session_of(*range(5)))
    shown.table.selectAll()
    shown.model.show_session(session_of(1, 2, 7))
    assert sorted(shown.selected) == [1, 2]
