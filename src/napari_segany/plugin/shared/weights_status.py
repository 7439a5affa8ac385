"""State of model weights in the cache, and the terms of fetching them."""

from napari_segany.weights import cache, catalog
from napari_segany.weights.default_models import DEFAULT_MODELS


def missing(name: str) -> catalog.ModelSpec | None:
    """Return the published model to fetch for a name, None if its weights are in the cache."""
    names = DEFAULT_MODELS if name == "auto" else (name,)
    specs = [catalog.CATALOG[each] for each in names if each in catalog.CATALOG]
    if not specs or any(cache.is_cached(spec) for spec in specs):
        return None
    return specs[0]


def expected(name: str) -> str:
    """Return the id of the model that a name will load: for "auto" the first that is here."""
    if name != "auto":
        return name
    specs = [catalog.CATALOG[each] for each in DEFAULT_MODELS]
    return next((spec for spec in specs if cache.is_cached(spec)), specs[0]).id


def hash_of(name: str) -> str:
    """Return the hash of the weights of a name, as far as it is known without reading them."""
    spec, imported = catalog.CATALOG.get(expected(name)), cache.imported_models().get(name)
    return str(getattr(imported or spec, "sha256", None) or "")


def size(spec: catalog.ModelSpec) -> str:
    """Return the size of a model's file as text."""
    return "size unknown" if spec.size is None else f"{spec.size / 1e6:.0f} MB"
