"""Decoders in ``napari-segany models``: rows of the list, and lines about single ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_segany.weights import cache
from napari_segany.weights.decoder_catalog import DECODERS
from napari_segany.weights.decoders import imported_decoders, read_decoder

NETWORK = "decoder"
"""Name of the network in the list."""


def cached_decoders() -> dict[str, Path]:
    """Return the files of the decoders in the cache, by their names."""
    there = {spec.id: cache.model_path(spec) for spec in DECODERS.values() if cache.is_cached(spec)}
    return there | imported_decoders()


def decoder_rows() -> Iterator[dict[str, Any]]:
    """Iterate over the rows of decoders, published ones first."""
    there = cached_decoders()
    for name in dict.fromkeys([*DECODERS, *there]):
        spec, path = DECODERS.get(name), there.get(name)
        yield {
            "id": name,
            "architecture": NETWORK,
            "size": path.stat().st_size if path else None,
            "cached": path is not None,
            "licence": spec.licence if spec else None,
            "title": spec.title if spec else "decoder, imported",
            "source": spec.source if spec else None,
            "file": spec.url if spec else str(path),
            "addresses": spec.addresses if spec else [],
            "finder": None,
        }


def verify_decoder_line(name: str) -> str:
    """Check the file of a decoder; return the line about it."""
    spec = DECODERS.get(name)
    path = cached_decoders()[name]
    hashes = cache.verify(spec, fresh=True) if spec else cache.hashes_of(path, fresh=True)
    read_decoder(path)
    return f"{name}\tok\tsha256 {hashes.sha256}"
