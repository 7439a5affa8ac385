"""Finders that fit weights on this machine, found without loading a model twice.

Which finder fits is certain once the image encoder is sketched, and that needs the whole
checkpoint. Sketches are kept in the cache by the hash of the weights, as
``encoders/<sha256>.json``, so that lists of models are quick.
"""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.networks.encoder_sketch import EncoderSketch, sketch_encoder
from napari_segany.schema import from_json
from napari_segany.weights import cache
from napari_segany.weights.finders import FinderFile, default_finders


def fitting_finder(model: str, architecture: str, path: Path) -> FinderFile | None:
    """Return the installed finder that fits a cached model, if one does.

    Parameters
    ----------
    model : str
        The model's id.
    architecture : str
        Its architecture; weights are sketched only if a finder was trained on this one.
    path : Path
        Its file.

    Raises
    ------
    WeightsError
        The weights have to be read, and cannot be used.
    """
    finders = [each for each in default_finders() if each.card.encoder.architecture == architecture]
    if not finders:
        return None
    sketch = _sketch(model, cache.hashes_of(path).sha256)
    return next((each for each in finders if each.card.encoder.sketch.is_same(sketch)), None)


def _sketch(model: str, sha256: str) -> EncoderSketch:
    """Return the kept sketch of a model's encoder, or sketch it and keep that."""
    path = cache.cache_folder() / "encoders" / f"{sha256}.json"
    with contextlib.suppress(OSError, InputError):
        return from_json(EncoderSketch, path.read_bytes(), f"The sketch {path}")
    # Only here torch is needed.
    from napari_segany.weights.resolve import find, load_weights

    sketch = sketch_encoder(load_weights(find(model)).fuse().image_encoder)
    # A cache on a read-only disk works as well, only slower.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with cache.replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(sketch)))
    return sketch
