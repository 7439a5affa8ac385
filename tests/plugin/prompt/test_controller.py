import itertools
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels
from tests.effort import choose_count
from tests.journal_files import JournalFiles

from napari_segany import MultiViewModel, Prompt, PropagationParams, propagate
from napari_segany.errors import InputError
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.layer_features import NEGATIVE


def open_again(controller: Any, jobs: Any, viewer: Any) -> None:
    """End the session and begin another one on the same image."""
    controller.close_session()
    controller.open_image(viewer.layers["image"])
    jobs.run()


def click(controller: Any, jobs: Any, *position: float) -> None:
    controller.points.add(np.array(position))
    jobs.run()


def rectangle(plane: int, a: float, b: float, c: float, d: float) -> Any:
    return np.array([[plane, a, b], [plane, a, d], [plane, c, d], [plane, c, b]], float)


def test_a_click_shows_a_preview_and_a_commit_writes_it(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    assert controller.preview_layer.data[2, 8:13, 18:23].all()
    assert controller.preview_layer.data.astype(bool).sum() == 25
    assert controller.commit() == [1]
    assert controller.labels.data[2].sum() == 25
    assert not controller.preview_layer.data.any()
    assert len(controller.points.data) == 0
    assert viewer.layers.selection.active is controller.points
    assert controller.labels.features["index"].tolist() == [1]
    kept = controller.labels.metadata["napari_segany"]
    assert kept["steps"][0][0] == "put"


def test_further_clicks_refine_and_signs_flip(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    assert controller.flip_sign() == NEGATIVE
    click(controller, jobs, 2, 12, 22)
    prompt = controller.session.active.prompt
    assert prompt.labels.tolist() == [1, 0]
    assert prompt.points.tolist() == [[10, 20], [12, 22]]
    assert len({str(s) for s in controller.points.symbol}) == 2
    controller.undo()
    assert controller.points.data.tolist() == [[2, 10, 20]]


def test_moving_and_removing_points_by_hand(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.points.data = np.array([[2.0, 30, 40]])
    jobs.run()
    assert controller.session.active.prompt.points.tolist() == [[30, 40]]
    controller.points.selected_data = {0}
    controller.points.remove_selected()
    jobs.run()
    assert not controller.session.state.objects
    assert not controller.preview_layer.data.any()


def test_boxes_are_objects_and_join_points(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    controller.shapes.add_rectangles(rectangle(2, 5, 5, 15, 15))
    controller.shapes.add_rectangles(rectangle(2, 20, 20, 30, 30))
    jobs.run()
    assert len(controller.session.state.open) == 2
    click(controller, jobs, 2, 25, 25)
    assert repr(controller.session.active.prompt).startswith("Prompt(1 point, box")
    assert controller.commit() == [1, 2]
    assert len(controller.shapes.data) == 0


def test_outlines_ellipses_and_scribbles(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    triangle = np.array([[2, 5, 5], [2, 5, 25], [2, 25, 5]], float)
    controller.shapes.add_polygons(triangle)
    controller.shapes.add_ellipses(rectangle(2, 10, 30, 20, 40))
    jobs.run()
    outline, ellipse = (each.prompt for each in controller.session.state.open)
    assert outline.mask[6, 6]
    assert not outline.mask[24, 24]
    assert ellipse.mask[15, 35]
    assert not ellipse.mask[10, 30]
    assert outline.box is not None
    controller.clear()
    controller.shapes.add_paths(np.array([[2, 5, 5], [2, 5, 26]], float))
    jobs.run()
    points = controller.session.active.prompt.points
    assert len(points) == 8
    assert (points[:, 0] == 5).all()
    assert points[[0, -1], 1].tolist() == [5, 26]


def test_many_objects_at_once(begin: Any, jobs: Any, stack: Any, model: Any) -> None:
    controller = begin(stack)
    controller.sync.mode = "many"
    controller.points.add(np.array([[2, 5, 5], [2, 5, 25], [2, 30, 30]]))
    jobs.run()
    assert len(controller.session.state.open) == 3
    assert controller.commit() == [1, 2, 3]
    controller.add_prompts([Prompt(box=[i, 35, i + 2, 45]) for i in range(0, 30, 4)])
    jobs.run()
    assert len(controller.commit()) == 8


def test_objects_of_other_planes_stay_where_they_are(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    viewer.dims.current_step = (4, 0, 0)
    jobs.run()
    click(controller, jobs, 4, 30, 30)
    assert [each.plane for each in controller.session.state.open] == [
        (2, None, None),
        (4, None, None),
    ]
    viewer.dims.order = (1, 0, 2)
    viewer.dims.current_step = (4, 7, 0)
    jobs.run()
    click(controller, jobs, 3, 7, 33)
    assert controller.session.active.plane == (None, 7, None)
    assert len(controller.session.state.open) == 3
    controller.commit()
    assert controller.labels.data[3, 7, 33]
    assert controller.labels.data[2, 10, 20]


def test_neighbouring_planes_are_embedded_ahead(
    begin: Any, jobs: Any, stack: Any, viewer: Any, model: Any
) -> None:
    controller = begin(stack)
    assert len(model.planes) == 5
    assert np.array_equal(model.planes[0][0], stack[2])
    viewer.dims.current_step = (5, 0, 0)
    jobs.run()
    assert len(model.planes) == 6
    assert controller.session.is_embedded((5, None, None))


def test_a_lazy_stack_is_read_plane_by_plane(begin: Any, jobs: Any, viewer: Any) -> None:
    read: list[int] = []

    def block(block_id: Any) -> Any:
        read.append(block_id[0])
        return np.full((1, 40, 50), block_id[0], np.uint16)

    data = da.map_blocks(
        block, chunks=((1,) * 500, (40,), (50,)), dtype=np.uint16, meta=np.empty(0)
    )
    controller = begin(data, contrast_limits=(0, 255))
    read.clear()
    viewer.dims.current_step = (100, 0, 0)
    jobs.run()
    click(controller, jobs, 100, 10, 10)
    controller.commit()
    assert set(read) <= set(range(98, 103))


def test_labels_own_undo_reopens_and_hand_painting_stays(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    controller.labels.undo()
    assert len(controller.session.state.open) == 1
    assert controller.points.data.tolist() == [[2, 10, 20]]
    controller.commit()
    controller.labels.data_setitem((np.array([2]), np.array([10]), np.array([20])), 7)
    controller.undo()
    assert controller.labels.data[2, 10, 20] == 7
    assert controller.labels.data.astype(bool).sum() == 1


def test_reopening_brings_the_prompts_back(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.next_candidate()
    controller.commit()
    controller.reopen(1)
    assert controller.points.data.tolist() == [[2, 10, 20]]
    assert not controller.labels.data.any()
    assert controller.session.active.choice == 1
    with pytest.raises(InputError, match="Label 5 was not made"):
        controller.reopen(5)


def test_labels_that_are_there_already_are_written_into(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    data = np.zeros(stack.shape, np.uint8)
    data[0] = 40
    mine = Labels(data, name="mine")
    viewer.add_layer(mine)
    controller.commit_into(mine)
    click(controller, jobs, 2, 10, 20)
    assert controller.commit() == [41]
    assert (mine.data[0] == 40).all()
    other = Labels(np.zeros((3, 3), int), name="other")
    viewer.add_layer(other)
    with pytest.raises(InputError, match=r"other has shape \(3, 3\)"):
        controller.commit_into(other)


def test_layers_deleted_behind_its_back(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    viewer.layers.remove(controller.labels)
    jobs.run()
    assert len(controller.session.state.open) == 1
    assert controller.commit() == [1]
    viewer.layers.remove(controller.points)
    viewer.layers.remove(controller.preview_layer)
    controller.set_sign("positive")
    click(controller, jobs, 2, 30, 30)
    assert len(controller.session.state.open) == 1
    viewer.layers.clear()
    assert controller.session is None


def test_pixels_that_change_are_embedded_anew(
    begin: Any, jobs: Any, stack: Any, model: Any
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    before = len(model.planes)
    controller.image.data = stack + 1
    jobs.run()
    assert len(model.planes) > before
    assert np.array_equal(model.planes[before][0], stack[2] + 1)


def test_an_answer_of_a_closed_session_is_left_out(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    controller.points.add(np.array([2, 10, 20]))
    late = list(jobs.waiting)
    other = Image(stack[0], name="other")
    viewer.add_layer(other)
    controller.open_image(other)
    for _, _, _, work, done, _ in late:
        done(work(lambda: False))
    assert not controller.session.state.objects
    assert not controller.preview_layer.data.any()


def test_in_three_dimensions_prompts_are_refused_and_nothing_breaks(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    said: list[str] = []
    controller.status.connect(said.append)
    viewer.dims.ndisplay = 3
    click(controller, jobs, 2, 10, 20)
    assert any("3-D" in text for text in said)
    assert not controller.session.state.objects
    assert len(controller.points.data) == 0
    viewer.dims.ndisplay = 2
    click(controller, jobs, 2, 10, 20)
    assert len(controller.session.state.open) == 1


def test_an_earlier_session_is_offered_and_restored(
    begin: Any, jobs: Any, stack: Any, viewer: Any, tmp_path: Path
) -> None:
    controller = begin(stack)
    assert controller.saved_sessions == []
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    click(controller, jobs, 2, 30, 30)
    labels = controller.labels.data.copy()
    open_again(controller, jobs, viewer)
    (saved,) = controller.saved_sessions
    controller.restore(saved)
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)
    assert controller.points.data.tolist() == [[2, 30, 30]]
    assert controller.commit() == [2]


def test_our_layers_leave_and_labels_stay(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    controller.close_session()
    assert [layer.name for layer in viewer.layers] == ["image", "image objects"]


def test_before_an_image_is_chosen_everything_says_so(begin: Any, stack: Any) -> None:
    controller = begin(stack)
    controller.close_session()
    for act in (controller.commit, controller.undo, controller.clear, controller.flip_sign):
        with pytest.raises(InputError, match="Choose an image first"):
            act()


def test_another_click_refines_the_reading_that_was_chosen(
    begin: Any, jobs: Any, stack: Any, model: Any
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.next_candidate()
    click(controller, jobs, 2, 12, 22)
    assert (model.asked[-1].mask_logits == 1).all()
    controller.points.selected_data = {1}
    controller.points.remove_selected()
    jobs.run()
    # Back at one point, and at the candidate that was chosen then.
    assert controller.session.active.choice == 1
    assert controller.session.active.before is None


def test_thousands_of_objects_are_one_step_and_never_drawn_all_at_once(
    begin: Any, jobs: Any, stack: Any, model: Any
) -> None:
    controller = begin(np.zeros((400, 500), np.uint8))
    step = choose_count(11, 16)
    places = itertools.product(range(0, 390, step), range(0, 480, step))
    prompts = [Prompt(box=[r, c, r + 3, c + 3]) for r, c in places]
    controller.add_prompts(prompts)
    jobs.run()
    assert len(controller.session.state.open) == len(prompts) == choose_count(1584, 750)
    assert len(controller.shapes.data) == 1
    assert controller.preview_layer.data.astype(bool).sum() == 16 * len(prompts)
    first = controller.commit()
    assert len(first) == 50
    jobs.run()
    assert controller.labels.data.max() == len(prompts)
    assert len(controller.labels.features) == len(prompts)
    assert len(controller.labels.metadata["napari_segany"]["steps"]) == len(prompts)
    controller.undo()
    jobs.run()
    assert not controller.labels.data.any()
    assert len(controller.session.state.open) == len(prompts)
    controller.redo()
    jobs.run()
    assert controller.labels.data.max() == len(prompts)
    controller.undo()
    # Something else is done while that is on its way: it goes no further.
    controller.session.add_point(1, 1)
    jobs.run()
    assert 0 < len(controller.session.state.committed) < len(prompts)
    for _ in range(3):
        controller.undo()
        jobs.run()
    assert not controller.session.state.objects


def test_a_click_beside_hidden_prompts_leaves_them_alone(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(np.zeros((400, 500), np.uint8))
    controller.add_prompts([Prompt(box=[r, 1, r + 1, 9]) for r in range(0, 390)])
    jobs.run()
    controller.session.plane = (None, None)
    controller.points.add(np.array([[50.0, 100.0]]))
    jobs.run()
    assert len(controller.session.state.open) == 390


def test_objects_with_low_scores_are_not_committed(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.min_predicted_iou = 0.95
    with pytest.raises(InputError, match="scores as high"):
        controller.commit()
    controller.min_predicted_iou = 0.5
    controller.min_stability = 0.85
    controller.next_candidate()
    with pytest.raises(InputError, match="scores as high"):
        controller.commit()
    controller.min_stability = 0
    assert controller.commit() == [1]


def test_channels_are_no_axis_of_the_labels(
    begin: Any, jobs: Any, stack: Any, viewer: Any, model: Any
) -> None:
    begin(np.zeros((8, 8)))
    channels = np.stack([stack, stack + 1, stack + 2])
    layer = Image(channels, name="channels", scale=(1, 3, 0.5, 0.5), translate=(0, 5, 6, 7))
    viewer.add_layer(layer)
    controller = PromptController(viewer, jobs)
    controller.model = model
    controller.open_image(layer, channels=(2, 0, 1))
    viewer.dims.current_step = (1, 4, 0, 0)
    jobs.run()
    assert controller.plane == (4, None, None)
    seen = model.planes[-1][0]
    click(controller, jobs, 4, 10, 20)
    controller.commit()
    assert controller.labels.data.shape == stack.shape
    assert controller.labels.data[4, 10, 20] == 1
    assert np.allclose(controller.labels.data_to_world((4, 10, 20)), (17, 11, 17))
    assert [plane[0].shape for plane in model.planes if plane[0].ndim == 3]
    assert seen.shape == (40, 50, 3)
    controller.end()


def test_three_layers_are_seen_as_colours(
    begin: Any, jobs: Any, stack: Any, viewer: Any, model: Any
) -> None:
    controller = begin(stack)
    green = viewer.add_layer(Image((stack // 4).astype(np.uint16), name="green"))
    controller.open_image(controller.image, others=[green])
    jobs.run()
    seen = model.planes[-1][0]
    assert seen.shape == (40, 50, 3)
    assert np.array_equal(seen[..., 1], seen[..., 0] // 4)
    assert not seen[..., 2].any()
    viewer.layers.remove(green)
    assert controller.session is None
    with pytest.raises(InputError, match="one shape"):
        controller.open_image(viewer.layers["image"], others=[Image(np.zeros((4, 4)))])
    with pytest.raises(InputError, match="no axis of channels"):
        controller.open_image(Image(np.zeros((4, 4))), channels=(0,))


def test_a_saved_session_computes_the_same_labels(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    for row, col in ((10, 20), (12, 24), (30, 40)):
        click(controller, jobs, 2, row, col)
        controller.next_candidate()
        click(controller, jobs, 2, row + 2, col)
        controller.commit()
    controller.undo()
    kept = controller.provenance()
    controller.replay(kept)
    jobs.run()
    assert viewer.layers[-1].name == "image again"
    assert np.array_equal(viewer.layers[-1].data, controller.labels.data)


def test_going_to_an_object_shows_its_plane(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack, scale=(2, 0.5, 0.5), translate=(3, 0, 0))
    click(controller, jobs, 2, 10, 20)
    viewer.dims.current_step = (5, 0, 0)
    viewer.dims.order = (1, 0, 2)
    controller.go_to(1)
    assert controller.plane == (2, None, None)
    assert viewer.scene.camera.center[-2:] == pytest.approx((5, 10))
    with pytest.raises(InputError, match="no object 7"):
        controller.go_to(7)


def test_what_others_wrote_about_labels_stays(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    layer = Labels(np.zeros(stack.shape, np.int32), features={"index": [7], "kind": ["T cell"]})
    layer.metadata["napari_segany"] = {"steps": [], "weights_sha256": "", "precision": ""}
    layer.data[0, 0, 0] = 7
    controller.viewer.add_layer(layer)
    controller.commit_into(layer)
    click(controller, jobs, 2, 10, 20)
    assert controller.commit() == [8]
    rows = layer.features.set_index("index")
    assert rows.loc[7, "kind"] == "T cell"
    assert rows.loc[8, "area"] == 25
    assert len(layer.metadata["napari_segany_earlier"]) == 1
    assert layer.metadata["napari_segany"]["steps"][0][0] == "put"
    layer.features = layer.features.assign(kind=["T cell", "B cell"])
    click(controller, jobs, 2, 30, 40)
    controller.commit()
    rows = layer.features.set_index("index")
    assert rows.loc[[7, 8], "kind"].tolist() == ["T cell", "B cell"]
    controller.undo()
    rows = layer.features.set_index("index")
    assert rows.index.tolist() == [7, 8]
    assert rows.loc[8, "kind"] == "B cell"


def test_labels_of_other_data_are_looked_at_again(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    assert controller.commit() == [1]
    data = np.asarray(controller.labels.data).copy()
    data[0, :2, :2] = 5
    controller.labels.data = data
    click(controller, jobs, 2, 30, 40)
    assert controller.commit() == [6]


def test_a_batch_that_is_being_asked_is_not_begun_anew(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    jobs.run()
    boxes = [Prompt(box=[r, c, r + 3, c + 3]) for r in range(1, 36, 4) for c in range(1, 46, 4)]
    controller.session.add_many(boxes, [(2, None, None)] * len(boxes))
    asked = [job[2] for job in jobs.waiting if job[0] == 0]
    assert len(asked) == 2, "64 at once, so that answers appear on the way"
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(0, 2)
    assert [job[2] for job in jobs.waiting if job[0] == 0] == asked
    jobs.run()
    assert len(controller.model.asked) == len(boxes)
    assert all(controller.session.candidates(each.id) for each in controller.session.state.open)
    # After a stop it is asked again.
    controller.session.add_many([Prompt(box=[2, 2, 30, 30])], [(2, None, None)])
    controller.stop()
    controller.segment()
    jobs.run()
    assert controller.session.candidates(controller.session.state.open[-1].id) is not None


def test_shapes_are_taken_away_by_setting_data(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    said: list[str] = []
    controller.status.connect(said.append)
    controller.shapes.add_rectangles(rectangle(2, 5, 5, 15, 15))
    controller.shapes.data = []
    assert not controller.session.state.objects
    assert len(controller.shapes.features) == 0
    controller.shapes.add_rectangles(rectangle(2, 20, 20, 30, 30))
    assert controller.shapes.features["object"].tolist() == [controller.session.active.id]
    assert not [text for text in said if "rror" in text]


def three_hundred(begin: Any, jobs: Any) -> Any:
    controller = begin(np.zeros((400, 500), np.uint8))
    boxes = [Prompt(box=[r, c, r + 3, c + 3]) for r in range(0, 120, 8) for c in range(0, 160, 8)]
    controller.add_prompts(boxes)
    jobs.run()
    assert len(controller.session.state.open) == 300
    return controller


def test_undoing_a_commit_that_is_on_its_way_undoes_all_of_it(begin: Any, jobs: Any) -> None:
    controller = three_hundred(begin, jobs)
    controller.commit()
    assert len(controller.session.state.committed) == 50
    controller.undo()
    jobs.run()
    assert len(controller.session.state.open) == 300
    assert not controller.labels.data.any()
    controller.redo()
    controller.undo()
    controller.redo()
    jobs.run()
    assert len(controller.session.state.committed) == 300
    assert len(np.unique(controller.labels.data)) == 301
    assert len(controller.labels.features) == 300
    controller.undo()
    controller.undo()
    jobs.run()
    assert not controller.session.state.objects


def commit_but_not_all_of_what_follows(controller: Any, jobs: Any) -> None:
    """Commit three hundred objects, up to the turn in which the last of them are committed."""
    controller.commit()
    while len(controller.session.state.committed) < 300:
        jobs.waiting.pop(0)[4](None)
    # The turn of the last commits leaves the layers to further ones.
    assert len(controller.shapes.data) == 1
    assert not len(controller.labels.features)


def test_what_follows_many_objects_is_spread_over_turns(begin: Any, jobs: Any) -> None:
    controller = three_hundred(begin, jobs)
    assert len(controller.shapes.data) == 1
    told: list[Any] = []
    controller.changed.connect(lambda: told.append("changed"))
    controller.status.connect(lambda text, severity="": told.append(text))
    commit_but_not_all_of_what_follows(controller, jobs)
    assert controller.preview_layer.data.any()
    jobs.run()
    assert not controller.shapes.data
    assert not controller.preview_layer.data.any()
    assert len(controller.labels.features) == 300
    # A change that came later would take the line about the commit away.
    said = next(n for n, text in enumerate(told) if text.startswith("Committed 300 objects"))
    assert "changed" not in told[said:]
    controller.undo()
    jobs.run()
    assert len(controller.shapes.data) == 1


@pytest.mark.parametrize("act", ["close", "into", "other image", "finish"])
def test_what_follows_a_commit_is_not_lost_between_its_turns(
    begin: Any, jobs: Any, viewer: Any, act: str
) -> None:
    controller = three_hundred(begin, jobs)
    commit_but_not_all_of_what_follows(controller, jobs)
    labels = controller.labels
    if act == "close":
        controller.close_session()
    elif act == "into":
        controller.commit_into(None)
    elif act == "finish":
        controller.finish()
        assert not controller.shapes.data
    else:
        controller.open_image(viewer.add_image(np.zeros((40, 50), np.uint8)))
    assert len(labels.features) == 300


def test_prompts_of_committed_objects_begin_no_others(begin: Any, jobs: Any) -> None:
    controller = three_hundred(begin, jobs)
    commit_but_not_all_of_what_follows(controller, jobs)
    controller.shapes.add_rectangles(np.array([[300.0, 300], [300, 340], [340, 340], [340, 300]]))
    (begun,) = controller.session.state.open
    assert begun.prompt.box.tolist() == [300, 300, 340, 340]
    assert len(controller.shapes.data) == 1
    jobs.run()
    assert len(controller.shapes.data) == 1
    assert controller.commit() == [301]


@pytest.mark.parametrize("act", ["clear", "into", "commit"])
def test_a_commit_that_is_on_its_way_is_finished_before_something_else(
    begin: Any, jobs: Any, act: str
) -> None:
    controller = three_hundred(begin, jobs)
    controller.commit()
    labels = controller.labels
    if act == "clear":
        controller.clear()
    elif act == "into":
        controller.commit_into(None)
        assert controller.labels is not labels
    else:
        with pytest.raises(InputError, match="nothing to commit"):
            controller.commit()
    jobs.run()
    assert len(np.unique(labels.data)) == 301
    assert not controller.session.state.open


def test_a_step_between_two_parts_of_a_commit_stays_a_step(begin: Any, jobs: Any) -> None:
    controller = three_hundred(begin, jobs)
    controller.commit()
    # It refines the last of the objects, which is not committed before that is answered.
    controller.session.add_point(300, 300)
    jobs.run()
    assert [each.id for each in controller.session.state.open] == [300]
    controller.undo()
    jobs.run()
    assert len(controller.session.state.committed) == 50
    assert controller.session.state.objects[300].prompt.points is not None
    controller.undo()
    jobs.run()
    assert len(controller.session.state.committed) == 50
    assert controller.session.state.objects[300].prompt.points is None
    controller.undo()
    jobs.run()
    assert len(controller.session.state.open) == 300


def test_closing_finishes_a_commit_and_stop_stops_it(begin: Any, jobs: Any) -> None:
    controller = three_hundred(begin, jobs)
    controller.commit()
    controller.stop()
    jobs.run()
    assert len(controller.session.state.committed) == 50
    controller.undo()
    jobs.run()
    assert len(controller.session.state.open) == 300
    controller.commit()
    labels = controller.labels
    controller.close_session()
    jobs.run()
    assert len(np.unique(labels.data)) == 301


def test_choosing_the_same_labels_again_changes_nothing(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    assert controller.commit_into(controller.labels) is controller.labels
    assert len(controller.session.state.committed) == 1
    controller.reopen(1)
    controller.undo()
    assert controller.undo()
    assert not controller.labels.data.any()


def test_objects_of_labels_that_were_left_come_back_in_a_layer_of_their_own(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    for row in (5, 20, 35):
        click(controller, jobs, 2, row, 20)
        controller.commit()
    first = controller.labels
    second = viewer.add_layer(Labels(np.zeros(stack.shape, np.int32), name="second"))
    controller.commit_into(second)
    click(controller, jobs, 3, 10, 10)
    controller.commit()
    assert len(np.unique(first.data)) == 4
    controller.close_session()
    before = set(viewer.layers)
    controller.open_image(viewer.layers["image"])
    jobs.run()
    (saved,) = controller.saved_sessions
    controller.restore(saved)
    jobs.run()
    left, taken_up = (
        each
        for each in viewer.layers
        if each not in before and each.name.startswith("image objects")
    )
    assert np.array_equal(left.data, first.data)
    assert left.features["index"].tolist() == [1, 2, 3]
    assert taken_up is controller.labels
    assert np.array_equal(taken_up.data, second.data)
    assert controller.provenance()["steps"][0][1]["plane"] == [3, None, None]


def test_labels_that_were_left_come_back_even_if_nothing_else_happened(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    first = controller.labels
    controller.commit_into(None)
    open_again(controller, jobs, viewer)
    before = set(viewer.layers)
    controller.restore(controller.saved_sessions[0])
    (left,) = set(viewer.layers) - before
    assert np.array_equal(left.data, first.data)
    assert controller.labels is None


@pytest.mark.parametrize(
    ("placement", "same"),
    [
        ({"scale": (2, 0.5, 0.5), "translate": (1, 0, 0)}, True),
        ({"scale": (2, 0.5, 0.5), "translate": (1, 0.2, 0)}, True),
        ({"scale": (2, 0.5, 0.5)}, False),
        ({"scale": (2, 0.5, 0.55), "translate": (1, 0, 0)}, False),
        ({"scale": (2000, 500, 500), "translate": (1000, 0, 0), "units": ["nm"] * 3}, True),
        ({"scale": (2, 0.5, 0.5), "translate": (1, 0, 0), "units": ["nm"] * 3}, False),
    ],
)
def test_labels_that_lie_elsewhere_are_refused(
    begin: Any, jobs: Any, stack: Any, placement: Any, same: bool
) -> None:
    controller = begin(stack, scale=(2, 0.5, 0.5), translate=(1, 0, 0), units=["um"] * 3)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    own, objects = controller.labels, controller.session.state.objects
    given = {"units": ["um"] * 3, **placement}
    layer = controller.viewer.add_layer(Labels(np.zeros(stack.shape, int), name="mine", **given))
    if same:
        assert controller.commit_into(layer) is controller.labels is layer
    else:
        with pytest.raises(InputError, match="mine lies elsewhere than image"):
            controller.commit_into(layer)
        assert controller.labels is own
        assert controller.session.state.objects is objects


def test_restoring_in_a_session_in_use_ends_it_first(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    for row in (5, 20, 35):
        click(controller, jobs, 2, row, 20)
        controller.commit()
    large = controller.labels.data.copy()
    open_again(controller, jobs, viewer)
    small = controller.session
    small.on_overlap = "replace"
    click(controller, jobs, 2, 10, 40)
    controller.commit()
    labels = controller.labels
    click(controller, jobs, 2, 30, 40)
    points, embedded = controller.points, len(controller.model.planes)
    (saved,) = controller.saved_sessions
    controller.restore(saved)
    assert controller.session is not small
    assert controller.session.on_overlap == "replace"
    assert controller.points is points
    assert len(points.data) == 0
    assert not controller.preview_layer.data.any()
    jobs.run()
    assert len(controller.model.planes) == embedded, "embeddings are kept"
    assert np.array_equal(controller.labels.data, large)
    assert controller.labels is not labels
    assert labels.data.sum() == 25
    # The one that has ended can be restored in its turn, and so can the first one.
    assert [each.count for each in controller.saved_sessions] == [2, 3]
    controller.restore(controller.saved_sessions[0])
    jobs.run()
    assert np.array_equal(controller.labels.data, labels.data)
    assert points.data.tolist() == [[2, 30, 40]]
    assert [each.count for each in controller.saved_sessions] == [3, 2, 3]
    click(controller, jobs, 2, 15, 15)
    assert len(controller.session.state.open[-1].prompt.points) == 2


def test_a_session_that_is_not_written_down_is_not_ended_for_another(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    files = JournalFiles()
    controller = begin(stack, open_journal=files.open_journal)
    click(controller, jobs, 2, 10, 20)
    open_again(controller, jobs, viewer)
    (saved,) = controller.saved_sessions
    session = controller.session
    files.full = True
    click(controller, jobs, 2, 10, 20)
    with pytest.raises(InputError, match="is not written down"):
        controller.restore(saved)
    assert controller.session is session
    assert len(session.state.open) == 1
    # The session can be closed in the end.
    files.full = False


def test_a_saved_session_of_another_shape_changes_nothing(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    open_again(controller, jobs, viewer)
    (saved,) = controller.saved_sessions
    controller.image.data = stack[:, :30]
    jobs.run()
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    session, layers = controller.session, list(viewer.layers)
    with pytest.raises(InputError, match="is of an image of shape"):
        controller.restore(saved)
    assert controller.session is session
    assert session.can_undo
    assert list(viewer.layers) == layers


@pytest.mark.parametrize("kind", ["read-only", "lazy", "multiscale"])
def test_labels_that_cannot_be_written_are_refused_before_anything_changes(
    begin: Any, jobs: Any, stack: Any, viewer: Any, kind: str
) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    mine = controller.commit_into(None)
    data: Any = np.zeros(stack.shape, np.int32)
    if kind == "read-only":
        data.flags.writeable = False
    elif kind == "lazy":
        data = da.from_array(data)
    else:
        data = [data, data[:, ::2, ::2]]
    other = viewer.add_layer(Labels(data, multiscale=kind == "multiscale"))
    state = controller.session.state
    with pytest.raises(InputError, match=f"is {kind}. Choose other labels"):
        controller.commit_into(other)
    assert controller.labels is mine
    assert controller.session.state is state
    assert controller.commit() == [1]
    assert (mine.data == 1).sum() == 25


def test_features_say_what_is_in_the_labels(begin: Any, jobs: Any) -> None:
    controller = begin(np.zeros((60, 60), np.uint8))
    controller.add_prompts([Prompt(box=[5, 5, 24, 24]), Prompt(box=[5, 10, 24, 25])])
    jobs.run()
    controller.commit()

    def said_and_true() -> tuple[Any, Any]:
        features, data = controller.labels.features, controller.labels.data
        counts = np.bincount(data.ravel())
        return features["area"].tolist(), counts[features["index"]].tolist()

    said, true = said_and_true()
    assert said == true == [400, 20]
    controller.session.on_overlap = "replace"
    controller.add_prompts([Prompt(box=[0, 0, 14, 14])])
    jobs.run()
    controller.commit()
    said, true = said_and_true()
    assert said == true == [300, 20, 225]
    controller.undo()
    jobs.run()
    said, true = said_and_true()
    assert said == true == [400, 20]


def test_a_commit_that_writes_nothing_says_so(begin: Any, jobs: Any) -> None:
    controller = begin(np.zeros((60, 60), np.uint8))
    said: list[str] = []
    controller.status.connect(said.append)
    controller.add_prompts(
        [Prompt(box=[5, 5, 24, 24]), Prompt(box=[6, 6, 9, 9]), Prompt(box=[7, 7, 9, 9])]
    )
    jobs.run()
    assert controller.commit() == [1]
    jobs.run()
    assert said[-1].startswith(
        "Committed label 1, 400 px. 2 objects stay open, because others have all of their pixels"
    )
    assert [each.id for each in controller.session.state.open] == [2, 3]
    assert controller.commit() == []
    controller.session.on_overlap = "replace"
    assert len(controller.commit()) == 2


def test_redoing_hundreds_of_objects_gives_the_labels_of_before(begin: Any, jobs: Any) -> None:
    controller = begin(np.zeros((100, 100), np.uint8))
    random = np.random.default_rng(0)
    corners = random.integers(0, 85, (160, 2))
    controller.add_prompts([Prompt(box=[r, c, r + 12, c + 12]) for r, c in corners])
    jobs.run()
    controller.commit()
    jobs.run()
    before = controller.labels.data.copy()
    for _ in range(2):
        controller.undo()
        jobs.run()
        assert not controller.labels.data.any()
        controller.redo()
        jobs.run()
        assert np.array_equal(controller.labels.data, before)


def test_views_ask_open_objects_again_and_are_kept_with_the_model(
    begin: Any, jobs: Any, viewer: Any, tiny_model: Any
) -> None:
    controller = begin(np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8))
    controller.host.set_model(tiny_model)
    controller.session.add_box([5, 5, 30, 40])
    jobs.run()
    alone = controller.session.candidates()
    controller.host.set_views(4)
    jobs.run()
    seen = controller.session.candidates()
    model = MultiViewModel(tiny_model, 4)
    plane = controller.session.source.read(controller.plane)
    expected = model.predict(model.embed(plane), Prompt(box=[5, 5, 30, 40]))
    assert np.array_equal(seen.predicted_iou, expected.predicted_iou)
    assert np.array_equal(seen.mask(0), expected.mask(0))
    assert not np.array_equal(seen.predicted_iou, alone.predicted_iou)
    # The same choice once more embeds nothing again.
    before = controller.session.model
    controller.host.set_views(4)
    controller.host.set_model(tiny_model)
    assert controller.session.model is before
    assert len(tiny_model._recent) >= 4, "all views stay prepared"
    controller.host.set_views(1)
    assert controller.session.model is tiny_model
    assert len(tiny_model._recent) == 2


def test_objects_are_followed_in_the_views_of_the_session(
    begin: Any, jobs: Any, viewer: Any, tiny_model: Any
) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (3, 48, 64)).astype(np.uint8)
    controller = begin(stack)
    controller.host.set_model(tiny_model)
    controller.host.set_views(2)
    through = controller.host.through
    through.params = PropagationParams(
        min_score=0.0, min_overlap=0.0, min_similarity=0.0, min_presence=0.0
    )
    box = Prompt(box=[5, 5, 30, 40])
    controller.session.plane = (1, None, None)
    controller.session.add_many([box])
    jobs.run()
    through.start()
    jobs.run()
    model = MultiViewModel(tiny_model, 2)
    found = propagate(stack, {1: {1: box}}, axes="ZYX", model=model, params=through.params)
    answers = found.objects[1].answers
    shown = through.answers
    assert sorted(shown) == sorted(set(answers)) == [0, 1, 2]
    for plane, answer in answers.items():
        assert np.array_equal(shown[plane].mask.mask(0), answer.mask.mask(0))
