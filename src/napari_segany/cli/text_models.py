"""Text models in ``napari-segany models``: rows of the list, and lines about single ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_segany.io.safe_names import shown
from napari_segany.weights.text_catalog import TEXT_CATALOG
from napari_segany.weights.text_folders import (
    fetch_text_model,
    import_folder,
    text_models,
    verify_folder,
)


def text_rows() -> Iterator[dict[str, Any]]:
    """Iterate over the rows of text models, published ones first."""
    there = text_models()
    for name in dict.fromkeys([*TEXT_CATALOG, *there]):
        spec, card = TEXT_CATALOG.get(name), there.get(name)
        address = spec.address if spec else str(there[name].path)
        yield {
            "id": name,
            "architecture": spec.model_type if spec else there[name].model_type,
            "size": card.size if card else spec.megabytes * 1_000_000 if spec else None,
            "cached": card is not None,
            "licence": spec.licence if spec else None,
            "title": spec.title if spec else f"text model, imported from {there[name].source}",
            "source": address if spec else None,
            "file": address,
            "addresses": [address] if spec else [],
            "finder": None,
        }


def is_text_model(name: str) -> bool:
    """Return whether a name is that of a text model, published or on this machine."""
    return name in TEXT_CATALOG or name in text_models()


def fetch_line(name: str) -> str:
    """Fetch a published text model; return the line about it."""
    card = fetch_text_model(name)
    return f"{name}\t{shown(card.path)}\t({TEXT_CATALOG[name].licence})"


def verify_line(name: str) -> str:
    """Check the files of a text model; return the line about it."""
    card = text_models()[name]
    verify_folder(card, fresh=True)
    return f"{name}\tok\tsha256 {card.sha256}"


def import_line(folder: Path, name: str | None) -> str:
    """Copy a text model's folder into the cache; return the line about it."""
    card = import_folder(folder, name)
    return f"{card.id}\t{shown(card.path)}\t(imported; {card.model_type})"
