"""Painted pixels: the brush and the eraser on the mask of an open object, and merging."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.session import ArraySource, ArrayTarget, Session, provenance, replay
from napari_segany.session.journal import read_journal
from napari_segany.session.painting import apply_paint
from napari_segany.session.state import PaintedPixels

IMAGE = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)


@pytest.fixture
def session(model: Any) -> Session:
    return Session(ArraySource(IMAGE), model)


def square(top: int, left: int, side: int) -> Any:
    mask = np.zeros(IMAGE.shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def preview(session: Session) -> Any:
    found = session.preview()
    assert found is not None
    return found.mask(0)


def labels(session: Session) -> Any:
    assert isinstance(session.labels, ArrayTarget)
    return session.labels.data


def test_strokes_win_over_the_model_and_stay_when_it_is_asked_again(session: Session) -> None:
    session.add_point(10, 20)
    session.ask()
    before = preview(session)
    on, off = square(30, 40, 6), square(9, 19, 2)
    session.paint(on)
    session.paint(off, present=False)
    assert np.array_equal(preview(session), (before | on) & ~off)
    session.next_candidate()
    assert preview(session)[on].all()
    session.add_point(12, 22)
    session.ask()
    assert preview(session)[on].all()
    assert not preview(session)[off].any()
    session.commit()
    assert labels(session).astype(bool)[on].all()
    assert not labels(session)[off].any()


def test_a_stroke_is_one_step_and_the_later_one_counts(session: Session) -> None:
    session.add_point(10, 20)
    session.ask()
    before = preview(session)
    session.paint(square(10, 20, 4), present=False)
    session.paint(square(10, 20, 2))
    assert preview(session)[10, 20]
    assert not preview(session)[13, 23]
    assert session.undo()
    assert not preview(session)[10, 20]
    assert session.undo()
    assert np.array_equal(preview(session), before)
    state = session.state
    session.paint(np.zeros(IMAGE.shape, bool))
    assert session.state is state


def test_an_object_that_was_erased_stays_open(session: Session) -> None:
    session.add_point(10, 20)
    session.ask()
    session.paint(np.ones(IMAGE.shape, bool), present=False)
    assert session.commit() == []
    assert len(session.state.open) == 1


def test_strokes_that_fit_nothing_are_refused(session: Session) -> None:
    with pytest.raises(InputError, match="no object"):
        session.paint(square(1, 1, 3))
    session.add_point(10, 20)
    session.ask()
    with pytest.raises(InputError, match="shape"):
        session.paint(np.ones((3, 4), bool))
    with pytest.raises(InputError, match="image"):
        session.paint([1, 0])
    session.commit()
    with pytest.raises(InputError, match="reopen"):
        session.paint(square(1, 1, 3), number=1)


def test_journal_and_replay_keep_painted_pixels(tmp_path: Path, model: Any) -> None:
    session = Session(ArraySource(IMAGE), model, journal=tmp_path)
    session.add_point(10, 20)
    session.ask()
    session.paint(square(30, 40, 6))
    session.paint(square(9, 19, 2), present=False)
    session.commit()
    session.add_point(30, 10)
    session.ask()
    session.paint(square(32, 12, 9))
    open_now = preview(session)
    # Without close(), as after a kill.
    (path,) = tmp_path.glob("*.jsonl")
    again = Session(ArraySource(IMAGE), model)
    again.restore(read_journal(path, IMAGE.shape))
    assert np.array_equal(labels(again), labels(session))
    again.ask()
    assert np.array_equal(preview(again), open_now)
    assert np.array_equal(replay(provenance(session), session.source, model), labels(session))
    session.close()


def test_records_without_paint_have_no_word_of_it(session: Session) -> None:
    session.add_point(10, 20)
    session.ask()
    session.commit()
    assert "painted" not in str(provenance(session))


def test_merging_is_one_step_and_can_be_done_again_from_the_record(
    session: Session, model: Any
) -> None:
    for row, col in ((10, 20), (14, 24)):
        session.add_point(row, col)
        session.ask()
        session.commit()
    two = labels(session).copy()
    assert set(np.unique(two)) == {0, 1, 2}
    assert session.merge([2], into=1) == [1]
    assert np.array_equal(labels(session), (two > 0).astype(two.dtype))
    assert list(session.state.objects) == [1]
    merged = labels(session).copy()
    assert np.array_equal(replay(provenance(session), session.source, model), merged)
    assert session.undo()
    assert np.array_equal(labels(session), two)
    assert session.redo()
    assert np.array_equal(labels(session), merged)


def test_an_open_object_merges_and_an_open_one_takes_none(session: Session) -> None:
    for row, col in ((10, 20), (14, 24)):
        session.add_point(row, col)
        session.ask()
        if row == 10:
            session.commit()
    with pytest.raises(InputError, match="committed"):
        session.merge([1], into=2)
    assert session.merge([2], into=1) == [1]
    assert session.area(1) == (labels(session) == 1).sum()


def test_opening_an_object_instead_of_another_is_one_step(session: Session) -> None:
    session.add_point(10, 20)
    session.ask()
    session.commit()
    number = session.add_point(11, 21)
    before = session.state
    assert session.reopen(1, instead_of=[number]).id == 1
    assert list(session.state.objects) == [1]
    assert not labels(session).any()
    assert session.undo()
    assert session.state.objects.keys() == before.objects.keys()
    assert labels(session).any()


flags = st.lists(st.booleans(), min_size=6, max_size=6).map(lambda v: np.reshape(v, (2, 3)))


@given(mask=flags, added=flags, removed=flags)
def test_paint_is_added_and_removed_pixel_by_pixel(mask: Any, added: Any, removed: Any) -> None:
    sets = [MaskSet.from_masks(each[None]) for each in (mask, added, removed)]
    painted = PaintedPixels(sets[1], sets[2])
    found = apply_paint(sets[0], painted)
    assert np.array_equal(found.mask(0), (mask | added) & ~removed)
    assert found.area[0] == found.mask(0).sum()
