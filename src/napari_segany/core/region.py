"""Regions in which objects are searched, of one plane or of a whole stack."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError


def check_region(region: NDArray[np.generic] | None, layout: StackLayout) -> None:
    """Raise InputError unless a region fits the planes or the whole stack."""
    if region is not None and region.shape not in (layout.labels_shape, layout.labels_shape[-2:]):
        raise InputError(
            f"The region has shape {region.shape}; give {layout.labels_shape[-2:]} for all planes"
            f"{f' or {layout.labels_shape}' if layout.leading else ''}."
        )


def check_plane_region(region: NDArray[np.generic] | None, shape: tuple[int, int]) -> None:
    """Raise InputError unless a region has the shape of its plane."""
    if region is not None and region.shape != shape:
        raise InputError(f"The region has shape {region.shape} but the plane has shape {shape}.")


def region_of(
    region: NDArray[np.generic] | None, index: tuple[int, ...]
) -> NDArray[np.bool_] | None:
    """Return the part of a region that belongs to a plane, boolean; None for everywhere."""
    if region is None:
        return None
    # Negative labels are no objects, and what is not a number is no place.
    return np.asarray(region if region.ndim == 2 else region[index]) > 0
