"""A process that ends while a dock is open and at work, started by ``test_closing.py``.

What a script imports before it opens a dock is imported once. Then each line of the input, a JSON
list of dock, moment, way to end, and a file for all that is printed, is carried out by a fork of
this process, whose exit code is printed. Where forks cannot open windows, this process does it.
"""

import json
import os
import sys
import threading
from typing import Any

import napari
import napari.window
import numpy as np
import torch
from qtpy.QtCore import QTimer
from tests.tiny import build_tiny_model

from napari_segany import AutomaticParams
from napari_segany.plugin.shared import model_picker
from napari_segany.plugin.shared import weights_status as weights

FORKS = sys.platform == "linux"


def wait_for_request() -> list[str]:
    """Return a request in the process that carries it out; end when there is none left."""
    for line in sys.stdin:
        if not FORKS:
            return list(json.loads(line))
        assert threading.active_count() == 1, "threads do not live on in a fork"
        process = os.fork()
        if process == 0:
            return list(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    sys.exit(0)


dock, when, how, printed = wait_for_request()
output = os.open(printed, os.O_WRONLY | os.O_CREAT)
for stream in (sys.stdout, sys.stderr):
    os.dup2(output, stream.fileno())
begun = threading.Event()


def compute(should_stop: Any) -> None:
    # A thread that comes back from torch after the interpreter has ended aborts the process.
    while not should_stop():
        torch.ones(300, 300) @ torch.ones(300, 300)
        begun.set()


def load(*_: Any, **__: Any) -> Any:
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
    widget.find(AutomaticParams(points_per_side=4), wait=True)
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
