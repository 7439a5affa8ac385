"""Objects chosen on the canvas: committed ones reopened, open ones made active, pixels merged."""

from typing import Any

import numpy as np
import pytest

from napari_segany.errors import InputError
from napari_segany.plugin.prompt.tools import tool_named
from napari_segany.session.state import State


def click(controller: Any, jobs: Any, *position: float) -> None:
    controller.points.add(np.array(position))
    jobs.run()


class Said:
    """The latest message and choices of a controller."""

    def __init__(self, controller: Any) -> None:
        self.text, self.severity = "", "info"
        self.choices: tuple[Any, ...] = ()
        controller.status.connect(self._on_status)
        controller.offered.connect(self._on_offered)

    def _on_status(self, text: str, severity: str = "info") -> None:
        self.text, self.severity, self.choices = text, severity, ()

    def _on_offered(self, choices: tuple[Any, ...]) -> None:
        self.choices = choices

    @property
    def offers(self) -> list[str]:
        return [choice.text for choice in self.choices]

    def choose(self, begin: str) -> None:
        next(choice for choice in self.choices if choice.text.startswith(begin)).act()


@pytest.fixture
def committed(begin: Any, jobs: Any, stack: Any) -> Any:
    """A controller with label 1 around row 10, column 20 of plane 2."""
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    jobs.run()
    return controller


def test_a_click_on_a_committed_object_offers_to_reopen_it(committed: Any, jobs: Any) -> None:
    said = Said(committed)
    click(committed, jobs, 2, 11, 21)
    assert said.text == "Label 1 is here already."
    # A plain click still begins an object.
    (begun,) = committed.session.state.open
    before: State = committed.session.state
    said.choose("Reopen label 1")
    jobs.run()
    assert list(committed.session.state.objects) == [1]
    assert committed.session.active.prompt.points.tolist() == [[10, 20]]
    assert not committed.labels.data.any()
    assert committed.points.data.tolist() == [[2, 10, 20]]
    said.choose("Undo")
    jobs.run()
    assert committed.session.state.objects.keys() == before.objects.keys()
    assert committed.session.active.id == begun.id
    assert committed.labels.data.any()


def test_further_clicks_beside_it_and_clicks_off_offer_nothing(committed: Any, jobs: Any) -> None:
    said = Said(committed)
    click(committed, jobs, 2, 30, 40)
    assert said.offers == []
    # The second click is one on the object that the first one began.
    click(committed, jobs, 2, 10, 20)
    assert said.offers == []
    with pytest.raises(InputError, match="Click on a committed object first"):
        committed.objects.reopen_clicked()


def test_the_offer_ends_with_the_next_step(committed: Any, jobs: Any) -> None:
    click(committed, jobs, 2, 11, 21)
    click(committed, jobs, 2, 12, 22)
    with pytest.raises(InputError, match="Click on a committed object first"):
        committed.objects.reopen_clicked()


def test_the_tool_select_opens_committed_objects_and_activates_open_ones(
    committed: Any, jobs: Any
) -> None:
    said = Said(committed)
    click(committed, jobs, 2, 30, 40)
    other = committed.session.active.id
    committed.objects.pick((2, 10, 20))
    jobs.run()
    assert committed.session.active.id == 1
    assert said.text == "Label 1 is open again."
    committed.objects.pick((2, 30.2, 39.8))
    assert committed.session.active.id == other
    with pytest.raises(InputError, match="No object"):
        committed.objects.pick((2, 2, 2))
    # Labels of others have no prompts that could be opened.
    committed.labels.data_setitem((np.array([2]), np.array([2]), np.array([2])), 41)
    with pytest.raises(InputError, match="Label 41 was not made by prompts of this session"):
        committed.objects.pick((2, 2, 2))


def test_a_click_with_the_tool_select_adds_no_point_and_a_drag_chooses_nothing(
    committed: Any, jobs: Any
) -> None:
    committed.select_tool(tool_named("select"))
    layer = committed.points
    (on_press,) = [each for each in layer.mouse_drag_callbacks if "_on_press" in repr(each)]

    class Event:
        type, pos, position = "mouse_press", (5.0, 5.0), (2.0, 10.0, 20.0)

    def do(*moves: Any) -> None:
        event = Event()
        gesture = on_press(layer, event)
        next(gesture)
        for pos in moves:
            event.type, event.pos = "mouse_move", pos
            next(gesture)
        event.type = "mouse_release"
        with pytest.raises(StopIteration):
            next(gesture)

    do((60.0, 60.0))
    assert not committed.session.state.open
    do()
    jobs.run()
    assert [each.id for each in committed.session.state.open] == [1]
    committed.select_tool(tool_named("+ point"))
    with pytest.raises(StopIteration):
        next(on_press(layer, Event()))


def overlapping(controller: Any, jobs: Any, *position: float) -> Said:
    """Commit an object over another one; return what was said."""
    said = Said(controller)
    click(controller, jobs, *position)
    controller.commit()
    jobs.run()
    return said


def test_pixels_of_others_are_replaced_by_one_press_and_one_undo(committed: Any, jobs: Any) -> None:
    said = overlapping(committed, jobs, 2, 12, 22)
    assert said.offers == ["Replace", "Merge into 1", "Undo"]
    kept = committed.labels.data.copy()
    said.choose("Replace")
    jobs.run()
    now = committed.labels.data
    assert (now == 2).sum() == 25
    assert (now == 1).sum() == 25 - ((kept == 1).sum() + 25 - (kept > 0).sum())
    assert committed.session.on_overlap == "keep"
    assert said.offers == ["Undo"]
    said.choose("Undo")
    jobs.run()
    assert np.array_equal(committed.labels.data, kept)


def test_an_object_is_merged_by_one_press(committed: Any, jobs: Any) -> None:
    said = overlapping(committed, jobs, 2, 12, 22)
    before = committed.labels.data.copy()
    said.choose("Merge")
    jobs.run()
    assert np.array_equal(committed.labels.data, (before > 0).astype(int))
    assert said.text == f"Label 1, {(before > 0).sum()} px now."
    table = committed.labels.features
    assert table["index"].tolist() == [1]
    assert table["area"].tolist() == [(before > 0).sum()]
    said.choose("Undo")
    jobs.run()
    assert np.array_equal(committed.labels.data, before)


def test_an_object_without_a_pixel_of_its_own_says_so_and_can_replace(
    committed: Any, jobs: Any
) -> None:
    said = overlapping(committed, jobs, 2, 10, 20)
    assert said.severity == "warning"
    assert "stays open" in said.text
    assert said.offers == ["Replace", "Merge into 1"]
    said.choose("Replace")
    jobs.run()
    assert (committed.labels.data == committed.labels.features["index"].max()).sum() == 25
    committed.undo()
    jobs.run()
    assert (committed.labels.data == 1).sum() == 25


def test_areas_in_the_table_are_the_pixels_that_were_written(committed: Any, jobs: Any) -> None:
    overlapping(committed, jobs, 2, 12, 22)
    committed.session.on_overlap = "replace"
    overlapping(committed, jobs, 2, 14, 24)
    table = committed.labels.features
    assert len(table) == 3
    for label, area in zip(table["index"], table["area"], strict=True):
        assert (committed.labels.data == label).sum() == area


def test_going_to_an_object_zooms_and_outlines_it(committed: Any, jobs: Any, viewer: Any) -> None:
    camera = viewer.scene.camera
    camera.zoom = 0.01
    committed.go_to(1)
    jobs.run()
    share = 5 * camera.zoom / min(viewer.canvas.size)
    assert share == pytest.approx(0.3)
    assert camera.center[-2:] == (10, 20)
    # An outline, which is no candidate of an open object.
    assert (committed.preview_layer.data[2] > 0).sum() == 16
    zoom = camera.zoom
    committed.go_to(1)
    assert camera.zoom == zoom
    click(committed, jobs, 2, 30, 40)
    assert not committed.preview_layer.data[2, :20].any()


def test_deleting_is_confirmed_and_undone(committed: Any, jobs: Any) -> None:
    said = Said(committed)
    committed.objects.delete([1])
    assert said.text == "Deleted 1 object."
    said.choose("Undo")
    jobs.run()
    assert committed.labels.data.any()
    click(committed, jobs, 2, 30, 40)
    committed.clear()
    assert said.text == "Deleted 1 open object."
    said.choose("Undo")
    assert len(committed.session.state.open) == 1
