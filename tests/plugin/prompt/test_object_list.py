"""List of the objects of the Prompt dock: what is selected, and which buttons can act."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.plugin.windows import until

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.plugin.prompt.object_list import COLUMNS, PLANE, ObjectList
from napari_segany.session.state import SegmentedObject

pytestmark = pytest.mark.gui


def session_of(*numbers: int, plane: Plane = (None, None)) -> Any:
    """Return a stand-in for a session with objects of these numbers, none of which has a mask."""
    objects = {n: SegmentedObject(n, plane, Prompt([(3, n)], [1])) for n in numbers}
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
    shown.model.show_session(session_of(1, 2, 3, 4))
    assert shown.selected == [4]
    shown.model.show_session(session_of(1, 2, 3))
    assert shown.selected == [3]
    shown.table.selectRow(2)
    assert shown.selected == [1]
    shown.model.show_session(session_of(1, 2, 3, 4))
    assert shown.selected == [1]
    shown.model.show_session(session_of(2, 4))
    assert shown.selected == [4]
    shown.model.show_session(None)
    assert not any(each.isEnabled() for each in shown.buttons)


def test_parts_of_an_object_stand_together_in_the_order_of_planes(shown: ObjectList) -> None:
    def part(number: int, plane: int, part_of: int | None = None) -> SegmentedObject:
        return SegmentedObject(number, (plane, None, None), Prompt([(3, 3)], [1]), part_of=part_of)

    parts = [part(1, 10), part(2, 6), part(3, 12, 1), part(4, 9, 1), part(5, 7, 2), part(6, 11, 1)]
    session: Any = session_of()
    session.state.objects = {each.id: each for each in parts}
    shown.model.show_session(session)
    where = [(each.whole, each.plane[0]) for each in shown.model.rows]
    assert where == [(1, 9), (1, 10), (1, 11), (1, 12), (2, 6), (2, 7)]


def test_several_selected_objects_stay_selected(shown: ObjectList) -> None:
    shown.model.show_session(session_of(*range(5)))
    shown.table.selectAll()
    shown.model.show_session(session_of(1, 2, 7))
    assert sorted(shown.selected) == [1, 2]


@pytest.mark.parametrize("plane", [(None, None), (3, None, None)], ids=["plane", "stack"])
def test_the_heading_of_prompts_is_not_cut_beside_a_scroll_bar(
    shown: ObjectList, qtbot: Any, plane: Plane
) -> None:
    shown.resize(246, 220)
    shown.show()
    shown.model.show_session(session_of(*range(30), plane=plane))
    assert shown.table.isColumnHidden(PLANE) == (len(plane) == 2)
    until(qtbot, lambda: shown.table.verticalScrollBar().isVisible())
    header = shown.table.horizontalHeader()
    until(qtbot, lambda: header.length() <= shown.table.viewport().width(), 5_000)
    for section, name in enumerate(COLUMNS):
        if not shown.table.isColumnHidden(section):
            text = header.fontMetrics().horizontalAdvance(name)
            assert header.sectionSize(section) >= text + 2, name


def test_scores_are_not_shown_above_one(shown: ObjectList) -> None:
    mask = MaskSet.from_masks(np.ones((1, 5, 5), bool), np.array([1.02]), np.array([1.0]))
    session = session_of(1)
    session.preview = lambda number: mask
    shown.model.show_session(session)
    role = Qt.ItemDataRole.DisplayRole
    texts = [shown.model.data(shown.model.index(0, n), role) for n in range(len(COLUMNS))]
    assert texts[2:5] == ["1.00", "1.00", "25"]


def test_the_latest_object_stays_selected_once_it_was_clicked(shown: ObjectList) -> None:
    shown.model.show_session(session_of(1, 2))
    shown.table.pressed.emit(shown.model.index(0, 0))
    shown.model.show_session(session_of(1, 2, 3))
    assert shown.selected == [2]
