"""Devices and precisions of models."""

from typing import Literal, cast, get_args

import torch

from napari_segany.errors import InputError
from napari_segany.networks.vector_math import warm_up_vector_functions

# Every image model is on a device that is chosen here, so this comes before its first computation.
warm_up_vector_functions()

Precision = Literal["exact", "bfloat16"]
"""float32 throughout, or bfloat16 where it saves the most time and changes the least."""


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


def choose_precision(name: str, device: torch.device) -> Precision:
    """Resolve "auto" to what the device computes natively.

    Raises
    ------
    InputError
        If the name is none of the three.
    """
    if name not in ("auto", *get_args(Precision)):
        raise InputError(f"precision must be 'auto', 'exact' or 'bfloat16', got {name!r}.")
    if name == "auto":
        return "bfloat16" if _is_bfloat16_native(device) else "exact"
    return cast(Precision, name)


def _is_bfloat16_native(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Elsewhere it would be emulated, slower than float32; torch before 2.12 cannot tell.
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return False
