"""Peak memory of one automatic run, which only a process of its own can tell."""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_segany import AutomaticParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.protocol import GeneratorParams
from sides import Reference, load_ours, segment
from vit import peak_megabytes, timed

WAYS = ("reference", "exact", "auto", "adaptive", "finder")
SIDE = 2048


def tiled(rgb: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(side, side, 3) of the image again and again."""
    rows, cols = (-(-side // n) for n in rgb.shape[:2])
    return np.tile(rgb, (rows, cols, 1))[:side, :side]


def measure_here(
    way: str, rgb: np.ndarray, device: torch.device, params: AutomaticParams
) -> dict[str, float]:
    """Megabytes of this process with the model loaded and after a run, and the seconds of it."""
    cpu = torch.device("cpu")
    if way == "reference":
        reference = Reference(device)
        loaded = peak_megabytes(cpu)
        _, seconds = timed(lambda: reference.segment(rgb, params), device)
    else:
        model = load_ours(device, "exact" if way == "exact" else "auto")
        loaded = peak_megabytes(cpu)
        asked: GeneratorParams = FinderParams()
        if way != "finder":
            asked = replace(params, strategy="adaptive" if way == "adaptive" else "grid")
        _, seconds = timed(lambda: segment(model, rgb, asked), device)
    figures = {"loaded": loaded, "peak": peak_megabytes(cpu), "seconds": seconds}
    if device.type == "cuda":
        figures["gpu_peak"] = peak_megabytes(device)
    return figures


def in_own_process(way: str, rgb: np.ndarray, script: Path) -> dict[str, float]:
    """The script again with the same arguments, to call :func:`measure_here`."""
    with tempfile.TemporaryDirectory() as folder:
        array = Path(folder) / "rgb.npy"
        np.save(array, rgb)
        command = [sys.executable, str(script), *sys.argv[1:], "--way", way, "--array", str(array)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return figures
