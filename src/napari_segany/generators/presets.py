"""Named sets of parameters for common images."""

from types import MappingProxyType

from napari_segany.generators.parameters import AutomaticParams

PRESETS: MappingProxyType[str, AutomaticParams] = MappingProxyType(
    {
        "usual": AutomaticParams(),
        "quick look": AutomaticParams(points_per_side=16),
        "few large objects": AutomaticParams(strategy="adaptive"),
        "many small objects": AutomaticParams(points_per_side=64),
        "tiny objects in large images": AutomaticParams(
            crop_n_layers=2, crop_n_points_downscale_factor=2
        ),
    }
)
"""Presets by name; their thresholds are the model's own.

The last has the grids with which the masks of SA-1B were found: 32 points per side, and 16 and 8 in
2 x 2 and 4 x 4 crops (Kirillov et al., "Segment Anything", 2023, appendix B).
"""
