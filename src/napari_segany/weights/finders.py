"""Files of finders: their format, the ones that are installed, and the encoders they belong to.

A file is in the safetensors format: the folded weights in float16, and a card that says which
encoder the finder was trained on and how it is used. The SHA-256 hash of the file is the finder's
identity, which recipes record. Finders of this package lie beside this module, a person's own in
the folder ``finders`` of the cache. Free of torch until tensors are read.
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from napari_segany.errors import InputError, WeightsError
from napari_segany.schema import from_json
from napari_segany.weights import cache
from napari_segany.weights.finder_card import FinderCard
from napari_segany.weights.safetensors_file import read_metadata, read_tensors, to_safetensors

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FORMAT = 3
"""Version of the card; raised when older versions of this package would misread a file. Files of
version 1 have neither ``base`` nor ``gate``, and are written where there are none."""

ENTRY = "napari_segany_finder"
"""Entry of the file's metadata that holds the card."""

SUFFIX = ".safetensors"
PACKAGED = Path(__file__).with_name("finders")
"""Folder of the finders that come with this package."""

MOST_BYTES = 1 << 26
"""Size of the largest file that is read."""


class _Record(TypedDict):
    """The card as it lies in a file."""

    format: int
    finder: FinderCard


@dataclass(frozen=True)
class FinderFile:
    """A finder's file that was read and checked.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Hexadecimal hash of its content, the finder's identity.
    card : FinderCard
        Its description.
    """

    path: Path
    sha256: str
    card: FinderCard

    def load_tensors(self) -> "dict[str, Tensor]":
        """Return the folded weights in float32, as :func:`fold` of the network gives them.

        Raises
        ------
        WeightsError
            The file changed since it was read, or does not fit its card.
        """
        content = _read_bytes(self.path)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise WeightsError(f"{self.path} changed since it was read; name the finder again.")
        return _checked_tensors(content, self.path, self.card)


def write_finder(path: Path, weights: "Mapping[str, Tensor]", card: FinderCard) -> FinderFile:
    """Write a finder's file.

    Parameters
    ----------
    path : Path
        The file, ending in ``.safetensors``; replaced as a whole.
    weights : mapping of str to Tensor
        As from :func:`napari_segany.networks.finder_inference.fold`.
    card : FinderCard
        Its description.

    Returns
    -------
    FinderFile
        The file as it is read again.

    Raises
    ------
    WeightsError
        The weights do not fit the card, or are too large for float16.
    """
    import torch

    rounded = {name: value.to(torch.float16).contiguous() for name, value in weights.items()}
    values = asdict(card)
    if card.base is None:
        del values["base"], values["gate"]
    version = 1 if card.base is None else FORMAT
    text = json.dumps({"format": version, "finder": values}, allow_nan=False)
    content = to_safetensors(rounded, {ENTRY: text})
    _checked_tensors(content, path, _read_card(content, path))
    with cache.replacing(path) as temporary:
        temporary.write_bytes(content)
    return read_finder(path)


def read_finder(path: Path) -> FinderFile:
    """Read the card of a finder's file; its tensors are read by :meth:`FinderFile.load_tensors`.

    Raises
    ------
    WeightsError
        It is missing, damaged, no finder, or of a newer version of this package.
    """
    content = _read_bytes(path)
    return FinderFile(path, hashlib.sha256(content).hexdigest(), _read_card(content, path))


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WeightsError(f"{path} is too large for a finder; finders have a few megabytes.")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}).") from error


def _read_card(content: bytes, path: Path) -> FinderCard:
    text = read_metadata(content, path).get(ENTRY)
    if text is None:
        raise WeightsError(
            f"{path} is no finder of this package: its metadata has no entry {ENTRY!r}. Model "
            "weights are imported with: napari-segany models import FILE"
        )
    what = f"The card of {path}"
    try:
        version = from_json(dict[str, Any], text, what).get("format")
        if isinstance(version, int) and version > FORMAT:
            raise WeightsError(
                f"{path} has format {version}, and this version reads formats up to {FORMAT}. "
                "Update napari-segany: pip install --upgrade napari-segany"
            )
        card = from_json(_Record, text, what)["finder"]
    except InputError as error:
        raise WeightsError(str(error)) from error
    if (card.base is None) != (card.gate is None):
        raise WeightsError(
            f"{path} does not say for which planes it was trained; train it again with this "
            "version: napari-segany train IMAGES --truth LABELS -o FILE"
        )
    return card


def _checked_tensors(content: bytes, path: Path, card: FinderCard) -> "dict[str, Tensor]":
    from napari_segany.networks.finder_inference import folded_shapes

    state = read_tensors(content, path)
    expected = folded_shapes(card.shape.shape)
    if {name: tuple(value.shape) for name, value in state.items()} != expected:
        names = sorted(expected.keys() ^ state.keys()) or ["shapes differ"]
        raise WeightsError(f"The tensors of {path} do not fit its card ({', '.join(names[:4])}).")
    wrong = [n for n, v in state.items() if not (v.is_floating_point() and v.isfinite().all())]
    if wrong:
        raise WeightsError(f"{path} holds values that are not finite, in {', '.join(wrong[:4])}.")
    return {name: value.float() for name, value in state.items()}


def finders_folder() -> Path:
    """Return the folder of a person's own finders in the cache; it may not exist."""
    return cache.cache_folder() / "finders"


def installed_finders() -> Iterator[FinderFile]:
    """Iterate over the finders on this machine, a person's own before those of the package.

    Files that cannot be used are left out with a warning.
    """
    for folder in (finders_folder(), PACKAGED):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            # A file may go away meanwhile.
            with contextlib.suppress(OSError):
                status = path.stat()
                if file := _read_unchanged(path, status.st_size, status.st_mtime_ns):
                    yield file


@functools.lru_cache(maxsize=64)
def _read_unchanged(path: Path, size: int, mtime_ns: int) -> FinderFile | None:
    """Read a file once a process while its size and time stay the same; warn once, too."""
    del size, mtime_ns
    try:
        return read_finder(path)
    except WeightsError as error:
        log.warning("a finder is left out: %s", error)
        return None


def default_finders() -> Iterator[FinderFile]:
    """Iterate over the installed finders that are used without being named.

    Those that were improved on one person's labels are not among them.
    """
    return (file for file in installed_finders() if file.card.base is None)


def named_finder(model: str) -> FinderFile | None:
    """Return the default finder whose card names a model, by its id, without loading anything.

    Which finder fits weights is certain only once they are loaded, see
    :func:`napari_segany.models.finder.find_finder`.
    """
    return next((each for each in default_finders() if each.card.encoder.name == model), None)


def require_installed(wanted: str | os.PathLike[str]) -> FinderFile:
    """Return an installed finder by its hash, the beginning of it, its name, or its file.

    A file is copied into the cache first, so that recipes that name its hash can be run again.

    Raises
    ------
    WeightsError
        The file is no usable finder.
    InputError
        There is no such finder, or several.
    """
    text = os.fspath(wanted)
    if (path := Path(text).expanduser()).is_file():
        return import_finder(path, rename=True)
    found = {
        each.sha256: each
        for each in installed_finders()
        if each.path.stem == text or (len(text) >= 6 and each.sha256.startswith(text.lower()))
    }
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(sorted(f"{each.path.stem} ({each.sha256[:12]})" for each in found.values()))
    if found:
        raise InputError(f"{text!r} names several finders: {names}. Give the beginning of a hash.")
    known = ", ".join(f"{each.path.stem} ({each.sha256[:12]})" for each in installed_finders())
    raise InputError(
        f"There is no finder {text!r}: it is neither a file, nor the name or hash of a finder on "
        f"this machine ({known})."
    )


def import_finder(source: str | os.PathLike[str], *, rename: bool = False) -> FinderFile:
    """Copy a finder's file into the cache.

    Parameters
    ----------
    source : path
        The file.
    rename : bool
        Add the beginning of the hash to the name if another finder has it.

    Raises
    ------
    WeightsError
        It is no usable finder; the cache is as before.
    InputError
        There is no such file, or another finder of its name is in the cache.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        raise InputError(f"There is no file {path} to import.")
    content = _read_bytes(path)
    sha256 = hashlib.sha256(content).hexdigest()
    _checked_tensors(content, path, _read_card(content, path))
    for file in installed_finders():
        if file.sha256 == sha256:
            return file
    target = finders_folder() / f"{path.stem}{SUFFIX}"
    taken = target.is_file() and read_finder(target).sha256 != sha256
    if taken and rename:
        target = finders_folder() / f"{path.stem}-{sha256[:12]}{SUFFIX}"
    elif taken:
        raise InputError(
            f"Another finder is already imported as {target}; delete it, or rename {path.name}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"The folder {target.parent} cannot be made ({error.strerror}). "
            f"Set {cache.CACHE_VARIABLE} to a folder that you may write to."
        ) from error
    with cache.replacing(target) as temporary:
        temporary.write_bytes(content)
    return read_finder(target)
