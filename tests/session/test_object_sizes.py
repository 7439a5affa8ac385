"""Prompts on large planes record the size of their object, in journals and replays, too."""

from pathlib import Path
from typing import Any

import numpy as np
from tests.stub import StubModel

from napari_segany import Prompt, SamModel
from napari_segany.core.image_source import ArraySource
from napari_segany.models.tiled_model import TiledModel
from napari_segany.session.journal import read_journal
from napari_segany.session.replay import provenance, replay
from napari_segany.session.serialization import prompt_from_record, prompt_to_record
from napari_segany.session.session import Session

PLANE = np.random.default_rng(2).integers(0, 255, (90, 2200)).astype(np.uint8)


def begin(model: Any, **options: Any) -> Session:
    session = Session(ArraySource(PLANE), model, **options)
    session.object_size = 7
    return session


def test_records_have_the_size_where_there_is_one() -> None:
    assert "object_size" not in prompt_to_record(Prompt(points=[(1, 2)]))
    record = prompt_to_record(Prompt(points=[(1, 2)], object_size=7.5))
    assert record["object_size"] == 7.5
    again = prompt_from_record(record, (9, 9))  # type: ignore[arg-type]
    assert again.object_size == 7.5


def test_new_objects_have_the_size_of_the_session_and_keep_it() -> None:
    session = begin(StubModel())
    session.add_point(30, 700)
    session.object_size = 20
    session.add_point(32, 702)
    assert session.active is not None
    assert session.active.prompt.object_size == 7
    assert session.active.before is not None
    other = session.add_many([Prompt(points=[(5, 5)]), Prompt(points=[(9, 9)], object_size=3)])
    sizes = [session.state.find(number).prompt.object_size for number in other]
    assert sizes == [20, 3]


def test_the_size_of_the_model_is_recorded_too() -> None:
    session = Session(ArraySource(PLANE), TiledModel(StubModel(), object_size=9))  # type: ignore
    session.add_point(30, 700)
    assert session.active is not None
    assert session.active.prompt.object_size == 9


def test_replays_and_restored_sessions_give_the_same_labels(
    tiny_model: SamModel, tmp_path: Path
) -> None:
    session = begin(tiny_model, journal=tmp_path)
    session.add_point(30, 700)
    session.ask()
    session.add_point(34, 705)
    session.ask()
    session.commit()
    expected = session.labels.data.copy()  # type: ignore[attr-defined]
    assert expected.any()
    kept = provenance(session)
    session.close()
    again = replay(kept, ArraySource(PLANE), tiny_model)
    assert np.array_equal(getattr(again, "data", again), expected)
    (path,) = [each for each in tmp_path.iterdir() if each.is_file()]
    restored = begin(tiny_model)
    restored.restore(read_journal(path))
    assert np.array_equal(restored.labels.data, expected)  # type: ignore[attr-defined]
