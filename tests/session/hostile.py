"""Sessions and journals as nobody writes them: values changed one at a time."""

import base64
import copy
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_segany import Prompt
from napari_segany.core.masks import MaskSet
from napari_segany.session import Session

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    2**70,
    float("nan"),
    "",
    "x" * 50,
    [],
    {},
    [[]],
    {"a": 1},
    [None, None],
)
"""Put in the place of any value."""

BOMB = base64.b64encode(zlib.compress(bytes(64 * 2**20))).decode()
"""A mask's bits that become 64 MB, as 64 KB."""


def work(session: Session) -> None:
    """Commits with points, boxes and masks, refined, taken out and redone."""
    session.add_point(10, 20)
    session.ask()
    session.next_candidate()
    session.add_point(12, 21)
    session.ask()
    session.commit()
    mask = np.zeros((40, 50), bool)
    mask[5:20, 8:30] = True
    session.add_many([Prompt(mask=MaskSet.from_masks(mask[None])), Prompt(box=[1, 1, 9, 9])])
    session.ask()
    session.commit([2, 3])
    session.undo()
    session.redo()
    session.delete([3])
    session.add_point(30, 30, positive=False)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to the values in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(value[key], (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value in one place."""
    if not path:
        return new
    out = copy.deepcopy(value)
    inner = out
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return out


def without(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy without one entry."""
    out = copy.deepcopy(value)
    inner = out
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return out


def broken(value: Any, seed: int, count: int) -> Iterator[Any]:
    """Copies of a JSON value, each wrong in one place: another value, one less or one more."""
    random = np.random.default_rng(seed)
    where = [path for path in places(value) if path]
    for _ in range(count):
        path = where[random.integers(len(where))]
        kind = random.integers(8)
        if kind == 0:
            yield without(value, path)
        elif kind == 1 and isinstance(path[-1], str):
            yield changed(value, (*path[:-1], "unknown"), 1)
        elif path[-1] == "bits":
            yield changed(value, path, BOMB if kind < 4 else BOMB[: 4 * int(kind)])
        else:
            yield changed(value, path, WRONG[random.integers(len(WRONG))])


def dumped(value: Any) -> str:
    """As JSON in one line."""
    return json.dumps(value, separators=(",", ":"))
