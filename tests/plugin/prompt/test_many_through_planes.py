"""Several open objects followed through the planes of a stack together, without a window."""

import itertools
from typing import Any

import numpy as np
import pytest
from tests.linking.propagation.bright import BrightModel, balls

from napari_segany.errors import Cancelled, InputError
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.session import Session
from napari_segany.session.journal import read_journal

VOLUME, TRUTH = balls((20, 40, 50), (9, 12, 12, 7), (10, 28, 36, 6))


@pytest.fixture
def model() -> Any:
    return BrightModel()


@pytest.fixture
def controller(begin: Any, jobs: Any) -> Any:
    """A session with both balls prompted on plane 9, the second one active."""
    made = begin(VOLUME, scale=(1, 1, 1))
    made.sync.mode = "many"
    click(made, jobs, 9, 12, 12)
    click(made, jobs, 9, 28, 36)
    return made


def click(controller: Any, jobs: Any, *position: float) -> None:
    controller.viewer.dims.set_current_step(0, int(position[0]))
    controller.points.add(np.array(position, float))
    jobs.run()


def follow(controller: PromptController, jobs: Any) -> Any:
    controller.host.through.start()
    jobs.run()
    return controller.host.through


def is_ball(found: Any, number: int) -> bool:
    """Return True if a mask is a ball, less what tapers off at its ends."""
    truth = number == TRUTH
    return not (found & ~truth).any() and found.sum() > 0.9 * truth.sum()


def test_all_open_objects_are_followed_and_committed_in_one_step(
    controller: Any, jobs: Any
) -> None:
    through = follow(controller, jobs)
    assert through.wholes == (1, 2)
    assert through.whole == 2
    preview = controller.preview_layer.data
    assert is_ball(preview % 64 == 2, 1)
    assert is_ball(preview % 64 == 3, 2)
    controller.commit()
    jobs.run()
    labels = controller.labels.data.copy()
    assert is_ball(labels == 1, 1)
    assert is_ball(labels == 2, 2)
    assert not controller.preview_layer.data.any()
    controller.undo()
    jobs.run()
    assert not controller.labels.data.any()
    assert len(controller.session.state.objects) == 2
    assert through.wholes == (1, 2)
    controller.redo()
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)


def test_planes_of_objects_are_counted(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    steps: list[tuple[int, int]] = []
    through.job.report = lambda done, total: steps.append((done, total))
    follow(controller, jobs)
    assert steps[-1] == (38, 38)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_only_the_active_object_is_followed(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    through.only_active = True
    follow(controller, jobs)
    assert through.wholes == (2,)
    assert (controller.preview_layer.data % 64 == 2).any(axis=(1, 2)).sum() == 1
    # The other one later: what was found of the first is not searched again.
    before = dict(through.answers)
    controller.session.reopen(1)
    follow(controller, jobs)
    assert through.wholes == (2, 1)
    assert through.whole == 1
    controller.session.reopen(2)
    now = through.answers
    assert all(now[number] is answer for number, answer in before.items() if number != 9)


def test_a_correction_searches_only_its_object(controller: Any, jobs: Any, model: Any) -> None:
    through = follow(controller, jobs)
    first = dict(through.found.answers(1))
    controller.sync.mode = "one"
    click(controller, jobs, 12, 28, 36)
    assert controller.session.state.open[-1].part_of == 2
    now = through.found.answers(1)
    assert all(now[number] is answer for number, answer in first.items() if number != 9)
    assert through.prompted == {9, 12}
    # The object that is active is the one that a click is about.
    controller.session.reopen(1)
    click(controller, jobs, 13, 12, 12)
    assert controller.session.state.open[-1].part_of == 1


def test_neighbours_stop_one_another(begin: Any, jobs: Any) -> None:
    rod = np.full((20, 30, 30), 20, np.uint8)
    rod[:, 10:18, 10:18] = 200
    controller = begin(rod)
    controller.sync.mode = "many"
    click(controller, jobs, 3, 14, 14)
    click(controller, jobs, 14, 14, 14)
    through = follow(controller, jobs)
    one, two = (set(through.found.answers(whole)) for whole in (1, 2))
    assert one
    assert two
    assert not one & two
    assert max(one) < min(two)


def test_objects_without_candidates_are_refused(controller: Any, jobs: Any) -> None:
    controller.host.live = False
    click(controller, jobs, 9, 33, 36)
    controller.session.reopen(1)
    with pytest.raises(InputError, match="not segmented yet"):
        controller.host.through.start()
    controller.host.through.only_active = True
    assert follow(controller, jobs).wholes == (1,)


def test_what_is_empty_is_left_out(controller: Any, jobs: Any) -> None:
    click(controller, jobs, 9, 0, 0)
    controller.session.reopen(1)
    assert follow(controller, jobs).wholes == (1, 2)


def stop_after(controller: Any, jobs: Any, polls: int) -> None:
    """Stop the job that waits after it has asked so often if it should."""
    (job,) = [job for job in jobs.waiting if job[2] == "through planes"]
    calls = itertools.count()
    with pytest.raises(Cancelled):
        job[3](lambda: next(calls) > polls)
    controller.stop()
    jobs.run()


def test_what_was_found_until_a_stop_stays(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    through.start()
    stop_after(controller, jobs, 40)
    assert not through.running
    assert through.is_current
    found = {whole: set(through.found.answers(whole)) for whole in (1, 2)}
    assert all(9 in planes and 2 < len(planes) < 10 for planes in found.values())
    assert all(through.found.is_stopped(whole) for whole in (1, 2))
    shown = controller.preview_layer.data.any(axis=(1, 2))
    assert set(np.flatnonzero(shown).tolist()) == found[1] | found[2]
    controller.commit()
    jobs.run()
    labels = controller.labels.data
    for whole in (1, 2):
        planes = (labels == whole).any(axis=(1, 2))
        assert set(np.flatnonzero(planes).tolist()) == found[whole]
    controller.undo()
    jobs.run()
    # It goes on.
    follow(controller, jobs)
    assert not through.found.is_stopped(1)
    controller.commit()
    jobs.run()
    # A label that was taken back is not given again.
    assert is_ball(controller.labels.data == 3, 1)
    assert is_ball(controller.labels.data == 4, 2)


def test_a_second_stop_keeps_what_reaches_further(controller: Any, jobs: Any) -> None:
    through = controller.host.through
    kept = []
    for polls in (40, 80, 20):
        through.start()
        stop_after(controller, jobs, polls)
        kept.append({whole: set(through.found.answers(whole)) for whole in (1, 2)})
    first, second, third = kept
    assert all(first[whole] < second[whole] for whole in (1, 2))
    # One that was stopped earlier takes nothing away.
    assert third == second
    controller.commit()
    jobs.run()
    for whole in (1, 2):
        planes = (controller.labels.data == whole).any(axis=(1, 2))
        assert set(np.flatnonzero(planes).tolist()) == second[whole]


def test_one_of_them_is_committed_and_the_other_stays(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    controller.commit_into(None)
    controller.session.commit([1])
    jobs.run()
    assert through.wholes == (2,)
    assert through.is_current
    controller.commit()
    jobs.run()
    assert is_ball(controller.labels.data == 2, 2)


def test_doubtful_planes_of_all_objects_are_gone_through(controller: Any, jobs: Any) -> None:
    through = follow(controller, jobs)
    through.params = type(through.params)(doubtful=0.97)
    second, first = through.to_check(2), through.to_check(1)
    assert len(second) > 3
    seen = []
    for _ in range(len(second) + 1):
        number = through.next_doubtful()
        seen.append((through.whole, number))
    assert seen == [*((2, number) for number in second), (1, first[0])]
    assert controller.session.active.id == 1
    for _ in first:
        through.next_doubtful()
    assert (through.whole, through.shown) == (2, second[0])


def test_absences_are_steps_that_journals_keep(
    controller: Any, jobs: Any, viewer: Any, tmp_path: Any
) -> None:
    through = follow(controller, jobs)
    before = dict(through.answers)
    controller.viewer.dims.set_current_step(0, 13)
    through.toggle_absent()
    jobs.run()
    assert through.absent == {13}
    assert max(through.answers) == 12
    controller.undo()
    jobs.run()
    assert through.absent == frozenset()
    assert set(through.answers) == set(before)
    controller.redo()
    jobs.run()
    assert max(through.answers) == 12
    controller.commit()
    jobs.run()
    labels = controller.labels.data.copy()
    assert not (labels[13:] == 2).any()
    record = controller.provenance()
    controller.close_session()
    controller.open_image(viewer.layers["image"])
    jobs.run()
    controller.restore(controller.saved_sessions[0])
    jobs.run()
    assert np.array_equal(controller.labels.data, labels)
    assert controller.provenance()["steps"] == record["steps"]
    controller.replay(record)
    jobs.run()
    assert np.array_equal(viewer.layers[-1].data, labels)
    # Open again, it is still known not to be there.
    controller.reopen(2)
    jobs.run()
    follow(controller, jobs)
    assert through.absent == {13}
    assert max(through.answers) == 12


def test_absences_of_an_open_object_outlive_the_session(
    controller: Any, jobs: Any, tmp_path: Any
) -> None:
    through = follow(controller, jobs)
    controller.viewer.dims.set_current_step(0, 13)
    through.toggle_absent()
    jobs.run()
    journal = controller.host.journals._journal
    assert journal is not None
    state = controller.session.state
    controller.session.close()
    restored = Session(controller.session.source, BrightModel())
    restored.restore(read_journal(journal.path))
    assert restored.state.absent_planes(2) == {(13, None, None)}
    assert restored.state.absent_planes(2) == state.absent_planes(2)
