"""Checkpoint files in the original layout: read safely, recognised by their shapes, loaded whole.

Apart because these files come from anywhere: nothing in them is trusted.
"""

import pickle
import struct
import warnings
from collections.abc import Mapping
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_segany.errors import InputError, WeightsError
from napari_segany.networks.sam import ARCHITECTURES, Sam, build_sam
from napari_segany.weights.image_families import IMAGE_FAMILIES, family_of, identify
from napari_segany.weights.sam_hq_files import ORIGINAL_OWN

WRAPPERS = ("model", "state_dict", "model_state")
PREFIXES = ("sam.", "module.")
UNUSED = frozenset(
    f"image_encoder.{layer}.{kind}"
    for layer in ("norm_head", "head")
    for kind in ("weight", "bias")
)
"""The classifier's tensors, which MobileSAM's file still holds and no SAM uses."""

VIT_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
TINY_STEM = "image_encoder.patch_embed.seq.0.c.weight"
VIT_STEM = "image_encoder.patch_embed.proj.weight"

OTHER_LAYOUTS = {
    "vision_encoder.": "the layout of the transformers library, of a model or size not known here",
    "image_encoder.trunk.": "a SAM 2 checkpoint of a size not known here",
    "detector.": "a SAM 3 checkpoint in its original layout; take model.safetensors instead",
    "text_model.": "a text model (napari-segany models import FOLDER)",
    "owlv2.": "a text model (napari-segany models import FOLDER)",
    "model.text_backbone.": "a text model (napari-segany models import FOLDER)",
    "levels.": "a finder (napari-segany models import-finder)",
    "deconv1.": "a decoder of micro-sam (napari-segany models import-decoder)",
}
"""Prefixes of keys in files that are often mistaken for these checkpoints."""

TORCH_STARTS = (b"PK", b"\x80")
"""First bytes of files of torch.save: a zip archive or, in its earlier format, a pickle."""

ACCEPTED = "Accepted are files of torch.save and safetensors."

LISTED = 4
"""Names shown of each kind in an error."""


def read_checkpoint(path: Path, shown: Path | None = None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint file by their published names.

    Reads torch's format without running anything the file asks for, and safetensors. Wrappers
    (``model``, ``state_dict``, ``model_state``) and prefixes (``sam.``, ``module.``) are taken
    off, and MobileSAM's four unused tensors are left out.

    Parameters
    ----------
    path : Path
        The file.
    shown : Path, optional
        What errors call the file, for a copy of it.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    WeightsError
        Missing, truncated, unsafe, or no checkpoint.
    """
    called = shown or path
    state = _strip_prefixes(_unwrap(read_content(path, called), called))
    return {name: value for name, value in state.items() if name not in UNUSED}


def read_content(path: Path, shown: Path | None = None) -> Any:
    """Read all that a file of torch's format or safetensors holds, without running any of it.

    Parameters
    ----------
    path : Path
        The file.
    shown : Path, optional
        What errors call the file, for a copy of it.

    Returns
    -------
    object
        What was saved; of safetensors a dict of str to Tensor.

    Raises
    ------
    WeightsError
        Missing, truncated, unsafe, or of another format.
    """
    called = shown or path
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise WeightsError(f"{called} cannot be read ({error.strerror}).") from error
    if not start:
        raise WeightsError(f"{called} is empty. Download it again.")
    if start.lstrip().startswith(b"<"):
        raise WeightsError(f"{called} is a web page, not a checkpoint. Download the file itself.")
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{called} is a Git LFS pointer. Run git lfs pull, or download the file."
        )
    if _is_safetensors(path, start):
        return _read_safetensors(path, called)
    return _read_torch(path, called, start)


def _is_safetensors(path: Path, start: bytes) -> bool:
    if path.suffix == ".safetensors":
        return True
    # An 8-byte length, then a JSON object.
    return len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < 1 << 27


def _read_safetensors(path: Path, called: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(called, error) from error


def _read_torch(path: Path, called: Path, start: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            # torch's warnings about odd archives become an error below.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged files make torch raise almost anything: RuntimeError, EOFError, KeyError, ...
        # A file of another kind is read as pickle, of which any byte may be an instruction.
        if not start.startswith(TORCH_STARTS):
            raise WeightsError(f"{called} is no checkpoint. {ACCEPTED}") from error
        if isinstance(error, pickle.UnpicklingError) and "nsupported" in str(error):
            raise WeightsError(
                f"{called} holds more than tensors and could run code, so it was not opened. If "
                "you trust its author, convert it where it was made: load it there, then "
                "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors'), and "
                "use that file."
            ) from error
        raise _damaged(called, error) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return WeightsError(
        f"{path} is truncated, damaged or no checkpoint ({said}). {ACCEPTED} Download or export "
        "it again."
    )


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        content = content[inner[0]]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(
            f"{path} holds no weights: found {type(content).__name__} with nothing under "
            f"{', '.join(WRAPPERS)}. Save model.state_dict() instead."
        )
    odd = [str(k) for k, v in content.items() if not (isinstance(k, str) and isinstance(v, Tensor))]
    if odd:
        raise WeightsError(
            f"{path} holds entries that are no tensors: {_some(odd)}. "
            f"Weights may lie under {', '.join(WRAPPERS)}, or at the top alone."
        )
    return dict(content)


def _strip_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    while prefix := next((p for p in PREFIXES if all(k.startswith(p) for k in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _some(names: list[str]) -> str:
    shown = ", ".join(islice(names, LISTED))
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def identify_architecture(state: Mapping[str, Tensor]) -> str:
    """Return the architecture that weights belong to, by the shape of the first layer.

    Returns
    -------
    str
        A key of ``networks.sam.ARCHITECTURES``, or of one of
        ``weights.image_families.IMAGE_FAMILIES``.

    Raises
    ------
    WeightsError
        None of them.
    """
    if known := identify(state):
        return known
    _refuse_sam_hq(state)
    if TINY_STEM in state:
        return "vit_t"
    stem = state.get(VIT_STEM)
    if stem is not None and (known := VIT_WIDTHS.get(stem.shape[0])):
        return known
    if stem is not None:
        found = f"a ViT of width {stem.shape[0]}; known are {', '.join(map(str, VIT_WIDTHS))}"
    else:
        starts = [
            what for start, what in OTHER_LAYOUTS.items() if any(k.startswith(start) for k in state)
        ]
        found = starts[0] if starts else f"names such as {_some(list(state))}"
    raise WeightsError(
        f"These weights are of no architecture known here: found {found}. Accepted are checkpoints "
        f"in the original Segment Anything layout ({', '.join(ARCHITECTURES)}), and those of "
        f"{', '.join(family.title for family in IMAGE_FAMILIES)}."
    )


def _refuse_sam_hq(state: Mapping[str, Tensor]) -> None:
    """Raise WeightsError for a SAM-HQ of another size, which would be taken for a SAM."""
    if ORIGINAL_OWN in state:
        raise WeightsError(
            "These weights are a SAM-HQ whose image encoder is not known here; known are ViT-B, "
            "ViT-L and ViT-H."
        )


def check_fit(architecture: str, state: Mapping[str, Tensor]) -> None:
    """Raise WeightsError unless ``state`` has every tensor of the architecture and no other.

    Numbers that are not finite, or all zero, are an error, too.
    """
    family = family_of(architecture)
    with torch.device("meta"):
        model = family.build(architecture) if family else build_sam(architecture)
    _compare(architecture, model, family.convert(state) if family else state)


def check_tensors(name: str, network: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Raise WeightsError unless ``state`` has every tensor of a network and no other; ``name`` it.

    Numbers that are not finite, or all zero, are an error, too.
    """
    _compare(name, network, state)


def _compare(architecture: str, model: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    expected = model.state_dict()
    wrong = {
        "missing": [name for name in expected if name not in state],
        "unknown": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ],
        "of another type": [
            f"{name} {state[name].dtype}".replace("torch.", "")
            for name, value in expected.items()
            if name in state and value.is_floating_point() and not state[name].is_floating_point()
        ],
    }
    problems = [f"{kind}: {_some(names)}" for kind, names in wrong.items() if names]
    if problems:
        raise WeightsError(
            f"The weights do not fit {architecture}. Tensors {'; '.join(problems)}. "
            "Check that the file is whole and was trained from a checkpoint of this architecture."
        )
    _check_values(state)


def _check_values(state: Mapping[str, Tensor]) -> None:
    """Raise WeightsError for numbers with which a network finds nothing, whatever it is shown."""
    bad: list[str] = []
    zero: dict[str, bool] = {}
    for name, value in state.items():
        if not value.is_floating_point() or value.is_meta or not value.numel():
            continue
        part = name.partition(".")[0]
        # In the type that is computed in, where a number of 64 bits can be too large.
        least, greatest = (float(bound) for bound in torch.aminmax(value.float()))
        # The variances of batch norms are under a square root.
        if not isfinite(least) or not isfinite(greatest) or (name.endswith("_var") and least < 0):
            bad.append(name)
        zero[part] = zero.get(part, True) and not (least or greatest)
    if bad:
        raise WeightsError(
            f"The weights hold numbers that are not finite or not possible, in {_some(bad)}; such "
            "a model finds nothing. Take a checkpoint from before the training went wrong, or "
            "convert the file again."
        )
    if empty := [part for part, is_zero in zero.items() if is_zero]:
        raise WeightsError(
            f"The weights of {', '.join(empty)} are all zero; such a model finds nothing. Save the "
            "checkpoint again after it was trained or loaded."
        )


def load_strict(architecture: str, state: Mapping[str, Tensor]) -> Sam:
    """Build a model with exactly these weights.

    Parameters
    ----------
    architecture : str
        A key of ``networks.sam.ARCHITECTURES``.
    state : mapping of str to Tensor
        As from :func:`read_checkpoint`.

    Returns
    -------
    Sam
        float32, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        A tensor is missing, unknown, of another shape or type, or holds impossible numbers.
    """
    model = build_sam(architecture)
    _compare(architecture, model, state)
    model.load_state_dict(state)
    return model


def load_network(architecture: str, state: Mapping[str, Tensor]) -> Any:
    """Build a network of transformers with exactly these weights.

    Parameters
    ----------
    architecture : str
        One of ``weights.image_families.IMAGE_FAMILIES``.
    state : mapping of str to Tensor
        As from :func:`read_checkpoint`, in any layout of the family.

    Returns
    -------
    torch.nn.Module
        float32, on the CPU, in evaluation mode.

    Raises
    ------
    InputError
        The architecture is of no such family, or transformers is not installed.
    WeightsError
        A tensor is missing, unknown, of another shape or type, or holds impossible numbers.
    """
    family = family_of(architecture)
    if family is None:
        raise InputError(f"No network of transformers has the architecture {architecture!r}.")
    network = family.build(architecture)
    converted = family.convert(state)
    _compare(architecture, network, converted)
    network.load_state_dict(converted)
    return network
