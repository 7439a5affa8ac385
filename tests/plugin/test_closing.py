"""A process that ends while widgets are open and at work."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.plugin.windows import needs_a_display

pytestmark = [pytest.mark.gui, needs_a_display]

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys, threading
import napari, numpy as np, torch
from qtpy.QtCore import QTimer
from tests.tiny import build_tiny_model
from napari_segany.plugin.shared import model_picker, weights_status as weights

dock, when, how = sys.argv[1:]
begun = threading.Event()

def compute(should_stop):
    # A thread that comes back from torch after the interpreter has ended aborts the process.
    while not should_stop():
        torch.ones(300, 300) @ torch.ones(300, 300)
        begun.set()

def load(*_, **__):
    left = iter(range(300))
    compute(lambda: next(left, None) is None)
    return tiny

tiny = build_tiny_model()
weights.missing = lambda name: None
model_picker.load_model = load
viewer = napari.Viewer(show=True)
image = viewer.add_image(np.arange(6400.0).reshape(80, 80))
_, widget = viewer.window.add_plugin_dock_widget("napari-segany", dock)
if when == "loading":
    widget.image_layer = image
elif when == "working":
    widget.jobs.submit("work", 0, compute, print, print)
    widget.jobs.run_beside(compute, print, print)
else:
    widget.model = tiny
    widget.image_layer = image
    widget.find(wait=True)
    begun.set()
assert begun.wait(60)
print("at work", flush=True)
if how == "error":
    raise RuntimeError("the script is wrong")
if how == "closed":
    viewer.close()
if how == "run":
    QTimer.singleShot(0, viewer.close)
    napari.run()
    sys.exit(0)
sys.exit(3)
"""


@pytest.mark.parametrize(
    ("dock", "when", "how", "code"),
    [
        ("Prompt", "loading", "error", 1),
        ("Prompt", "working", "exit", 3),
        ("Everything", "working", "error", 1),
        ("Everything", "idle", "error", 1),
        ("Tracks", "working", "closed", 3),
        ("Batch", "working", "closed", 3),
        ("Learn", "working", "run", 0),
        ("Evaluate", "working", "run", 0),
        ("Models", "working", "error", 1),
    ],
)
def test_the_process_ends_as_it_was_told(
    tmp_path: Path, dock: str, when: str, how: str, code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, dock, when, how],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        check=False,
    )
    assert "at work" in done.stdout, done.stderr
    assert done.returncode == code, done.stderr
    for sign in ("terminate called", "has been deleted", "Fatal Python error"):
        assert sign not in done.stderr
    assert ("the script is wrong" in done.stderr) == (how == "error")
