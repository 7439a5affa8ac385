"""JSON files with one or a few things in them changed: recipes, sessions, records."""

import copy
import json
from typing import Any

import numpy as np

WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**70, 1e308, "", "x", "../../x", "\x1b[31m", "\ud800"),
    *([], [1], [[1, 2]], {}, {"a": 1}, "NaN", [None], [[]], "a" * 5000, -0.0),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values within a document."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(each for key, v in inner for each in places(v, (*path, key)))]


def change(document: Any, rng: np.random.Generator) -> Any:
    """One value replaced, taken out, doubled or added."""
    paths = places(document)[1:]
    *way, last = paths[rng.integers(len(paths))]
    holder = document
    for key in way:
        holder = holder[key]
    kind = rng.integers(4)
    if kind == 0:
        del holder[last]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(rng.integers(9))] = WRONG[rng.integers(len(WRONG))]
    elif kind == 2 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    else:
        holder[last] = copy.deepcopy(WRONG[rng.integers(len(WRONG))])
    return document


def make_document(good: Any, seed: int) -> bytes:
    """A changed document as bytes, the same for the same seed."""
    rng = np.random.default_rng(seed)
    if seed % 10 == 0:
        text = json.dumps(good).encode()
        return text[: rng.integers(len(text))]
    if seed % 10 == 1:
        return json.dumps(good).encode(["utf-16", "utf-8-sig", "utf-32"][rng.integers(3)])
    if seed % 10 == 2:
        text = bytearray(json.dumps(good).encode())
        for _ in range(rng.integers(1, 6)):
            text[rng.integers(len(text))] = rng.integers(256)
        return bytes(text)
    document = copy.deepcopy(good)
    for _ in range(rng.integers(1, 4)):
        document = change(document, rng)
    return json.dumps(document).encode()
