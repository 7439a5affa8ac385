"""Files of micro-sam's decoders: where a model's decoder lies, and its weights, read safely.

A decoder lies in the checkpoint of its model, under ``decoder_state``, or beside it in a file of
its own, whose name is the checkpoint's and ``_decoder``. The SHA-256 hash of the file that holds it
is its identity, which recipes record.
"""

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_segany.errors import InputError, WeightsError
from napari_segany.weights import cache
from napari_segany.weights.catalog import CATALOG, unknown_model
from napari_segany.weights.decoder_catalog import DECODERS, ENDING

if TYPE_CHECKING:
    from torch import Tensor

    from napari_segany.networks.unetr import UnetrShape

STATE = "decoder_state"
"""Entry of a checkpoint that holds a decoder."""

SUFFIXES = (".pt", ".pth", ".safetensors")
"""Endings of files of decoders, in the order of looking."""

BEGINNING = 1 << 22
"""Bytes of a file in torch's old format in which the names of its entries lie."""


@dataclass(frozen=True)
class DecoderFile:
    """A file that holds a decoder.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Hexadecimal hash of its content, the decoder's identity.
    """

    path: Path
    sha256: str

    def load(self) -> "tuple[UnetrShape, dict[str, Tensor]]":
        """Return the architecture and the weights, in float32 under their published names.

        Raises
        ------
        WeightsError
            The file changed since it was found, or holds no decoder that fits.
        """
        if cache.hashes_of(self.path).sha256 != self.sha256:
            raise WeightsError(f"{self.path} changed since it was found; load the model again.")
        return read_decoder(self.path)


def read_decoder(path: Path) -> "tuple[UnetrShape, dict[str, Tensor]]":
    """Read a decoder from a file of its own, or from a checkpoint that holds one.

    Parameters
    ----------
    path : Path
        A file of torch.save, which is read without running code, or safetensors.

    Returns
    -------
    shape : UnetrShape
        The architecture.
    state : dict of str to Tensor
        Weights under their published names, float32, on the CPU.

    Raises
    ------
    WeightsError
        The file is missing, damaged or unsafe, or holds no decoder, or one that does not fit.
    """
    import torch

    from napari_segany.networks.unetr import Unetr, identify_shape
    from napari_segany.weights.checkpoint import check_tensors, read_content

    content: Any = read_content(path)
    if isinstance(content, Mapping):
        content = content.get(STATE, content)
    state = {
        name: value
        for name, value in (content.items() if isinstance(content, Mapping) else ())
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    shape = identify_shape(state)
    if shape is None:
        raise WeightsError(
            f"{path} holds no decoder of micro-sam: neither an entry {STATE!r} nor tensors such as "
            "base.block.1.weight. Export the checkpoint with its decoder, or give the decoder's "
            "own file."
        )
    with torch.device("meta"):
        network = Unetr(shape)
    check_tensors(f"the decoder of {shape.embedding} and {shape.width} channels", network, state)
    return shape, {n: v.float() if v.is_floating_point() else v for n, v in state.items()}


def decoders_beside(checkpoint: Path) -> Iterator[Path]:
    """Iterate over the files of decoders that lie beside a checkpoint, under its name."""
    for suffix in SUFFIXES:
        beside = checkpoint.with_name(f"{checkpoint.stem}{ENDING}{suffix}")
        if beside.is_file():
            yield beside


def decoder_paths(checkpoint: Path) -> Iterator[Path]:
    """Iterate over the files that hold a decoder of a checkpoint: beside it, then itself."""
    yield from decoders_beside(checkpoint)
    if _holds_decoder(checkpoint):
        yield checkpoint


class CheckpointFile(Protocol):
    """What a decoder's place depends on, such as :class:`napari_segany.weights.resolve.Weights`."""

    @property
    def id(self) -> str:
        """The model's name."""
        ...

    @property
    def path(self) -> Path:
        """The checkpoint."""
        ...

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of the checkpoint."""
        ...


def find_decoder_file(weights: CheckpointFile, sha256: str | None = None) -> DecoderFile | None:
    """Return the file that holds the decoder of a model, None if there is none.

    Parameters
    ----------
    weights : CheckpointFile
        The model's weights.
    sha256 : str, optional
        Hash of the file that is wanted.

    Raises
    ------
    WeightsError
        A published decoder is damaged.
    """
    for path in decoder_paths(weights.path):
        if path == weights.path:
            found = weights.sha256
        else:
            spec = DECODERS.get(f"{weights.id}{ENDING}")
            is_published = spec is not None and path == cache.model_path(spec)
            hashes = cache.verify(spec) if spec and is_published else cache.hashes_of(path)
            found = hashes.sha256
        if sha256 in (None, found):
            return DecoderFile(path, found)
    return None


def _holds_decoder(path: Path) -> bool:
    """Return whether a checkpoint has an entry for a decoder, without reading its weights."""
    try:
        status = path.stat()
    except OSError:
        return False
    return _names_decoder(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _names_decoder(path: Path, size: int, mtime_ns: int) -> bool:
    """Look into a file once a process while its size and time stay the same."""
    del size, mtime_ns
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                return any(STATE.encode() in archive.read(name) for name in names)
        with path.open("rb") as file:
            return STATE.encode() in file.read(BEGINNING)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        # Loading the checkpoint tells what is wrong with it.
        return False


def import_decoder(source: str | os.PathLike[str], model: str) -> DecoderFile:
    """Copy a decoder's file into the cache, beside the checkpoint that it was trained with.

    Parameters
    ----------
    source : path
        The decoder's own file.
    model : str
        Name of a published or imported model.

    Raises
    ------
    InputError
        There is no such file or model, or the model has another decoder.
    WeightsError
        The file holds no decoder that can be used; the cache is as before.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        raise InputError(f"There is no file {path} to import.")
    imported = cache.imported_models()
    if model not in CATALOG and model not in imported:
        raise unknown_model(model, imported)
    read_decoder(path)
    hashes, name = cache.hash_file(path), f"{model}{ENDING}"
    spec = DECODERS.get(name)
    if spec is not None and not cache.matches(spec, hashes):
        raise InputError(
            f"{path} is not the published decoder of {model}: {cache.mismatch(spec, hashes)}. "
            "A decoder of your own belongs to a checkpoint of your own; import that one under "
            "another name first."
        )
    folder = cache.make_models_folder()
    suffix = ".safetensors" if path.suffix == ".safetensors" else ".pt"
    target = folder / f"{name}{suffix}"
    for other in (folder / f"{name}{each}" for each in SUFFIXES):
        if other.is_file() and cache.hashes_of(other).sha256 != hashes.sha256:
            raise InputError(
                f"{model} has another decoder already, {other}; delete that file first."
            )
    with cache.locked(target), cache.replacing(target) as temporary:
        shutil.copyfile(path, temporary)
    return DecoderFile(target, hashes.sha256)


def imported_decoders() -> dict[str, Path]:
    """Return the files of decoders in the cache that no catalogue lists, by their names."""
    names = [f"{model}{ENDING}" for model in (*CATALOG, *cache.imported_models())]
    found: dict[str, Path] = {}
    for name in names:
        for path in (cache.models_folder() / f"{name}{suffix}" for suffix in SUFFIXES):
            if name not in DECODERS and path.is_file():
                found.setdefault(name, path)
    return found
