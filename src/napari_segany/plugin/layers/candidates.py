"""Candidates that a search proposed, kept beside the labels layer that was made of them."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet

_kept: "WeakKeyDictionary[Any, Mapping[Plane, MaskSet]]" = WeakKeyDictionary()


def keep_candidates(layer: Any, masks: Mapping[Plane, MaskSet]) -> None:
    """Keep the masks of each searched plane for as long as a labels layer exists."""
    _kept[layer] = dict(masks)


def kept_candidates(layer: Any) -> Mapping[Plane, MaskSet]:
    """Return the masks of each searched plane of a labels layer; empty if none were kept."""
    return _kept.get(layer, {})
