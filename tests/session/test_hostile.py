"""Sessions and journals that others may have written are refused in a sentence, or recovered."""

import base64
import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.session.hostile import broken, changed, dumped, work

from napari_segany.errors import InputError
from napari_segany.session import ArraySource, Session
from napari_segany.session.journal import read_journal
from napari_segany.session.journal_file import find_journals
from napari_segany.session.replay import provenance, replay
from napari_segany.session.session_file import read_session

SHAPE = (40, 50)
IMAGE = ArraySource(np.zeros(SHAPE, np.uint8))


@pytest.fixture
def kept(model: Any) -> Any:
    session = Session(IMAGE, model)
    work(session)
    return json.loads(json.dumps(provenance(session)))


@pytest.fixture
def lines(model: Any, tmp_path: Path) -> list[str]:
    session = Session(IMAGE, model, journal=tmp_path / "journal")
    work(session)
    session.close()
    (path,) = find_journals(tmp_path / "journal")
    return path.read_text().splitlines()


def test_five_hundred_broken_sessions(kept: Any, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    refused: list[str] = []
    for value in broken(kept, 13, 500):
        path.write_text(dumped(value))
        try:
            labels = replay(read_session(path), IMAGE, model)
        except InputError as error:
            refused.append(str(error).replace(str(tmp_path), ""))
        else:
            # Another name, order or candidate is no fault.
            assert labels.shape == SHAPE
    assert len(refused) > 300
    assert max(map(len, refused)) < 500


def first_put(kept: Any) -> tuple[Any, ...]:
    return ("steps", next(i for i, step in enumerate(kept["steps"]) if step[0] == "put"), 1)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *[(("label",), value) for value in (-1, 0, 1.5, True, None, "1", 2**64)],
        *[(("choice",), value) for value in (-1, 9, 1.5, None)],
        *[(("id",), value) for value in (-1, 0, "1", 2**60)],
        *[(("commit", "on_overlap"), value) for value in ("merge", None, 1)],
        *[(("commit", "order"), value) for value in (-1, 0, "1", None)],
        *[(("plane",), value) for value in ([0, None], [None], [None] * 3, [], [0, 0], "ab")],
        *[(("prompt",), value) for value in ({}, [], {"points": [[1, 2, 3]]}, {"box": [1, 2]})],
        *[(("prompt", "points"), value) for value in ([[900, 2]], [["a", 2]], [[1e400, 2]], 3)],
        *[(("prompt", "labels"), value) for value in ([2, 1], [1], [True, 1], [-1, 1])],
        *[(("before",), value) for value in (3, [{}], [{"prompt": {}, "choice": 0}])],
        *[(("commit", "left_out"), value) for value in (3, {"shape": [1, 1]})],
    ],
)
def test_values_that_mean_nothing(kept: Any, model: Any, place: Any, value: Any) -> None:
    with pytest.raises(InputError):
        replay(changed(kept, (*first_put(kept), *place), value), IMAGE, model)


@pytest.mark.parametrize(
    "change",
    [
        lambda steps: [["take", 1], *steps],
        lambda steps: [steps[0], *steps],
        lambda steps: [["put", 1], *steps],
        lambda steps: [["take", steps[0][1]], *steps],
        lambda steps: [["paint", 1], *steps],
        lambda steps: [[], *steps],
        lambda steps: {"0": steps[0]},
        lambda steps: [[*steps[0], 1]],
    ],
)
def test_steps_that_cannot_follow_each_other(
    kept: Any, model: Any, change: Callable[[Any], Any]
) -> None:
    with pytest.raises(InputError):
        replay(kept | {"steps": change(kept["steps"])}, IMAGE, model)


def bombs(megabytes: int) -> str:
    return base64.b64encode(zlib.compress(bytes(megabytes * 2**20))).decode()


@pytest.mark.parametrize("box", [[0, 0, 40, 50], [0, 0, 10**6, 10**6], [30, 30, 20, 20]])
def test_a_mask_is_unpacked_no_further_than_its_plane(kept: Any, model: Any, box: Any) -> None:
    mask = {"shape": list(SHAPE), "box": box, "bits": bombs(256)}
    bad = changed(kept, (*first_put(kept), "prompt", "mask"), mask)
    text = json.dumps(bad)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="mask"):
            replay(text, IMAGE, model)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(text) + 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("end", ["", "\n", "{", "[1]\n", "\x00\xff\n", "null\n"])
def test_texts_that_are_no_session(tmp_path: Path, end: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(end)
    with pytest.raises(InputError, match="cannot be read"):
        read_session(path)


def test_five_hundred_broken_journals_are_read_up_to_the_broken_line(
    lines: list[str], model: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    random = np.random.default_rng(5)
    damaged = 0
    for _ in range(500):
        at = int(random.integers(1, len(lines)))
        (value,) = broken(json.loads(lines[at]), int(random.integers(1 << 30)), 1)
        path.write_text("\n".join([*lines[:at], dumped(value), *lines[at + 1 :]]) + "\n")
        saved = read_journal(path, SHAPE)
        if saved.damage:
            damaged += 1
            path.write_text("\n".join(lines[:at]) + "\n")
            whole = read_journal(path, SHAPE)
            assert list(saved.state.objects) == list(whole.state.objects)
            assert len(saved.steps) == len(whole.steps)
        session = Session(IMAGE, model)
        session.restore(saved)
    assert damaged > 300


def test_a_hundred_broken_headers(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for value in broken(json.loads(lines[0]), 3, 100):
        path.write_text("\n".join([dumped(value), *lines[1:]]) + "\n")
        try:
            read_journal(path, SHAPE)
        except InputError:
            continue
        assert value["shape"] == list(SHAPE)


def test_an_older_session_that_does_not_know_what_it_left_out(model: Any) -> None:
    session = Session(IMAGE, model)
    work(session)
    kept = json.loads(json.dumps(provenance(session)))
    for how, given in kept["steps"]:
        if how == "put":
            del given["commit"]["left_out"]
    assert np.array_equal(replay(kept, IMAGE, model), session.labels.data)  # type: ignore[attr-defined]
