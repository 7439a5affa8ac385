"""Controls for following an object through planes: buttons, strip and limits."""

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from tests.finders import write_tiny_finder
from tests.linking.propagation.bright import balls
from tests.linking.propagation.remembering import RememberingModel
from tests.plugin.windows import needs_a_display

from napari_segany.errors import Cancelled
from napari_segany.plugin.prompt.confidence_strip import ConfidenceStrip, colour_of
from napari_segany.plugin.prompt.through_panel import ThroughPanel
from napari_segany.plugin.shared.message_line import MessageLine

pytestmark = [pytest.mark.gui, needs_a_display]

VOLUME, _ = balls((20, 40, 50), (9, 18, 20, 7))
TWO, _ = balls((20, 40, 50), (9, 12, 12, 7), (10, 28, 36, 6))


@pytest.fixture
def model() -> Any:
    return RememberingModel()


@pytest.fixture
def make_panel(begin: Any, jobs: Any, qtbot: Any) -> Any:
    """Makes the panel of a session on an image, with the object on plane 9 prompted."""

    def make(data: Any, *position: float, **image: Any) -> tuple[ThroughPanel, Any]:
        controller = begin(data, **image)
        through = controller.host.through
        panel = ThroughPanel(through, MessageLine(), through.start)
        controller.changed.connect(panel.show_state)
        qtbot.addWidget(panel.section)
        panel.resize(400, 200)
        for axis, n in enumerate(position[:-2]):
            controller.viewer.dims.set_current_step(axis, int(n))
        controller.points.add(np.array(position, float))
        jobs.run()
        return panel, controller

    return make


def test_the_section_is_for_stacks(make_panel: Any) -> None:
    panel, _ = make_panel(VOLUME[9], 18, 20)
    assert panel.section.isHidden()
    panel, _ = make_panel(VOLUME, 9, 18, 20)
    assert not panel.section.isHidden()
    assert panel.axis.isHidden()
    assert panel.strip.isHidden()
    assert not panel.buttons["Not here"].isEnabled()


def test_following_an_object_opens_the_section_once(make_panel: Any, jobs: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    assert not panel.section.isExpanded()
    controller.host.through.start()
    jobs.run()
    assert panel.section.isExpanded()
    panel.section.collapse(animate=False)
    panel.show_state()
    assert not panel.section.isExpanded()


def test_limits_that_a_method_does_not_read_are_hidden(make_panel: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    through, limits = controller.host.through, panel.limits

    def hidden() -> set[str]:
        labels = {name for name, label in limits.labels.items() if label.isHidden()}
        assert labels == {name for name, each in limits.controls.items() if each.isHidden()}
        return labels

    of_regions = {"finder", "smoothing", "outline", "min_fit"}
    assert hidden() == of_regions
    limits.controls["margin"].set_parameter(0.25)
    limits.controls["method"].set_parameter("memory")
    limits.changed.emit()
    assert hidden() == {"margin", "ask_again", "neighbour_points"} | of_regions
    assert (through.params.method, through.params.margin) == ("memory", 0.25)
    limits.controls["method"].set_parameter("regions")
    limits.changed.emit()
    assert hidden() == {"predict_motion"}
    limits.controls["method"].set_parameter("prompts")
    limits.changed.emit()
    assert hidden() == of_regions


def test_finders_of_regions_are_those_that_fit_the_model(
    make_panel: Any, cache: Any, tiny_model: Any
) -> None:
    """A file of another encoder is refused in a sentence, and the choice stays."""
    file = write_tiny_finder(cache / "finders" / "mine.safetensors", tiny_model)
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    panel.limits.controls["method"].set_parameter("regions")
    panel.limits.changed.emit()
    finder = panel.limits.controls["finder"]
    # The model of this session has an encoder that no finder reads.
    assert [finder.itemText(n) for n in range(finder.count())] == ["Built in", "Choose file…"]
    finder.choose_file(file.path)
    assert "choose that model first" in panel.message.text()
    assert controller.host.through.params.finder is None
    finder.follow_model(tiny_model)
    finder.choose_file(file.path)
    assert controller.host.through.params.finder == file.sha256


def test_buttons_follow_show_and_leave_out(make_panel: Any, jobs: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    panel.buttons["Through planes"].click()
    assert panel.line.text().endswith("following it ...")
    jobs.run()
    count = len(controller.host.through.answers)
    assert panel.line.text() == f"Object 1: on {count} of 20 planes"
    assert not panel.strip.isHidden()
    controller.viewer.dims.set_current_step(0, 12)
    panel.buttons["Not here"].click()
    jobs.run()
    assert controller.host.through.absent == {12}
    assert len(controller.host.through.answers) < count


def test_a_click_on_the_strip_goes_there(make_panel: Any, jobs: Any, qtbot: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    controller.host.through.start()
    jobs.run()
    panel.section.expand()
    strip = panel.strip
    strip.resize(400, 34)
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(7 * 20 + 3, 10))
    assert controller.plane == (7, None, None)
    assert controller.host.through.shown == 7
    assert strip.describe(7).startswith("Plane 7: confidence 0.")
    assert strip.describe(9) == "Plane 9: prompted"
    assert strip.describe(0) == "Plane 0: not found"
    drawn = strip.grab().toImage()
    ratio = drawn.width() / 400
    inside = drawn.pixelColor(round((7 * 20 + 8) * ratio), round(20 * ratio))
    outside = drawn.pixelColor(round(8 * ratio), round(20 * ratio))
    confidence = controller.host.through.answers[7].confidence
    assert inside.getRgb()[:3] == colour_of(confidence).getRgb()[:3]
    assert inside != outside


def test_an_object_with_prompts_on_two_planes_is_one(make_panel: Any, jobs: Any) -> None:
    _, controller = make_panel(VOLUME, 9, 18, 20)
    controller.host.through.start()
    jobs.run()
    controller.host.through.go_to(11)
    controller.points.add(np.array((11.0, 18, 20)))
    jobs.run()
    parts = controller.ready_parts
    assert sorted(each.plane[0] for each in parts) == [9, 11]
    assert len({each.whole for each in parts}) == 1


def test_limits_are_those_of_the_next_run(make_panel: Any, jobs: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    panel.limits.controls["max_reach"].set_parameter(0.2)
    panel.limits.changed.emit()
    assert controller.host.through.params.max_reach == 0.2
    controller.host.through.start()
    jobs.run()
    assert sorted(controller.host.through.answers) == [7, 8, 9, 10, 11]


def test_memory_is_chosen_among_the_limits(model: Any, make_panel: Any, jobs: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    through = controller.host.through
    through.start()
    jobs.run()
    assert not model.seen
    by_prompts = sorted(through.answers)
    panel.limits.controls["method"].set_parameter("memory")
    panel.limits.changed.emit()
    through.start()
    jobs.run()
    # The object is recalled from its mask on the prompted plane, in both directions.
    assert model.seen == [(9,), (9,)]
    assert sorted(through.answers) == by_prompts
    assert through.answers[8].source == "backward"


def test_the_axis_is_chosen(make_panel: Any, jobs: Any) -> None:
    movie = np.stack([VOLUME] * 3)
    panel, controller = make_panel(movie, 1, 9, 18, 20, axis_labels=("t", "z", "y", "x"))
    through = controller.host.through
    assert not panel.axis.isHidden()
    assert [panel.axis.itemText(k) for k in range(2)] == ["along z", "along t"]
    assert not through.params.predict_motion
    panel.axis.setCurrentIndex(1)
    panel.axis.activated.emit(1)
    assert through.params.predict_motion
    through.start()
    jobs.run()
    assert sorted(through.answers) == [0, 1, 2]
    assert controller.preview_layer.data.any(axis=(2, 3))[:, 9].all()


def test_the_strip_has_room_for_any_number_of_planes(qtbot: Any) -> None:
    strip = ConfidenceStrip()
    qtbot.addWidget(strip)
    strip.resize(200, 34)
    assert strip.plane_at(5) is None
    strip.show_planes(1000, dict.fromkeys(range(1000), 0.9), [3], [4], 5)
    assert [strip.plane_at(x) for x in (0, 100, 199.9, 200, -1)] == [0, 500, 999, None, None]
    assert strip.describe(4) == "Plane 4: not there, as you said"
    assert not strip.grab().isNull()


def test_colours_of_confidence() -> None:
    assert colour_of(0.0) == colour_of(0.5)
    assert len({colour_of(c).name() for c in (0.5, 0.7, 0.9, 1.0)}) == 4


def test_all_open_objects_or_the_active_one(make_panel: Any, jobs: Any) -> None:
    panel, controller = make_panel(TWO, 9, 12, 12)
    controller.sync.mode = "many"
    controller.points.add(np.array([9.0, 28, 36]))
    jobs.run()
    through = controller.host.through
    panel.only_active.setChecked(True)
    panel.buttons["Through planes"].click()
    jobs.run()
    assert through.wholes == (2,)
    assert panel.line.text() == f"Object 2: on {len(through.answers)} of 20 planes"
    panel.only_active.setChecked(False)
    panel.buttons["Through planes"].click()
    assert panel.line.text().startswith("Object 2, one of 2: on ")
    assert panel.line.text().endswith("following them ...")
    jobs.run()
    # The strip is about the object that is active.
    second = panel.strip.describe(8)
    controller.session.reopen(1)
    jobs.run()
    assert panel.line.text().startswith("Object 1, one of 2: on ")
    assert panel.strip.describe(8) != second


def test_a_search_that_was_stopped_is_told(make_panel: Any, jobs: Any) -> None:
    panel, controller = make_panel(VOLUME, 9, 18, 20)
    panel.buttons["Through planes"].click()
    (job,) = [job for job in jobs.waiting if job[2] == "through planes"]
    polls = iter(range(100))
    with pytest.raises(Cancelled):
        job[3](lambda: next(polls) > 10)
    controller.stop()
    assert panel.line.text().endswith("; stopped before its end")
    panel.buttons["Through planes"].click()
    jobs.run()
    assert panel.line.text().endswith(" of 20 planes")
