"""Named sets of parameters, by what the images show."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams


@dataclass(frozen=True)
class Preset:
    """A set of parameters for one kind of image.

    Attributes
    ----------
    params : FilterRules
        The parameters; thresholds of None are the model's own, or the finder's.
    help : str
        One line about the images that it is for.
    """

    params: FilterRules
    help: str


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "nuclei or cells": Preset(
            FinderParams(), "Many objects that touch: the finder alone, in about a second."
        ),
        "organelles or EM": Preset(
            FinderParams(grid_points_per_side=16),
            "Objects of many kinds and sizes: the finder, and a grid where it sees nothing.",
        ),
        "photograph": Preset(
            AutomaticParams(), "Few large, free-standing objects: the published grid of points."
        ),
        "everything in detail": Preset(
            AutomaticParams(crop_n_layers=2, crop_n_points_downscale_factor=2),
            "Parts and tiny objects in large images: the grid, and grids in overlapping crops.",
        ),
        "quick look": Preset(
            AutomaticParams(points_per_side=16), "A quarter of the points, four times faster."
        ),
    }
)
"""Presets by name.

"Everything in detail" has the grids with which the masks of SA-1B were found: 32 points per side,
and 16 and 8 in 2 x 2 and 4 x 4 crops (Kirillov et al., "Segment Anything", 2023, appendix B).
"""
