"""Files of tensors in the safetensors format, always with the same bytes.

Written here and not by the safetensors package, whose releases may order or pad otherwise, because
hashes of such files are published and recorded. Format: 8-byte little-endian length of a JSON
header, the header, the tensors.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.errors import InputError, WeightsError
from napari_segany.schema import from_json

if TYPE_CHECKING:
    # Cards of finders are read without torch.
    from torch import Tensor

KINDS = {"float16": "F16", "float32": "F32", "int64": "I64"}
"""NumPy's names of the types of tensors that are written, and those of the format."""

METADATA = "__metadata__"
"""Entry of the header with texts beside the tensors."""

MOST_HEADER = 1 << 24
"""Bytes of the longest header that is read."""


def to_safetensors(
    state: "Mapping[str, Tensor]", metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return tensors, and texts beside them, as the bytes of a safetensors file."""
    # Wide elements first keeps every tensor aligned.
    order = sorted(state, key=lambda name: (-state[name].element_size(), name))
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    blocks: list[bytes] = []
    end = 0
    for name in order:
        array = state[name].numpy()
        blocks.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        start, end = end, end + len(blocks[-1])
        header[name] = {
            "dtype": KINDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *blocks])


def read_metadata(content: bytes, path: Path) -> dict[str, str]:
    """Return the texts beside the tensors of a safetensors file; empty if there are none.

    Parameters
    ----------
    content : bytes
        The file.
    path : Path
        Its name in errors.

    Raises
    ------
    WeightsError
        It is no safetensors file, or it is truncated.
    """
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > min(MOST_HEADER, len(content) - 8):
            raise InputError("its header ends beyond the file")
        header = from_json(dict[str, Any], content[8 : 8 + length], "its header")
        metadata = from_json(dict[str, str], json.dumps(header.pop(METADATA, {})), "its metadata")
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if 8 + length + end != len(content):
            raise InputError("its tensors end elsewhere than the file")
        return metadata
    except (struct.error, InputError, LookupError, TypeError) as error:
        raise WeightsError(
            f"{path} is no safetensors file, or it is truncated ({error})."
        ) from error


def read_tensors(content: bytes, path: Path) -> "dict[str, Tensor]":
    """Return the tensors of a safetensors file, on the CPU.

    Raises
    ------
    WeightsError
        It is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        said = str(error).strip()[:200]
        raise WeightsError(f"{path} is truncated or damaged ({said}).") from error
    return state
