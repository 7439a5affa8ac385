"""Layers that are made in the background."""

import json
import subprocess
import sys
from threading import Thread

import pytest

from napari_segany.plugin.layers.layer_warmup import warm_up_layers

PROGRAM = """
import json, threading
import numpy as np
from napari.layers import Labels, Shapes
from napari.layers import Labels, Shapes
from napari_segany.plugin.layers.layer_warmup import warm_up_layers
from numba.core.dispatcher import Dispatcher
compiled = []
before = Dispatcher._compile_for_args
def compile_for_args(self, *args, **named):
    compiled.append((threading.current_thread().name, self.__name__))
    return before(self, *args, **named)
Dispatcher._compile_for_args = compile_for_args
thread = threading.Thread(target=warm_up_layers, name="background")
thread.start()
thread.join()
Labels(np.zeros((30, 40), np.int32))
Labels(np.zeros((5, 30, 40), np.uint8), opacity=0.5)
Shapes(ndim=3)
print(json.dumps(compiled))
"""


def test_nothing_is_left_to_compile_for_the_first_layers() -> None:
    pytest.importorskip("numba")
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    compiled = json.loads(shown.stdout)
    assert {thread for thread, _ in compiled} == {"background"}


def test_layers_can_be_made_in_any_thread() -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            warm_up_layers()
        except Exception as error:
            failures.append(error)

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
