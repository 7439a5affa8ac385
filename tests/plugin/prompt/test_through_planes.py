"""An open object followed through the planes of a stack, without a window."""

import itertools
from typing import Any

import numpy as np
import pytest
from tests.linking.propagation.bright import BrightModel, balls

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check
from napari_segany.errors import Cancelled, InputError
from napari_segany.linking.propagation import doubts
from napari_segany.plugin.layers.transforms import plane_step
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.through_panel import describe
from napari_segany.plugin.prompt.through_planes import ThroughPlanes
from napari_segany.session.through_planes import PlaneAxis, refined

VOLUME, TRUTH = balls((20, 40, 50), (9, 18, 20, 7), (9, 30, 42, 4))


@pytest.fixture
def model() -> Any:
    return BrightModel()


@pytest.fixture
def controller(begin: Any, jobs: Any) -> Any:
    """A session with the first ball prompted on its largest plane."""
    made = begin(VOLUME, scale=(1, 1, 1))
    click(made, jobs, 9, 18, 20)
    return made


def click(controller: Any, jobs: Any, *position: float) -> None:
    for axis, number in enumerate(position[:-2]):
        controller.viewer.dims.set_current_step(axis, int(number))
    controller.points.add(np.array(position, float))
    jobs.run()


def follow(controller: PromptController, jobs: Any) -> ThroughPlanes:
    controller.host.through.start()
    jobs.run()
    return controller.host.through


def is_ball(labels: Any, number: int = 1) -> bool:
    """Return True if all that is labelled is the ball, less what tapers off at its ends."""
    truth = number == TRUTH
    found = np.asarray(labels) > 0
    return not (found & ~truth).any() and found.sum() > 0.9 * truth.sum()


def test_an_object_is_followed_shown_and_committed_in_one_step(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    assert is_ball(controller.preview_layer.data)
    assert through.prompted == {9}
    assert through.answers[9].source == "prompt"
    assert through.count == 20
    controller.commit()
    jobs.run()
    labels = controller.labels.data.copy()
    assert is_ball(labels)
    assert set(np.unique(labels)) == {0, 1}
    assert not controller.preview_layer.data.any()
    assert through.planes is None
    controller.undo()
    jobs.run()
    assert not controller.labels.data.any()
    # What was found is still known.
    assert is_ball(controller.preview_layer.data)
    controller.redo()
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)


def test_hundreds_of_planes_are_one_step(begin: Any, jobs: Any) -> None:
    rod = np.full((140, 20, 20), 20, np.uint8)
    rod[3:137, 6:12, 6:12] = 200
    controller = begin(rod)
    click(controller, jobs, 70, 8, 8)
    follow(controller, jobs)
    controller.commit()
    jobs.run()
    assert np.array_equal(controller.labels.data > 0, rod > 100)
    assert len(controller.session.state.committed) == 134
    controller.undo()
    jobs.run()
    assert not controller.labels.data.any()
    assert len(controller.session.state.objects) == 1


def test_a_click_on_another_plane_corrects_the_object(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    before = dict(through.answers)
    click(controller, jobs, 12, 18, 20)
    first, second = controller.session.state.open
    assert (second.part_of, second.plane) == (first.id, (12, None, None))
    # The mask that was found there is refined, within its box.
    assert second.prompt.has_mask
    assert second.prompt.box.tolist() == [
        *before[12].mask.boxes[0, :2],
        *(before[12].mask.boxes[0, 2:] - 1),
    ]
    assert len(controller.shapes.data) == 1
    assert through.prompted == {9, 12}
    assert through.is_current
    assert through.answers[12].source == "prompt"
    # Planes before the first prompt are not searched again.
    assert through.answers[5] is before[5]
    controller.commit()
    jobs.run()
    assert is_ball(controller.labels.data)
    assert set(np.unique(controller.labels.data)) == {0, 1}


def test_a_click_goes_to_the_part_of_its_plane(controller: Any, jobs: Any) -> None:
    follow(controller, jobs)
    click(controller, jobs, 12, 18, 20)
    click(controller, jobs, 9, 16, 22)
    first, second = controller.session.state.open
    assert first.prompt.points.tolist() == [[18, 20], [16, 22]]
    assert len(second.prompt.points) == 1


def test_prompts_of_every_plane_come_back(controller: Any, jobs: Any, viewer: Any) -> None:
    follow(controller, jobs)
    click(controller, jobs, 12, 18, 20)
    controller.commit()
    jobs.run()
    labels = controller.labels.data.copy()
    controller.reopen(1)
    jobs.run()
    assert [each.plane[0] for each in controller.session.state.open] == [9, 12]
    assert controller.points.data[:, 0].tolist() == [9, 12]
    assert not controller.labels.data.any()
    assert is_ball(controller.preview_layer.data)
    controller.undo()
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)
    # The same from the journal, in another session.
    controller.close_session()
    controller.open_image(viewer.layers["image"])
    jobs.run()
    controller.restore(controller.saved_sessions[0])
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)
    controller.reopen(1)
    jobs.run()
    assert controller.host.through.planes is None
    follow(controller, jobs)
    controller.commit()
    jobs.run()
    assert np.array_equal(controller.labels.data > 0, labels > 0)


def test_a_saved_session_gives_the_same_labels(controller: Any, jobs: Any, viewer: Any) -> None:
    follow(controller, jobs)
    controller.commit()
    jobs.run()
    controller.replay(controller.provenance())
    jobs.run()
    assert np.array_equal(viewer.layers[-1].data, controller.labels.data)


def test_planes_without_the_object_end_it(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    with pytest.raises(InputError, match="prompted on this plane"):
        through.toggle_absent()
    controller.viewer.dims.set_current_step(0, 12)
    assert through.toggle_absent()
    jobs.run()
    assert through.absent == {12}
    assert max(through.answers) == 11
    assert not controller.preview_layer.data[12:].any()
    assert not through.toggle_absent()
    jobs.run()
    assert is_ball(controller.preview_layer.data)
    # A click there says that it is there after all.
    through.toggle_absent()
    jobs.run()
    click(controller, jobs, 12, 18, 20)
    assert through.absent == frozenset()
    assert through.prompted == {9, 12}


def test_planes_that_deserve_a_look_are_gone_through(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    assert not through.is_any_to_check
    with pytest.raises(InputError, match="No plane is doubtful"):
        through.next_doubtful()
    follow(controller, jobs)
    # Though no confidence is below the limit, three planes are proposed.
    assert through.doubtful == []
    assert through.is_any_to_check
    assert len(through.to_check(1)) == 3
    through.params = type(through.params)(doubtful=0.97)
    ranked = through.to_check(1)
    assert set(ranked) > set(through.doubtful[:1])
    assert len(ranked) > 3
    seen = [through.next_doubtful() for _ in range(len(ranked) + 1)]
    assert seen == [*ranked, ranked[0]]
    assert controller.plane == (ranked[0], None, None)


def test_the_plane_behind_an_end_is_shown_where_the_object_was(
    controller: Any, jobs: Any, monkeypatch: Any
) -> None:
    # A ball ends where it should, and is less sure elsewhere.
    monkeypatch.setattr(doubts, "END_CONFIDENCE", 0.1)
    through, told = follow(controller, jobs), list[str]()
    monkeypatch.setattr(through, "_tell", told.append)
    ends = [n for n in through.to_check(1) if n not in through.answers]
    assert len(ends) == 2
    assert all(n - 1 in through.answers or n + 1 in through.answers for n in ends)
    for _ in through.to_check(1):
        if (number := through.next_doubtful()) in ends:
            assert told[-1] == f"Object 1 ends before plane {number}. Click on it if it is there."
            break
    sure = next(n for n in through.to_check(1) if n not in ends)
    while through.next_doubtful() != sure:
        pass
    said = f"Object 1, plane {sure}: confidence {through.answers[sure].confidence:.2f}."
    assert told[-1] == f"{said} Correct it or press Not here."
    while (number := through.next_doubtful()) not in ends:
        pass
    # Said not to be there, it is no longer proposed.
    through.toggle_absent()
    jobs.run()
    assert number not in through.to_check(1)


def test_what_is_being_followed_is_not_committed(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    through.start()
    with pytest.raises(InputError, match="being followed"):
        controller.commit()
    controller.stop()
    assert not through.running
    jobs.run()
    assert through.answers == {}
    # It is open as before, and one plane is committed.
    controller.commit()
    assert np.flatnonzero(controller.labels.data.any(axis=(1, 2))).tolist() == [9]


def test_stopping_keeps_what_was_found_before(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    known = dict(through.answers)
    controller.viewer.dims.set_current_step(0, 12)
    through.toggle_absent()
    controller.stop()
    jobs.run()
    assert dict(through.answers) == known
    assert not through.is_current
    with pytest.raises(InputError, match="prompts have changed"):
        controller.commit()
    through.start()
    jobs.run()
    assert max(through.answers) == 11


def test_a_job_that_gave_way_begins_anew(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    through.start()
    _, _, key, work, done, _ = jobs.waiting.pop()
    calls = itertools.count()
    with pytest.raises(Cancelled):
        work(lambda: next(calls) > 8)
    assert 0 < len(through.answers) < 14
    done(work(lambda: False))
    jobs.run()  # A slow machine draws the preview in several turns.
    assert key == "through planes"
    assert is_ball(controller.preview_layer.data)


def test_an_error_is_told_and_not_repeated(controller: Any, jobs: Any, model: Any) -> None:
    told: list[str] = []
    controller.status.connect(lambda text, severity: told.append(text))

    def fail(*_: Any, **options: Any) -> Any:
        check(options.get("should_stop"))
        raise InputError("The model is out of order.")

    model.prepare = fail
    through = follow(controller, jobs)
    assert told == ["The model is out of order."]
    assert not through.running
    assert controller.preview_layer.data[9].any()


def test_impossible_requests_are_refused(begin: Any, jobs: Any) -> None:
    controller = begin(VOLUME[9])
    through = controller.host.through
    with pytest.raises(InputError, match="no open object"):
        through.start()
    controller.points.add(np.array([18.0, 20]))
    jobs.run()
    with pytest.raises(InputError, match="one plane"):
        through.start()
    with pytest.raises(InputError, match="Press Through planes"):
        through.toggle_absent()
    with pytest.raises(InputError, match="Press Through planes"):
        through.go_to(0)


def test_an_object_without_candidates_is_refused(begin: Any, jobs: Any) -> None:
    controller = begin(VOLUME)
    controller.host.live = False
    click(controller, jobs, 9, 18, 20)
    with pytest.raises(InputError, match="not segmented yet"):
        controller.host.through.start()


def test_objects_on_other_planes_wait_until_the_first_is_committed(begin: Any, jobs: Any) -> None:
    controller = begin(np.stack([VOLUME] * 2))
    click(controller, jobs, 0, 9, 18, 20)
    through = follow(controller, jobs)
    controller.sync.mode = "many"
    click(controller, jobs, 1, 9, 18, 20)
    with pytest.raises(InputError, match="Object 1 went through other planes and is not committed"):
        through.start()
    assert through.wholes == (1,)
    controller.commit()
    jobs.run()
    click(controller, jobs, 1, 9, 18, 20)
    follow(controller, jobs)
    controller.commit()
    jobs.run()
    assert is_ball(controller.labels.data[0] == 1)
    assert is_ball(controller.labels.data[1] > 1)


def test_an_object_whose_only_mask_is_empty_waits(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    controller.points.data = np.array([[9.0, 0, 0]])
    jobs.run()
    assert controller.session.preview() is not None
    assert not through.is_current
    with pytest.raises(InputError, match="no mask on a plane"):
        through.start()
    controller.undo()
    jobs.run()
    assert through.is_current


def test_a_correction_without_a_mask_takes_nothing_away(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    shown = controller.preview_layer.data.copy()
    told: list[str] = []
    controller.status.connect(lambda text, severity="info": told.append(text))
    click(controller, jobs, 12, 0, 0)
    assert [each.plane[0] for each in controller.session.state.open] == [9, 12]
    assert np.array_equal(controller.preview_layer.data, shown)
    assert through.prompted == {9}
    assert [each.plane[0] for each in through.without_mask] == [12]
    assert "prompts on plane 12 give no mask, what is found there stays" in describe(through)
    # Further prompts there go to the same part.
    controller.points.add(np.array([12.0, 1, 0]))
    jobs.run()
    assert len(controller.session.state.open) == 2
    controller.undo()
    jobs.run()
    controller.min_predicted_iou = 0.5
    controller.commit()
    jobs.run()
    labels = controller.labels.data.copy()
    assert is_ball(labels)
    assert labels[12].any()
    assert not controller.session.state.open
    assert "1 correction gave no mask and was deleted; what was found there is kept." in told[-1]
    assert "stay" not in told[-1]
    # All of it is one step.
    controller.undo()
    jobs.run()
    assert not controller.labels.data.any()
    assert [each.plane[0] for each in controller.session.state.open] == [9, 12]
    controller.redo()
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)


def test_a_correction_whose_mask_is_lost_gives_back_what_was_found(
    controller: Any, jobs: Any
) -> None:
    through = follow(controller, jobs)
    shown = controller.preview_layer.data.copy()
    click(controller, jobs, 12, 18, 20)
    assert through.prompted == {9, 12}
    # The point on plane 12 is moved off everything, far from the mask that it refined.
    number = controller.session.state.open[1].id
    prompts = {each.id: (each.plane, each.prompt) for each in controller.session.state.open}
    prompts[number] = prompts[number][0], Prompt([[0, 0]], [1])
    controller.session.set_open(prompts)
    controller.segment()
    jobs.run()
    assert through.prompted == {9}
    assert np.array_equal(controller.preview_layer.data, shown)


def test_many_objects_are_never_joined(controller: Any, jobs: Any) -> None:
    follow(controller, jobs)
    controller.sync.mode = "many"
    click(controller, jobs, 12, 30, 42)
    assert [each.part_of for each in controller.session.state.open] == [None, None]


def test_a_point_far_off_begins_a_part_of_its_own(controller: Any, jobs: Any) -> None:
    follow(controller, jobs)
    click(controller, jobs, 9, 30, 42)
    click(controller, jobs, 10, 30, 42)
    part = controller.session.state.open[-1]
    assert (part.part_of, part.prompt.has_mask) == (1, False)


def test_other_pixels_make_the_result_outdated(controller: Any, jobs: Any, viewer: Any) -> None:
    through = follow(controller, jobs)
    viewer.layers["image"].data = VOLUME.copy()
    assert not through.is_current
    jobs.run()
    assert through.is_current
    assert is_ball(controller.preview_layer.data)


def test_time_is_followed_by_motion(begin: Any, jobs: Any) -> None:
    controller = begin(VOLUME, axis_labels=("t", "y", "x"))
    through = controller.host.through
    through.suit_axis()
    assert through.params.predict_motion
    assert through.axis_names == ("t", "y", "x")


@pytest.mark.parametrize(
    ("placed", "step"),
    [
        ({}, None),
        ({"scale": (2.5, 1, 1)}, 2.5),
        ({"scale": (0.5, 0.1, 0.1), "units": ("um", "um", "um")}, 5),
        ({"scale": (500, 0.1, 0.1), "units": ("nm", "um", "um")}, 5),
        ({"scale": (1, 1, 1), "units": ("um", "um", "um")}, 1),
        ({"scale": (3, 0.1, 0.1), "units": ("s", "um", "um")}, None),
    ],
)
def test_the_step_between_planes_is_read(begin: Any, placed: Any, step: Any) -> None:
    view = begin(VOLUME, **placed).view
    assert plane_step(view, 0, (9, None, None)) == pytest.approx(step)


def test_planes_are_numbered_along_their_axis() -> None:
    planes = PlaneAxis(1, (3, 4, None, None))
    assert planes.plane(7) == (3, 7, None, None)
    assert planes.number((3, 9, None, None)) == 9
    assert planes.number((2, 9, None, None)) is None
    assert planes.number((3, None, 9, None)) is None
    assert planes.number(None) is None


def test_points_refine_a_mask_nearby() -> None:
    mask = MaskSet.from_masks(np.pad(np.ones((1, 10, 20), bool), ((0, 0), (10, 30), (10, 30))))
    near = refined(Prompt(points=[[12, 34], [15, 15]], labels=[1, 0]), mask)
    assert near.has_mask
    assert near.box is not None
    assert near.box.tolist() == [10, 10, 19, 34]
    far = Prompt(points=[[40, 15]])
    assert refined(far, mask) is far
    off = refined(Prompt(points=[[40, 15]], labels=[0]), mask)
    assert off.box is not None
    assert off.box.tolist() == [10, 10, 19, 29]
    boxed = Prompt(points=[[12, 14]], box=[10, 10, 20, 20])
    assert refined(boxed, mask) is boxed
