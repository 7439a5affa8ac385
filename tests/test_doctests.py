"""Examples in docstrings run and print what they say, without network and model weights.

Examples that need a viewer or a real model are only compiled.
"""

import ast
import doctest
import importlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import napari_segany

PACKAGE = Path(napari_segany.__file__).parent

LEAST = 20
"""Number of modules with examples that run; fewer mean that the search for them is broken."""

NEEDS = ("load_model(", "viewer", "widget")
"""Words of examples that need a real model or a window."""

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def docstrings(path: Path) -> Iterator[str]:
    """Iterate over the docstrings of a file, without importing it."""
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, nodes):
            yield ast.get_docstring(node) or ""


def examples(path: Path) -> list[tuple[str, list[doctest.Example]]]:
    """Return the docstrings of a file that have examples, with these."""
    if ">>>" not in path.read_text("utf-8"):
        return []
    parser = doctest.DocTestParser()
    parsed = ((text, parser.get_examples(text)) for text in docstrings(path))
    return [(text, found) for text, found in parsed if found]


def can_run(found: list[doctest.Example]) -> bool:
    """Return True if no example needs a real model or a window."""
    return not any(word in each.source for each in found for word in NEEDS)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


ALL = {module_name(path): examples(path) for path in sorted(PACKAGE.rglob("*.py"))}
RUN = [name for name, each in ALL.items() if any(can_run(found) for _, found in each)]


def test_many_modules_have_examples_that_run() -> None:
    assert len(RUN) >= LEAST


@pytest.mark.parametrize("name", RUN)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("examples must not use the network")

    module = importlib.import_module(name)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for each in doctest.DocTestFinder(exclude_empty=True).find(module):
        if can_run(each.examples):
            runner.run(each)
    assert runner.summarize(verbose=False).failed == 0
    assert not list(tmp_path.iterdir()), "an example leaves files behind"


@pytest.mark.parametrize("name", [name for name, each in ALL.items() if each])
def test_examples_are_python(name: str) -> None:
    for _, found in ALL[name]:
        for each in found:
            compile(each.source, name, "single")
