"""Functions that one thread calls before several do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import napari_segany
from napari_segany.networks.sam import Sam
from napari_segany.networks.vector_math import FUNCTIONS, warm_up_vector_functions

RECORDED = """
import sys
from torch.utils._python_dispatch import TorchDispatchMode
class Recorded(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if len(args) == 1 and getattr(out, "numel", int)() == 1:
            print(func.overloadpacket.__name__, out.dtype)
        return out
with Recorded():
    import napari_segany.models.device
print("models" if any("napari_segany.models.sam" in name for name in sys.modules) else "")
"""


class Called(TorchDispatchMode):
    """Keeps the names of the functions of torch that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.add(func.overloadpacket.__name__.rstrip("_"))
        return func(*args, **(kwargs or {}))


def test_each_function_is_called() -> None:
    with Called() as called:
        warm_up_vector_functions()
    assert set(FUNCTIONS) <= called.names


def test_they_are_called_before_a_model_is_there() -> None:
    """In a new process, by the import that all models need."""
    environment = os.environ | {"PYTHONPATH": str(Path(napari_segany.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", RECORDED],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = set(done.stdout.splitlines())
    wanted = {f"{name} torch.{kind}" for name in FUNCTIONS for kind in ("float32", "float64")}
    assert wanted <= printed
    assert "models" not in printed


@pytest.mark.parametrize("name", ["sin", "cos", "sqrt"])
def test_models_use_them(name: str, decoding_pair: tuple[Sam, object]) -> None:
    encoder = decoding_pair[0].prompt_encoder
    with Called() as called:
        encoder(torch.zeros(1, 1, 2), torch.ones(1, 1), masks=torch.zeros(1, 1, 80, 80))
    assert name in called.names
    assert name in FUNCTIONS
