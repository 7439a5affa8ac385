"""Sentences of the Everything dock about phrases of which no object was found."""

from collections.abc import Sequence

from napari_segany.core.image_source import Plane
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.text_params import TextParams
from napari_segany.generators.unmatched_text import describe_unmatched
from napari_segany.plugin.everything.found_masks import FoundMasks


def unmatched_phrases(found: FoundMasks, planes: Sequence[Plane], params: FilterRules) -> list[str]:
    """Return a sentence for each phrase that was found on none of some planes."""
    if not isinstance(params, TextParams):
        return []
    classes = [found.masks[plane].classes for plane in planes if plane in found.masks]
    return describe_unmatched(classes, params.text_threshold)
