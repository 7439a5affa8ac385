"""Messages of the Everything dock about searches."""

from collections.abc import Sequence

from napari_segany.core.image_source import Plane
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.plugin.everything.found_masks import FoundMasks
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
    return f"{count} objects{where}, found by strategy {params.strategy!r}.", "info"


def kept_message(view: LayerView | None, found: FoundMasks | None, searching: bool) -> str:
    """Return a line about an image that is left for another one; empty if nothing was found."""
    if view is None or found is None or not (found.masks or searching):
        return ""
    stopped = f"The search of {view.name} was stopped. " if searching else ""
    kept = f"The masks of {view.name} come back when it is chosen again." if found.masks else ""
    return f"{stopped}{kept}".strip()
