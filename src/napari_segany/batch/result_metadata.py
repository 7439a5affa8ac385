"""Hashes stored in the recipe, by which results are recognised when ``.segany`` is gone.

The recipe beside the results of an image holds, in an entry of its own, the hash of the image's
content and that of every file. Nothing in it depends on place or time.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_segany.batch.manifest import Fingerprint, Output, Record, describe_output
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown, storable
from napari_segany.recipe import RESULT, Recipe
from napari_segany.schema import from_json


@dataclass(frozen=True)
class _Made:
    """The entry in the recipe: name and hash of the image, hashes of recipe and files."""

    image: str
    content: str
    recipe: str
    files: dict[str, str]


def recipe_with_result(
    recipe: Recipe, image: Path, content: str, outputs: Mapping[str, Output]
) -> str:
    """Return the text of the recipe that is written beside results.

    Parameters
    ----------
    recipe : Recipe
        The recipe of the results.
    image : Path
        The image.
    content : str
        Hash of the image's content.
    outputs : mapping
        The results by file name, without the recipe.
    """
    text = recipe.to_json()
    files = {storable(name): each.sha256 for name, each in outputs.items()}
    made = _Made(shown(image.name), content, _hash(text), files)
    return json.dumps({**json.loads(text), RESULT: asdict(made)}, indent=2) + "\n"


def record_from_results(files: tuple[Path, ...]) -> Record | None:
    """Read the image and the files of a record from the recipe beside the results.

    Parameters
    ----------
    files : tuple of Path
        The results of an image, their recipe last.

    Returns
    -------
    Record or None
        None if there is no such recipe.
    """
    *others, provenance = files
    with suppress(OSError, InputError):
        text, what = provenance.read_bytes(), f"The recipe {provenance}"
        values = from_json(dict[str, Any], text, what)
        made = from_json(_Made, json.dumps(values.get(RESULT)), what)
        outputs = {
            path.name: Output(Fingerprint.of([path]).size, -1, made.files[storable(path.name)])
            for path in others
            if storable(path.name) in made.files and path.exists()
        }
        if _hash(Recipe.from_json(text).to_json()) == made.recipe:
            outputs[provenance.name] = describe_output(provenance)
        return Record(made.image, content=made.content, outputs=outputs)
    return None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
