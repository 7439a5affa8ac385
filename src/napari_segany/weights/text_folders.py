"""Folders of text models: import, fetch, verify and list them.

A text model lies in a folder of its own in the cache::

    text/<id>/config.json, *.safetensors, tokenizer.json ...    as transformers writes them
    text/<id>/napari_segany.json                                the card: hashes of these files

Weights are read from safetensors only, and no code of a folder is ever run. Free of torch.
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le, MinLen

from napari_segany.errors import FetchError, InputError, WeightsError
from napari_segany.schema import from_json
from napari_segany.weights import cache
from napari_segany.weights.catalog import unknown_model
from napari_segany.weights.text_catalog import FAMILIES, TEXT_CATALOG

log = logging.getLogger(__name__)

CARD = "napari_segany.json"
"""Name of the card in a folder."""

CONFIG = "config.json"
WEIGHTS = ".safetensors"

KEPT = (
    *(CONFIG, "preprocessor_config.json", "processor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "model.safetensors", "model.safetensors.index.json"),
)
"""Files of a folder that are copied, beside the parts of divided weights."""

PARTS = "model-*-of-*.safetensors"
"""Names of the parts of divided weights."""

INSTALL = 'pip install "napari-segany[text]"'
"""Command that installs what text models need."""


@dataclass(frozen=True)
class TextModelCard:
    """Card of a text model's folder.

    Attributes
    ----------
    id : str
        Its name.
    model_type : str
        Its family.
    sha256 : str
        Hexadecimal hash of the hashes of all files, the model's identity.
    files : dict
        Hexadecimal hash of each file.
    source : str
        Repository or folder that it was copied from.
    """

    id: Annotated[str, MinLen(1)]
    model_type: Annotated[str, MinLen(1)]
    sha256: Annotated[str, MinLen(64)]
    files: dict[str, str]
    source: str = ""
    format: Annotated[int, Ge(1), Le(1)] = 1

    @property
    def path(self) -> Path:
        """The folder."""
        return text_folder() / self.id

    @property
    def threshold(self) -> float:
        """Score that objects must exceed by default, 0..1."""
        return FAMILIES[self.model_type].threshold

    @property
    def ranks(self) -> bool:
        """True if it ranks masks that are found without it."""
        return FAMILIES[self.model_type].ranks

    @property
    def gated(self) -> bool:
        """True if it is used where it is named only."""
        return FAMILIES[self.model_type].gated

    @property
    def size(self) -> int:
        """Bytes of the files that are there."""
        sizes = [self.path / name for name in self.files]
        return sum(each.stat().st_size for each in sizes if each.is_file())


def text_folder() -> Path:
    """Return the folder of all text models in the cache; it may not exist."""
    return cache.cache_folder() / "text"


def text_models() -> dict[str, TextModelCard]:
    """Return the text models on this machine by name, published ones first.

    Folders without a usable card are left out with a warning.
    """
    found: dict[str, TextModelCard] = {}
    for path in sorted(text_folder().glob(f"*/{CARD}")):
        with contextlib.suppress(OSError):
            status = path.stat()
            if card := _read_unchanged(path, status.st_size, status.st_mtime_ns):
                found[card.id] = card
    order = [*TEXT_CATALOG, *found]
    return {name: found[name] for name in dict.fromkeys(order) if name in found}


@functools.lru_cache(maxsize=64)
def _read_unchanged(path: Path, size: int, mtime_ns: int) -> TextModelCard | None:
    """Read a card once a process while its file stays the same; warn once, too."""
    del size, mtime_ns
    try:
        card = from_json(TextModelCard, path.read_bytes(), f"The card {path}")
        if card.model_type not in FAMILIES or path.parent.name != card.id:
            raise InputError(f"The card {path} is of another model than its folder.")
        _check_names(card.files, path)
    except (OSError, InputError) as error:
        log.warning("a text model is left out: %s", error)
        return None
    return card


def _check_names(files: dict[str, str], path: Path) -> None:
    if wrong := [name for name in files if Path(name).name != name]:
        raise InputError(f"The card {path} names a file outside of its folder: {wrong[0]!r}.")


def verify_folder(card: TextModelCard, fresh: bool = False) -> None:
    """Check every file of a text model against its hash.

    Raises
    ------
    WeightsError
        A file is missing or is not what it was; the message names it.
    """
    for name, sha256 in card.files.items():
        found = cache.hashes_of(card.path / name, fresh).sha256
        if found != sha256:
            raise WeightsError(
                f"{card.path / name} is damaged: its sha256 is {found}, was {sha256}. Delete the "
                f"folder, and fetch or import {card.id} again."
            )


def import_folder(
    source: str | os.PathLike[str], name: str | None = None, origin: str = ""
) -> TextModelCard:
    """Copy a folder that transformers wrote into the cache.

    Parameters
    ----------
    source : path
        A folder with ``config.json``, ``model.safetensors`` and the files of the tokenizer.
    name : str, optional
        Name of the model; by default that of the folder.
    origin : str, optional
        Repository that the card names as its source.

    Raises
    ------
    InputError
        There is no such folder, it is of no known family, or the name is taken.
    WeightsError
        Its weights are no safetensors file; the cache is as before.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to import.")
    chosen = name or folder.name
    model_type = _family_of(folder)
    if chosen not in TEXT_CATALOG:
        cache.check_id(chosen)
    files = [folder / each for each in KEPT if (folder / each).is_file()]
    files += sorted(folder.glob(PARTS))
    if not any(each.suffix == WEIGHTS for each in files):
        raise WeightsError(
            f"{folder} has no model.safetensors. Weights that need pickle can run code, so they "
            "are not read; convert them with transformers: model.save_pretrained(FOLDER)."
        )
    hashes = {each.name: cache.hash_file(each).sha256 for each in files}
    card = TextModelCard(chosen, model_type, _joint_hash(hashes), hashes, origin or folder.name)
    before = text_models().get(chosen)
    if before is not None and before.sha256 != card.sha256:
        raise InputError(
            f"Another text model is already imported as {chosen!r}; delete {before.path}, or give "
            "this one another name."
        )
    _copy(files, card)
    return card


def _family_of(folder: Path) -> str:
    try:
        config = from_json(dict[str, Any], (folder / CONFIG).read_bytes(), f"{folder / CONFIG}")
    except OSError as error:
        raise InputError(
            f"{folder} is no text model: {CONFIG} cannot be read ({error.strerror})."
        ) from error
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise InputError(
            f"{folder} holds a model of the type {str(model_type)[:60]!r}; text models are of the "
            f"types {', '.join(FAMILIES)}."
        )
    return str(model_type)


def _joint_hash(hashes: dict[str, str]) -> str:
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def _copy(files: list[Path], card: TextModelCard) -> None:
    """Copy files and card; the folder appears with all of them or not at all."""
    target = card.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".import-") as temporary:
            made = Path(temporary, card.id)
            made.mkdir()
            for each in files:
                shutil.copyfile(each, made / each.name)
            (made / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
            if target.exists():
                shutil.rmtree(target)
            os.replace(made, target)
    except OSError as error:
        raise WeightsError(
            f"{target} cannot be written ({error.strerror}). "
            f"Set {cache.CACHE_VARIABLE} to a folder that you may write to."
        ) from error


def fetch_text_model(name: str) -> TextModelCard:
    """Download a published text model into the cache, unless it is there.

    Raises
    ------
    InputError
        There is no such text model.
    FetchError
        It is gated, transformers is not installed, or the repository cannot be reached.
    """
    spec = TEXT_CATALOG.get(name)
    if spec is None:
        raise unknown_model(name, TEXT_CATALOG)
    if there := text_models().get(name):
        verify_folder(there)
        return there
    if spec.gated:
        raise FetchError(f"{name} is not fetched ({spec.licence}): {spec.way}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise FetchError(f"{name} needs transformers: {INSTALL}") from error
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, name)
        try:
            snapshot_download(
                spec.repository, local_dir=folder, allow_patterns=[*KEPT, PARTS], max_workers=2
            )
        # Many kinds, of that package and of the ones it uses.
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise FetchError(
                f"{name} could not be fetched from {spec.address}: {reason}. Otherwise {spec.way}"
            ) from error
        return import_folder(folder, name, spec.repository)
