"""Bytes of a finished plane, as they are stored until all planes of an image are there."""

import json
from typing import Any

import numpy as np

from napari_segany.core.mask_io import pack, unpack
from napari_segany.core.stored_arrays import from_stored, to_stored
from napari_segany.io.measured_plane import MeasuredPlane


def to_bytes(plane: MeasuredPlane) -> bytes:
    """Encode the labels, masks and measurements of a plane."""
    arrays: dict[str, Any] = {
        "index": np.array(plane.index, np.int64),
        # In the smallest type, because it is read back as it is.
        "labels": plane.labels.astype(np.min_scalar_type(plane.labels.max(initial=0)), copy=False),
        # The order of columns is that of the table.
        "columns": np.frombuffer(json.dumps(list(plane.columns)).encode(), np.uint8),
    }
    arrays |= {f"mask_{name}": values for name, values in pack(plane.masks).items()}
    arrays |= {f"column_{name}": values for name, values in plane.columns.items()}
    return to_stored(arrays)


def from_bytes(content: bytes) -> MeasuredPlane:
    """Decode a plane that :func:`to_bytes` encoded.

    Raises
    ------
    SeganyError
        If the bytes are incomplete.
    """
    with from_stored(content) as arrays:
        names = json.loads(arrays["columns"].tobytes())
        prefix = "mask_"
        masks = {k.removeprefix(prefix): arrays[k] for k in arrays if k.startswith(prefix)}
        return MeasuredPlane(
            index=tuple(int(n) for n in arrays["index"]),
            labels=arrays["labels"],
            masks=unpack(masks),
            columns={name: arrays[f"column_{name}"] for name in names},
        )
