"""How OpenMP threads wait, as the package sets it for whoever loads torch after it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import napari_segany
from napari_segany.openmp import CHOICES, WAITING

LOAD = "import os, napari_segany; os.environ['OMP_DISPLAY_ENV'] = 'VERBOSE'; import torch"
SHOW = (
    "import os, napari_segany, napari_segany.openmp as openmp;"
    "print(*(os.environ.get(name) for name in openmp.CHOICES))"
)


def shown(**given: str) -> list[str]:
    """What the variables are in a process that has imported the package."""
    kept = {name: value for name, value in os.environ.items() if name not in CHOICES}
    kept["PYTHONPATH"] = str(Path(napari_segany.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=kept | given, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_threads_wait_briefly_once_the_package_is_imported() -> None:
    assert shown() == [*WAITING.values(), "None"]


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_of_the_environment_stays(name: str) -> None:
    expected = ["PASSIVE" if each == name else "None" for each in CHOICES]
    assert shown(**{name: "PASSIVE"}) == expected


def test_torch_takes_it_up() -> None:
    """Shown by the library itself, which prints its settings when it is loaded."""
    if sys.platform != "linux":
        pytest.skip("GCC's OpenMP is what PyTorch uses on Linux")
    kept = {name: value for name, value in os.environ.items() if name not in CHOICES}
    kept["PYTHONPATH"] = str(Path(napari_segany.__file__).parents[1])
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, napari_segany; os.environ['OMP_DISPLAY_ENV']='VERBOSE'; import torch",
        ],
        env=kept,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{WAITING['GOMP_SPINCOUNT']}'" in done.stderr
