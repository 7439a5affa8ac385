"""Messages of the Everything dock about searches."""

from collections.abc import Sequence

from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.strategies import strategy_info
from napari_segany.generators.text_params import TextParams
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.object_size import SizeEstimate
from napari_segany.generators.unmatched_text import describe_unmatched
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.tile_search import SearchTiles
from napari_segany.plugin.jobs.failures import PlaneFailures
from napari_segany.plugin.layers.image_view import LayerView


def found_message(
    found: FoundMasks, planes: Sequence[Plane], params: FilterRules, failures: PlaneFailures
) -> tuple[str, str]:
    """Return the number of objects that a search found, or where it failed, and the severity."""
    if text := str(failures):
        return text, "warning"
    count = sum(len(found.masks[plane]) for plane in planes if plane in found.masks)
    where = f" on {len(planes)} planes" if len(planes) > 1 else ""
    # The name that the form has for it.
    strategy = dict(strategy_info().choices).get(params.strategy, params.strategy)
    shape = plane_shape(found.source.shape, planes[0])
    how = f"strategy {strategy!r}{in_tiles(found.tiles, shape)}"
    objects = _objects(count)
    text = f"{objects}{where} found by {how}."
    missing = unmatched_phrases(found, planes, params)
    return " ".join([text, *missing]), "warning" if missing else "info"


def made_message(name: str, count: int) -> str:
    """Return a line about labels that were made, and what can be done with them."""
    return f"Made '{name}' with {_objects(count)}. Correct single ones, or save the labels."


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def in_tiles(tiles: SearchTiles, shape: tuple[int, int]) -> str:
    """Return the tiles of planes of ``shape`` (H, W) as the end of a sentence; empty without."""
    settled, estimate = tiles.settled, tiles.estimate
    if settled is None:
        return ""
    sides = " and ".join(str(each.side) for each in settled.grid(shape).covering)
    text = f" in tiles of {sides} pixels, for objects of {settled.object_size:g} pixels"
    if estimate is None:
        return text
    if estimate.objects:
        return f"{text} (estimated from {estimate.objects}{_scale(settled, estimate)})"
    return f"{text} (a guess: no object was found whose size could tell; give the object size)"


def _scale(settled: TileParams, estimate: SizeEstimate) -> str:
    """Return what another side of tiles than that of the size shows and costs; empty without."""
    if estimate.side is None:
        return ""
    # The overlap is a number in settled tiles.
    ratio = estimate.tile_ratio(settled.tile_overlap or 0)
    return (
        f"; this scale shows more of them than tiles of {estimate.usual_side} pixels, and takes "
        f"{ratio:.1f} times as many"
    )


def stopped_message(done: int, tiles: int) -> str:
    """Return what is kept of a search in tiles that was stopped."""
    return (
        f"Stopped after {done} of {tiles} tiles. Their objects are kept, and Find everything goes "
        "on with the others."
    )


def unmatched_phrases(found: FoundMasks, planes: Sequence[Plane], params: FilterRules) -> list[str]:
    """Return a sentence for each phrase that was found on none of some planes."""
    if not isinstance(params, TextParams):
        return []
    classes = [found.masks[plane].classes for plane in planes if plane in found.masks]
    return describe_unmatched(classes, params.text_threshold)


def kept_message(view: LayerView | None, found: FoundMasks | None, searching: bool) -> str:
    """Return a line about an image that is left for another one; empty if nothing was found."""
    if view is None or found is None or not (found.masks or searching):
        return ""
    stopped = f"The search of {view.name} was stopped. " if searching else ""
    kept = f"The masks of {view.name} come back when it is chosen again." if found.masks else ""
    return f"{stopped}{kept}".strip()
