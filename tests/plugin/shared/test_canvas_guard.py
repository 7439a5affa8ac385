"""A canvas goes on after layers were removed, and its process ends as it should."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.plugin.windows import needs_a_display

from napari_segany.plugin.shared.canvas_guard import guard_canvas

pytestmark = pytest.mark.gui

SCRIPT = Path(__file__).with_name("removed_layers.py")


@needs_a_display
def test_the_canvas_is_drawn_after_layers_were_removed() -> None:
    path = os.pathsep.join([str(SCRIPT.parents[3]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    parts = ["a layer at a time", "all layers", "the layers of a dock"]
    assert done.stdout.splitlines() == parts, done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("window", [None, SimpleNamespace(), SimpleNamespace(_qt_viewer=None)])
def test_windows_without_a_canvas_need_no_guard(window: object) -> None:
    guard_canvas(window)
