"""Where and how exactly a model computes."""

from typing import Literal

import torch

from napari_segany.errors import InputError


def choose_device(name: str = "auto") -> torch.device:
    """Resolve "auto" and check that the device is there.

    Raises
    ------
    InputError
        If torch does not know the device or the machine does not have it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"Unknown device {name!r}; give auto, cpu, cuda, cuda:N or mps."
        ) from error
    present = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise InputError(f"This machine has no device {name!r}; give auto or cpu.")
    return device


def choose_precision(name: str = "auto") -> Literal["exact"]:
    """Resolve "auto"; float32 is the only precision so far."""
    if name not in ("auto", "exact"):
        raise InputError(f"precision must be 'auto' or 'exact', got {name!r}.")
    return "exact"
