"""Objects from foreground and distances: seeds, and the regions that grow around them.

The rules are those of micro-sam's automatic instance segmentation (AIS).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segany.generators.decoder_params import DecoderParams
from napari_segany.models.distance_decoder import DistanceMaps

WINDOW = 3.0
"""Half width of the window of the smoothing, in standard deviations, as published."""

BY_CORNERS, BY_SIDES = ndimage.generate_binary_structure(2, 2), None
"""Neighbours in a seed of a region (AIS) and in a seed of a prompt (APG), as published."""


def smooth_maps(maps: DistanceMaps, params: DecoderParams) -> DistanceMaps:
    """Return the maps smoothed; places without a number are no objects."""
    of_foreground, of_distances = params.foreground_smoothing, params.distance_smoothing
    return replace(
        maps,
        foreground=_smooth(np.nan_to_num(maps.foreground, nan=0.0), of_foreground),
        centre=_smooth(np.nan_to_num(maps.centre, nan=1.0), of_distances),
        boundary=_smooth(np.nan_to_num(maps.boundary, nan=1.0), of_distances),
    )


def _smooth(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    if not sigma:
        return values
    smoothed: NDArray[np.float32] = ndimage.gaussian_filter(
        values, sigma, mode="mirror", truncate=WINDOW
    )
    return smoothed


def find_seeds(maps: DistanceMaps, params: DecoderParams) -> NDArray[np.int32]:
    """Return the seeds of objects, (H, W) with 1, 2 ... in reading order of their first pixels.

    A seed is near a centre and away from borders, by the maps of :func:`smooth_maps`. Its pixels
    touch by sides or corners where regions grow from seeds, by sides where seeds become prompts.
    """
    inside = maps.foreground > params.foreground_threshold
    inside &= maps.centre < params.center_distance_threshold
    inside &= maps.boundary < params.boundary_distance_threshold
    touching = BY_CORNERS if params.mask_source == "region" else BY_SIDES
    seeds, _ = ndimage.label(inside, touching)
    return np.asarray(seeds, np.int32)


def grow_regions(
    maps: DistanceMaps, seeds: NDArray[np.int32], params: DecoderParams
) -> NDArray[np.int32]:
    """Return the seeds grown over the foreground, where regions meet at the borders of objects.

    Parameters
    ----------
    maps : DistanceMaps
        As from :func:`smooth_maps`.
    seeds : ndarray
        (H, W) as from :func:`find_seeds`.
    params : DecoderParams
        The threshold of the foreground.

    Returns
    -------
    ndarray
        (H, W) with the numbers of the seeds; 0 outside of the foreground, and where no seed is.
    """
    if not seeds.any():
        return np.zeros_like(seeds)
    inside = maps.foreground > params.foreground_threshold
    return np.asarray(watershed(maps.boundary, seeds, mask=inside), np.int32)


def seed_points(seeds: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the (N, 2) row, column of a place deep inside each seed, away from the plane's border.

    It is the first of the pixels that are farthest from all that is not the seed.
    """
    inside = seeds > 0
    # A prompt on the border of a plane says less than one inside.
    inside[[0, -1]] = inside[:, [0, -1]] = False
    depth = ndimage.distance_transform_edt(inside)
    points = np.zeros((int(seeds.max(initial=0)), 2))
    for number, box in enumerate(ndimage.find_objects(seeds)):
        of_seed = np.where(seeds[box] == number + 1, depth[box], -1.0)
        place = np.unravel_index(int(of_seed.argmax()), of_seed.shape)
        points[number] = [at + part.start for at, part in zip(place, box, strict=True)]
    return points
