"""The tree of regions with one outline, of which the finder grows two."""

from napari_segany.generators.region_tree import FOREGROUND, RegionTree, grow_trees
from napari_segany.models.finder import ObjectMaps


def grow_tree(maps: ObjectMaps, outline: float = FOREGROUND) -> RegionTree:
    """Return the candidate regions of a plane with one outline."""
    return grow_trees(maps, (outline,))[0]
