from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.journal_files import JournalFiles

from napari_segany import Prompt
from napari_segany.errors import Cancelled, InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.session import ArraySource, ArrayTarget, Session
from napari_segany.session.replay import object_table

STACK = np.arange(3 * 40 * 50, dtype=np.uint16).reshape(3, 40, 50)


@pytest.fixture
def session(model: Any) -> Session:
    return Session(ArraySource(STACK), model)


def labels(session: Session) -> Any:
    assert isinstance(session.labels, ArrayTarget)
    return session.labels.data


def test_a_click_a_choice_and_a_commit(session: Session, model: Any) -> None:
    number = session.add_point(10, 20)
    found = session.ask()
    assert found is not None
    assert len(found) == 3
    assert session.preview() is not None
    assert session.next_candidate() == 1

    assert session.commit() == [1]

    wanted = np.zeros((3, 40, 50), np.int32)
    wanted[0, 6:15, 16:25] = 1
    assert np.array_equal(labels(session), wanted)
    assert session.active is None
    assert session.state.objects[number].label == 1
    assert len(model.planes) == 1
    assert np.array_equal(model.planes[0][0], STACK[0])


def test_points_belong_to_the_active_object_until_it_is_committed(session: Session) -> None:
    first = session.add_point(10, 20)
    assert session.add_point(12, 22, positive=False) == first
    prompt = session.state.objects[first].prompt
    assert prompt.points is not None
    assert prompt.points.tolist() == [[10, 20], [12, 22]]
    assert prompt.labels is not None
    assert prompt.labels.tolist() == [1, 0]
    session.ask()
    session.commit()
    assert session.add_point(30, 30) != first


def test_a_point_on_another_plane_begins_another_object(session: Session) -> None:
    first = session.add_point(10, 20)
    session.plane = (2, None, None)
    second = session.add_point(10, 20)
    assert first != second
    assert session.state.objects[first].plane == (0, None, None)
    assert session.state.objects[second].plane == (2, None, None)
    session.ask()
    session.commit([first, second])
    assert set(np.unique(labels(session)[0])) == {0, 1}
    assert not labels(session)[1].any()
    assert set(np.unique(labels(session)[2])) == {0, 2}


def test_a_box_joins_the_points(session: Session) -> None:
    session.add_point(10, 20)
    session.add_box([5, 5, 15, 30])
    assert session.active is not None
    assert repr(session.active.prompt) == "Prompt(1 point, box [5.0, 5.0, 15.0, 30.0])"


def test_many_objects_are_asked_in_one_call_and_committed_in_one_step(
    session: Session, model: Any
) -> None:
    prompts = [Prompt(box=[4 * i, 3, 4 * i + 2, 8]) for i in range(8)]
    numbers = session.add_many(prompts)
    session.ask()
    assert model.asked == prompts
    assert session.commit(numbers) == list(range(1, 9))
    assert len(np.unique(labels(session))) == 9
    assert session.undo()
    assert not labels(session).any()
    assert len(session.state.open) == 8
    assert session.undo()
    assert not session.state.objects


def test_any_plane_can_be_asked(session: Session, model: Any) -> None:
    session.plane = (None, 7, None)
    session.add_point(1, 30)
    session.ask()
    session.commit()
    assert np.array_equal(model.planes[0][0], STACK[:, 7])
    assert labels(session)[1, 7, 30] == 1
    assert labels(session)[:, 6].sum() == 0


def test_undo_and_redo_over_everything(session: Session) -> None:
    images, states = [labels(session).copy()], [session.state]

    def note() -> None:
        images.append(labels(session).copy())
        states.append(session.state)

    first = session.add_point(10, 20)
    note()
    session.ask()
    session.choose(2)
    note()
    session.commit()
    note()
    session.add_box([8, 8, 20, 30])
    note()
    session.ask()
    session.on_overlap = "replace"
    session.commit()
    note()
    session.reopen(first)
    note()
    session.delete([first])
    note()

    for image, state in zip(images[-2::-1], states[-2::-1], strict=True):
        assert session.undo()
        assert np.array_equal(labels(session), image)
        assert session.state is state
    assert not session.undo()
    for image, state in zip(images[1:], states[1:], strict=True):
        assert session.redo()
        assert np.array_equal(labels(session), image)
        assert session.state is state
    assert not session.redo()


def test_a_new_step_forgets_what_was_undone(session: Session) -> None:
    session.add_point(10, 20)
    session.undo()
    session.add_point(11, 21)
    assert not session.can_redo


def test_pixels_that_change_while_they_are_embedded_leave_nothing_behind(
    session: Session,
) -> None:
    session.add_point(10, 20)
    (request,) = session.requests()
    session.forget_image()
    sets = request.predict()
    assert not session.is_embedded(request.plane)
    assert not session.answer(request, sets)
    assert session.requests()


def test_labels_that_are_chosen_late_leave_earlier_steps_to_undo(session: Session) -> None:
    session.add_point(10, 20)
    session.add_point(12, 20)
    session.set_target(ArrayTarget(np.zeros(STACK.shape, np.int32)))
    session.ask()
    session.commit()
    assert [session.undo() for _ in range(4)] == [True, True, True, False]


def test_undoing_needs_no_model(session: Session, model: Any) -> None:
    session.add_point(10, 20)
    session.ask()
    session.add_point(30, 20)
    session.ask()
    session.undo()
    assert session.candidates() is not None
    assert not session.requests()
    assert len(model.asked) == 2


def test_committing_keeps_or_replaces_what_is_there(session: Session) -> None:
    session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    session.add_box([10, 10, 20, 20])
    session.ask()
    session.commit()
    assert labels(session)[0, 12, 12] == 1
    session.undo()
    session.on_overlap = "replace"
    session.commit()
    assert labels(session)[0, 12, 12] == 3, "labels are never used twice"


def test_what_was_painted_by_hand_is_never_taken_back(session: Session) -> None:
    session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    labels(session)[0, 7] = 9
    labels(session)[0, 9, 9] = 0
    session.undo()
    assert (labels(session)[0, 7] == 9).all()
    assert labels(session).sum() == 9 * 50
    session.redo()
    assert labels(session)[0, 7, 7] == 9
    assert labels(session)[0, 9, 9] == 1


def test_an_object_taken_out_from_below_does_not_come_back(session: Session) -> None:
    session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    session.add_box([10, 10, 20, 20])
    session.ask()
    session.on_overlap = "replace"
    session.commit()
    lower, upper = (each.id for each in session.state.committed)
    session.delete([lower])
    session.delete([upper])
    assert not labels(session).any()


def test_an_object_that_others_undid_is_open_again(session: Session) -> None:
    number = session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    labels(session)[labels(session) == 1] = 0
    assert session.check_labels() == [number]
    assert session.state.open[0].id == number
    assert session.check_labels() == []
    assert session.commit([number]) == [1], "its label is its own"


def test_answers_that_come_too_late_are_left_out(session: Session) -> None:
    session.add_point(10, 20)
    (request,) = session.requests()
    session.add_point(30, 20)
    assert not session.answer(request, request.predict())
    assert session.candidates() is None
    session.undo()
    assert session.candidates() is not None, "but they are remembered"


def test_an_answer_of_another_model_is_left_out(session: Session, make_model: Any) -> None:
    session.add_point(10, 20)
    (request,) = session.requests()
    session.model = make_model()
    assert not session.answer(request, request.predict())
    assert session.requests()


def test_planes_are_embedded_once(session: Session, model: Any) -> None:
    for _ in range(3):
        session.add_point(10, 20)
        session.ask()
    assert len(model.planes) == 1
    assert session.is_embedded((0, None, None))
    assert not session.is_embedded((1, None, None))
    session.forget_image()
    session.ask()
    assert len(model.planes) == 2


def test_labels_of_a_small_type_end(model: Any) -> None:
    data = np.zeros((40, 50), np.uint8)
    data[0, 0] = 255
    session = Session(ArraySource(STACK[0]), model, ArrayTarget(data))
    session.add_point(20, 20)
    session.ask()
    before = session.state
    with pytest.raises(InputError, match="uint8, which ends at 255"):
        session.commit()
    assert session.state is before
    assert data.sum() == 255


def test_a_failed_write_leaves_everything_as_it_was(session: Session) -> None:
    numbers = session.add_many([Prompt(box=[2, 2, 9, 9]), Prompt(box=[20, 20, 30, 30])])
    session.ask()
    target, count = session.labels, 0
    write = target.write

    def failing(*arguments: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError("disk full")
        write(*arguments)

    target.write = failing  # type: ignore[method-assign]
    before = session.state
    with pytest.raises(OSError, match="disk full"):
        session.commit(numbers)
    assert session.state is before
    assert not labels(session).any()
    assert session.commit(numbers)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: s.add_point(40, 20), "outside the plane"),
        (lambda s: s.add_box([5, 5, 5, 9]), "min < max"),
        (lambda s: s.commit([7]), "no object 7"),
        (lambda s: s.choose(0), "no object None"),
        (lambda s: s.reopen(3), "no object 3"),
        (lambda s: s.delete([3]), "no object 3"),
        (lambda s: s.set_prompt(Prompt(box=[1, 1, 2, 2]), (0, 0, None)), "is no plane"),
        (lambda s: s.set_prompt(Prompt(box=[1, 1, 2, 2]), (3, None, None)), "is no plane"),
        (lambda s: s.add_many([Prompt(points=[[99, 2]])]), "outside the plane"),
        (lambda s: (s.add_point(1, 1), s.commit()), "not segmented yet"),
        (lambda s: (s.add_point(1, 1), s.choose(0)), "no candidates"),
        (lambda s: (s.add_point(1, 1), s.ask(), s.choose(3)), "candidates 0..2, got 3"),
    ],
)
def test_what_cannot_be_done_is_said(session: Session, act: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        act(session)


def test_without_a_model_prompts_can_be_set_but_not_asked() -> None:
    session = Session(ArraySource(STACK))
    session.add_point(3, 3)
    with pytest.raises(InputError, match="no model yet"):
        session.ask()


def test_asking_can_be_stopped(session: Session) -> None:
    session.add_point(3, 3)
    with pytest.raises(Cancelled):
        session.ask(should_stop=lambda: True)
    assert session.ask() is not None


def test_a_session_goes_on_without_a_journal_that_cannot_be_written(
    model: Any, tmp_path: Path
) -> None:
    session, files = Session(ArraySource(STACK), model), JournalFiles()
    session.begin_journal(tmp_path, files.open_journal)
    said: list[str] = []
    session.trouble.connect(said.append)
    files.full = True
    session.add_point(10, 20)
    session.ask()
    assert session.commit() == [1]
    assert len(said) == 1
    assert "No space left" in said[0]
    files.full = False
    session.close()


def test_an_object_below_another_is_not_lost(session: Session) -> None:
    session.on_overlap = "replace"
    first = session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    second = session.add_box([4, 4, 16, 16])
    session.ask()
    session.commit()
    assert not (labels(session) == 1).any()
    assert session.check_labels() == []
    session.delete([second])
    assert (labels(session) == 1).sum() == 121
    assert [each.id for each in session.state.committed] == [first]


def test_an_object_that_was_painted_over_is_given_up(session: Session) -> None:
    session.on_overlap = "replace"
    number = session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    labels(session)[labels(session) == 1] = 77
    assert session.check_labels() == [number]
    assert number not in session.state.objects
    session.add_box([20, 20, 25, 25])
    session.ask()
    session.commit()
    assert (labels(session) == 77).sum() == 121, "what was painted stays"


def test_a_commit_that_gets_no_pixel_stays_open(session: Session) -> None:
    session.add_box([5, 5, 15, 15])
    session.ask()
    session.commit()
    number = session.add_box([6, 6, 14, 14])
    session.ask()
    assert session.commit() == []
    each = session.state.objects[number]
    assert each.commit is None
    assert each.label is None
    # With another that fits, in one step.
    other = session.add_box([20, 20, 25, 25])
    session.ask()
    (label,) = session.commit([number, other])
    assert (labels(session) == label).sum() == 36
    session.undo()
    assert not (labels(session) == label).any()


def test_labels_that_objects_bring_along_do_not_collide(session: Session) -> None:
    session.add_box([5, 5, 15, 15])
    session.ask()
    assert session.commit() == [1]
    boxes = [Prompt(box=[20, 20, 25, 25]), Prompt(box=[30, 30, 35, 35]), Prompt(box=[1, 30, 3, 33])]
    numbers = session.add_many(boxes, labels=[1, 9, 9])
    session.ask()
    given = session.commit(numbers)
    assert len({1, *given}) == 4
    assert given[1] == 9


def test_a_label_that_does_not_fit_is_told(model: Any) -> None:
    small = ArrayTarget(np.zeros(STACK.shape, np.uint8))
    session = Session(ArraySource(STACK), model, small)
    numbers = session.add_many([Prompt(box=[20, 20, 25, 25])], labels=[300])
    session.ask()
    with pytest.raises(InputError, match="uint8"):
        session.commit(numbers)
    assert not small.data.any()


def test_the_given_memory_for_embeddings_is_used(model: Any) -> None:
    cache = EmbeddingCache(1234)
    assert Session(ArraySource(STACK), model, cache=cache).embeddings is cache


def test_a_free_label_is_none_that_an_object_beside_it_brings_along(session: Session) -> None:
    boxes = [Prompt(box=[a, a, a + 5, a + 5]) for a in (2, 12, 22)]
    numbers = session.add_many(boxes, labels=[1, None, 2])
    session.ask()
    assert session.commit(numbers) == [1, 2, 3]
    assert sorted(np.unique(labels(session))) == [0, 1, 2, 3]


def test_a_label_that_goes_through_planes_is_one_object(model: Any) -> None:
    stack = np.zeros((3, 30, 40), np.uint8)
    session = Session(ArraySource(stack), model)
    planes = [(0, None, None), (1, None, None), (1, None, None), (None, 5, None)]
    boxes = [
        Prompt(box=box) for box in ([2, 2, 9, 9], [2, 2, 9, 9], [15, 15, 25, 25], [0, 2, 2, 20])
    ]
    numbers = session.add_many(boxes, planes=planes, labels=[7, 7, 7, 7])
    session.ask()
    assert session.commit(numbers) == [7, 7, 1, 2]
    assert object_table(session.state, session.area)["index"].tolist() == [7, 1, 2]
