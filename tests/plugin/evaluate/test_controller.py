"""Labels layers compared in a viewer without a window."""

from typing import Any

import dask.array
import numpy as np
import pytest
from napari.layers import Labels

from napari_segany.errors import InputError
from napari_segany.evaluation.comparison import ERROR_VALUES
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.plugin.evaluate.controller import EvaluateController
from napari_segany.plugin.evaluate.errors_layer import COLOURS, NAME, OLD_NAME, is_errors

SHAPE = (4, 30, 40)
PLACES: Any = {"scale": (2, 0.5, 0.5), "translate": (10, 5, 5), "units": ("um",) * 3}


@pytest.fixture
def arrays() -> tuple[Any, Any]:
    """In every plane the same object; in plane 2 one more that is missed, and one false."""
    truth, prediction = np.zeros((2, *SHAPE), np.int32)
    truth[:, 2:8, 2:8], prediction[:, 2:8, 2:8] = 1, 11
    truth[2, 20:26, 30:36] = 2
    prediction[2, 12:16, 20:30] = 12
    return truth, prediction


@pytest.fixture
def controller(viewer: Any, jobs: Any) -> Any:
    made = EvaluateController(viewer, jobs)
    made.said = []
    made.status.connect(made.said.append)
    yield made
    made.end()


@pytest.fixture
def ready(controller: Any, viewer: Any, arrays: Any) -> Any:
    """Both layers chosen."""
    truth, prediction = (
        viewer.add_layer(Labels(each.copy(), name=name, axis_labels=tuple("zyx"), **PLACES))
        for each, name in zip(arrays, ("truth", "prediction"), strict=True)
    )
    viewer.dims.set_current_step(0, 2)
    controller.choose_layers(prediction, truth)
    return controller


def kinds(controller: Any) -> list[str]:
    return list(controller.result.columns()["verdict"])


def test_the_plane_in_view_every_plane_and_the_stack(
    ready: Any, viewer: Any, jobs: Any, arrays: Any
) -> None:
    ready.compare()
    assert ready.result is None
    jobs.run()
    assert ready.result.planes == ((2, None, None),)
    assert kinds(ready) == ["correct", "missed", "false"]
    viewer.dims.set_current_step(0, 0)
    ready.compare()
    jobs.run()
    assert kinds(ready) == ["correct"]
    ready.compare("planes")
    jobs.run()
    assert ready.result.counts["correct"] == 4
    assert ready.result.mean.recall == pytest.approx((3 + 0.5) / 4)
    ready.compare("stack")
    jobs.run()
    assert kinds(ready) == ["correct", "missed", "false"]
    assert ready.result.mean == score_instances(ObjectOverlaps.from_labels(*arrays))
    with pytest.raises(InputError, match="over must be"):
        ready.compare("volume")


def test_planes_of_a_view_from_the_side(ready: Any, viewer: Any, jobs: Any) -> None:
    viewer.dims.order = (2, 0, 1)
    viewer.dims.set_current_step(2, 32)
    ready.compare()
    jobs.run()
    assert ready.result.planes == ((None, None, 32),)
    assert kinds(ready) == ["missed"]
    ready.compare("planes")
    assert len(jobs.waiting) == 1
    jobs.run()
    assert len(ready.result.scores) == SHAPE[2]
    assert ready.result.counts["missed"] == 6


def test_lazy_layers_are_read_where_they_are_compared(
    controller: Any, viewer: Any, jobs: Any, arrays: Any
) -> None:
    read: list[int] = []

    def note(block: Any, block_info: Any = None) -> Any:
        if block_info:
            read.append(block_info[0]["chunk-location"][0])
        return block

    lazy = [
        dask.array.from_array(each, chunks=(1, 30, 40)).map_blocks(note, dtype=each.dtype)
        for each in arrays
    ]
    truth, prediction = (viewer.add_labels(each, name=str(n)) for n, each in enumerate(lazy))
    viewer.dims.set_current_step(0, 2)
    controller.choose_layers(prediction, truth)
    read.clear()
    controller.compare()
    assert read == []
    jobs.run()
    assert set(read) == {2}
    controller.draw_errors()
    read.clear()
    jobs.run()
    assert np.unique(np.nonzero(controller.errors.layer.data)[0]).tolist() == [2]


def test_levels_of_labels(controller: Any, viewer: Any, jobs: Any, arrays: Any) -> None:
    truth, prediction = (
        viewer.add_labels([each[2], each[2, ::2, ::2]], multiscale=True) for each in arrays
    )
    controller.choose_layers(prediction, truth)
    controller.compare()
    jobs.run()
    assert kinds(controller) == ["correct", "missed", "false"]
    assert controller.draw_errors().data.shape == SHAPE[1:]


def test_errors_in_colours_in_one_layer(ready: Any, viewer: Any, jobs: Any, arrays: Any) -> None:
    with pytest.raises(InputError, match="Compare two layers first"):
        ready.draw_errors()
    ready.compare("stack")
    jobs.run()
    layer = ready.draw_errors()
    jobs.run()
    truth, prediction = arrays
    assert (layer.name, layer.data.dtype, layer.editable) == (NAME, np.uint8, False)
    assert (layer.data[truth == 1] == ERROR_VALUES["correct"]).all()
    assert (layer.data[truth == 2] == ERROR_VALUES["missed"]).all()
    assert (layer.data[prediction == 12] == ERROR_VALUES["false"]).all()
    assert np.count_nonzero(layer.data) == 4 * 36 + 36 + 40
    for name in ("scale", "translate", "units", "axis_labels"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(ready.truth, name))
    colour = layer.get_color(ERROR_VALUES["missed"])
    assert [round(255 * x) for x in colour] == [0xD5, 0x5E, 0x00, 0xFF]
    assert layer.get_color(ERROR_VALUES["correct"])[3] < 0.5
    assert set(COLOURS) == set(ERROR_VALUES)
    np.testing.assert_array_equal(ready.truth.data, truth)
    np.testing.assert_array_equal(ready.prediction.data, prediction)

    # Another comparison, and another widget, draw into the same layer; edits make it old.
    viewer.dims.set_current_step(0, 0)
    ready.compare()
    jobs.run()
    assert np.unique(np.nonzero(layer.data)[0]).tolist() == [0]
    ready.truth.fill((0, 20, 20), 5)
    assert layer.name == OLD_NAME
    with pytest.raises(InputError, match="compare them again"):
        ready.draw_errors()
    other = EvaluateController(viewer, jobs)
    other.choose_layers(ready.prediction, ready.truth)
    other.compare()
    jobs.run()
    assert other.draw_errors() is layer
    jobs.run()
    assert layer.name == NAME
    assert sum(is_errors(each) for each in viewer.layers) == 1
    other.end()


def test_errors_of_other_axes_and_a_deleted_layer(
    ready: Any, viewer: Any, jobs: Any, arrays: Any
) -> None:
    ready.compare()
    jobs.run()
    ready.draw_errors()
    viewer.layers.remove(ready.errors.layer)
    jobs.run()
    assert ready.errors.layer is None
    ready.draw_errors()
    jobs.run()
    flat = [viewer.add_labels(each[2]) for each in arrays]
    ready.choose_layers(*flat[::-1])
    ready.compare()
    jobs.run()
    (layer,) = (each for each in viewer.layers if is_errors(each))
    assert layer.data.shape == SHAPE[1:]
    assert np.count_nonzero(layer.data) == 36 + 36 + 40


def test_going_to_an_object(ready: Any, viewer: Any, jobs: Any) -> None:
    ready.compare("planes")
    jobs.run()
    table = ready.result.columns()
    viewer.dims.set_current_step(0, 0)
    missed = int(np.flatnonzero(table["verdict"] == "missed")[0])
    assert ready.go_to(missed) is ready.truth
    assert viewer.dims.current_step[0] == 2
    assert ready.truth.selected_label == 2
    assert viewer.layers.selection.active is ready.truth
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    # The middle of rows 20 to 25 and columns 30 to 35, by the scale, from the translation.
    assert camera.center[-2:] == pytest.approx((5 + 22.5 / 2, 5 + 32.5 / 2))
    false = int(np.flatnonzero(table["verdict"] == "false")[0])
    assert ready.go_to(false) is ready.prediction
    assert ready.prediction.selected_label == 12
    ready.go_to(0)
    assert viewer.dims.current_step[0] == 0
    assert (ready.truth.selected_label, ready.prediction.selected_label) == (1, 11)
    with pytest.raises(InputError, match="no object 99"):
        ready.go_to(99)
    assert not ready.stale


def test_going_to_an_object_through_planes(ready: Any, viewer: Any, jobs: Any) -> None:
    ready.compare("stack")
    jobs.run()
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    viewer.dims.ndisplay = 3
    ready.go_to(1)
    assert viewer.dims.ndisplay == 2
    assert viewer.dims.current_step[0] == 2
    # Seen from the side it stays seen from the side.
    viewer.dims.order = (2, 0, 1)
    ready.go_to(1)
    assert viewer.dims.order == (2, 0, 1)
    assert viewer.dims.current_step[2] in (32, 33)
    assert camera.center[-2:] == pytest.approx((10 + 2 * 2, 5 + 22.5 / 2))


@pytest.mark.parametrize("side", ["truth", "prediction"])
def test_edits_make_it_out_of_date(ready: Any, viewer: Any, jobs: Any, side: str) -> None:
    layer = getattr(ready, side)
    layer.fill((2, 25, 5), 3)

    def undo() -> None:
        layer.undo()

    def in_place() -> None:
        layer.data[2, 0, 0] = 9
        layer.refresh()

    def replaced() -> None:
        layer.data = layer.data.copy()

    edits = (undo, lambda: layer.paint((2, 25, 5), 3), in_place, replaced)
    for edit in edits:
        ready.compare("planes")
        jobs.run()
        assert not ready.stale
        # What only shows something else is no edit.
        viewer.dims.set_current_step(0, 1)
        viewer.dims.set_current_step(0, 2)
        layer.contour = 1 - layer.contour
        layer.visible = False
        layer.visible = True
        layer.selected_label = 7
        layer.show_selected_label = not layer.show_selected_label
        assert not ready.stale
        viewer.add_image(np.zeros((9, 50, 50)), **PLACES)
        assert not ready.stale
        edit()
        assert ready.stale, edit
        assert "compare them again" in ready.said[-1]
    ready.go_to(0)


def test_an_edit_while_it_is_compared(ready: Any, jobs: Any) -> None:
    ready.compare()
    ready.truth.paint((2, 25, 5), 3)
    jobs.run()
    assert ready.result is not None
    assert ready.stale


def test_an_edit_while_errors_are_drawn(ready: Any, jobs: Any) -> None:
    ready.compare()
    jobs.run()
    layer = ready.draw_errors()
    ready.truth.paint((2, 25, 5), 3)
    jobs.run()
    assert layer.data.any()
    assert layer.name == OLD_NAME


def test_every_plane_of_a_series_of_stacks(controller: Any, viewer: Any, jobs: Any) -> None:
    truth, prediction = np.zeros((2, 2, 3, 20, 24), int)
    truth[..., 2:6, 2:6], prediction[..., 2:6, 2:6] = 4, 5
    prediction[1, 2] = 0
    layers = [viewer.add_labels(each) for each in (prediction, truth)]
    controller.choose_layers(*layers)
    controller.compare("planes")
    jobs.run()
    table = controller.result.columns()
    assert controller.result.counts["correct"] == 5
    assert table["plane"].tolist() == ["0, 0", "0, 1", "0, 2", "1, 0", "1, 1", "1, 2"]
    controller.go_to(5)
    assert viewer.dims.current_step[:2] == (1, 2)
    controller.compare("stack")
    jobs.run()
    assert controller.result.objects.area.tolist() == [6 * 16]
    assert controller.result.objects.iou.tolist() == [5 / 6]


def test_removing_a_layer_forgets_the_result(ready: Any, viewer: Any, jobs: Any) -> None:
    ready.compare()
    jobs.run()
    truth = ready.truth
    viewer.layers.remove(truth)
    assert ready.result is None
    assert ready.truth is None
    assert "truth was removed" in ready.said[-1]
    # Nobody listens to it any more.
    truth.paint((2, 25, 5), 3)
    assert not ready.stale
    # While it is compared, too.
    viewer.add_layer(truth)
    ready.choose_layers(ready.prediction, truth)
    ready.compare()
    viewer.layers.remove(truth)
    jobs.run()
    assert ready.result is None


def test_what_cannot_be_compared_is_said(controller: Any, viewer: Any, jobs: Any) -> None:
    def refuses(message: str) -> None:
        with pytest.raises(InputError, match=message):
            controller.compare()

    refuses("are no labels layers in the viewer")
    one = viewer.add_labels(np.zeros((5, 6), int), name="one")
    refuses("is only one labels layer")
    other = viewer.add_labels(np.zeros((6, 5), int), name="other")
    refuses("Choose a labels layer as prediction")
    controller.choose_layers(one, one)
    refuses("one is chosen as prediction and as truth")
    controller.choose_layers(one, other)
    refuses(r"one has shape \(5, 6\), other has \(6, 5\)")
    moved = viewer.add_labels(np.zeros((5, 6), int), name="moved", translate=(3, 0))
    controller.choose_layers(one, moved)
    refuses("lies elsewhere")
    assert not jobs.busy


def test_an_error_of_reading_is_said(controller: Any, viewer: Any, jobs: Any) -> None:
    def fail(block: Any, block_info: Any = None) -> Any:
        if fail.now:  # type: ignore[attr-defined]
            raise OSError("the disk is gone")
        return block

    fail.now = False  # type: ignore[attr-defined]
    lazy = dask.array.zeros((5, 6), dtype=int).map_blocks(fail, dtype=int)
    one, other = viewer.add_labels(lazy), viewer.add_labels(np.ones((5, 6), int))
    controller.choose_layers(one, other)
    controller.compare()
    fail.now = True  # type: ignore[attr-defined]
    jobs.run()
    assert "the disk is gone" in controller.said[-1]
    assert controller.result is None
    fail.now = False  # type: ignore[attr-defined]
    controller.compare()
    jobs.run()
    assert controller.result.counts["missed"] == 1


def test_stopping(ready: Any, jobs: Any) -> None:
    ready.compare()
    ready.stop()
    jobs.run()
    assert ready.result is None
    ready.compare()
    jobs.run()
    layer = ready.draw_errors()
    ready.stop()
    assert layer.name == OLD_NAME
    assert ready.result is not None


def test_a_binary_truth_is_noticed_and_its_parts_separated(
    controller: Any, viewer: Any, jobs: Any, arrays: Any
) -> None:
    labels = np.zeros((2, 30, 40), np.int32)
    labels[:, 2:8, 2:8], labels[:, 20:26, 30:36], labels[1, 12:16, 2:8] = 4, 5, 6
    prediction = viewer.add_layer(Labels(labels, name="found"))
    truth = viewer.add_layer(Labels(np.where(labels, 255, 0), name="mask"))
    viewer.dims.set_current_step(0, 1)
    controller.choose_layers(prediction, truth)
    for over, count in (("plane", 3), ("planes", 5), ("stack", 3)):
        controller.separate_parts(False, over)
        jobs.run()
        assert controller.said[-1].startswith("mask holds one value, 255, in ")
        assert controller.result.mean.f1 < 1
        controller.separate_parts(True, over)
        jobs.run()
        assert controller.said[-1] == ""
        assert controller.separates_parts
        assert controller.result.mean.f1 == 1
        assert controller.result.counts["correct"] == count
    controller.go_to(2)
    assert (truth.selected_label, prediction.selected_label) == (1, 6)
    layer = controller.draw_errors()
    jobs.run()
    assert np.array_equal(layer.data > 0, labels > 0)
    controller.choose_layers(truth, prediction)
    assert not controller.separates_parts


def test_one_object_with_parts_in_a_plane_is_not_binary(
    controller: Any, viewer: Any, jobs: Any
) -> None:
    labels = np.zeros((2, 30, 40), np.int32)
    labels[0, 2:28, 2:8], labels[1, 2:8, 2:8], labels[1, 20:28, 2:8] = 1, 1, 1
    labels[0, 2:28, 20:28] = 2
    layers = [viewer.add_layer(Labels(labels.copy(), name=n)) for n in "ab"]
    controller.choose_layers(*layers)
    controller.compare("stack")
    jobs.run()
    assert controller.binary == {}
