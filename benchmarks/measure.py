"""Seconds, and on what machine: shared by the benchmarks that compare speed."""

import platform
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from napari_segany.recipe import machine
from vit import timed


def cpu_name() -> str:
    """The processor as it calls itself."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def facts(device: torch.device) -> dict[str, Any]:
    """What seconds depend on, without a name of this machine."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "threads": torch.get_num_threads(),
        "cpu": cpu_name(),
        "device": device.type,
        "gpu": gpu,
        **machine(),
    }


def print_facts(known: dict[str, Any]) -> None:
    """One line that belongs above every table of seconds."""
    print(
        f"torch {known['torch_version']}, {known['threads']} threads, {known['cpu']}, "
        f"{known['instruction_set']}, device {known['gpu'] or known['device']}",
        flush=True,
    )


def median_seconds(work: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Median of some runs, without a warm-up."""
    return statistics.median(timed(work, device)[1] for _ in range(repeats))
