"""Export of a session's provenance as file, script and command."""

import json
import shlex
from pathlib import Path
from typing import Any

from napari_segany.errors import InputError
from napari_segany.io.atomic import writing
from napari_segany.plugin.layers.image_file import layer_path

SCRIPT = '''\
"""Computes the labels of a session again."""

# The image was called {name!r}.

import json

import napari_segany as sa
from napari_segany.session import ArraySource, replay
{load}
session = json.loads(r"""
{session}
""")
image = {image}
source = ArraySource(image{levels}{options})
model = sa.load_model({model!r}, precision={precision!r})
labels = replay(session, source, model)  # int32, {shape}
'''


def save(kept: dict[str, Any], path: Path) -> Path:
    """Write the record of a session as JSON."""
    with writing(path) as temporary:
        temporary.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return path


def as_python(kept: dict[str, Any], layer: Any) -> str:
    """Return a script that computes the labels of a session again."""
    path = layer_path(layer)
    read_options = kept["image"].get("reading", {})
    if "images" in read_options:
        raise InputError("Sessions on several layers seen as colours are done again in napari.")
    return SCRIPT.format(
        # Escaped as in a Python string, because a name may hold quotes.
        name=json.dumps(kept["image"]["name"])[1:-1],
        load="from napari_segany.io.read import open_image\n" if path else "",
        session=json.dumps(kept),
        # napari reads values as they are stored.
        image=f"open_image({path!r}, stored=True)" if path else "...  # the same array as then",
        # Crops of large planes are read from the same level of a pyramid as in napari.
        levels=".data, coarser=image.levels[1:]" if path else "",
        options="".join(f", {name}={value!r}" for name, value in read_options.items()),
        model=kept["model"],
        precision=kept["precision"],
        shape=tuple(kept["image"]["shape"]),
    )


def as_command(saved: Path | None, layer: Any) -> str:
    """Return a command that computes the labels of a saved session again."""
    if saved is None:
        raise InputError("Save the session first; the command reads that file.")
    image = layer_path(layer) or "IMAGE"
    return shlex.join(["napari-segany", "replay", str(saved), image, "-o", "results"])
