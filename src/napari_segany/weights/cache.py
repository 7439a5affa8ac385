"""Cache of model files: folders, verification by hash, and the register of imported models.

Torch-free, so that listing and fetching stay quick. Layout of the folder::

    models/<id><suffix>         weights, verified before use
    models/<file>.stamp         size, time and hashes when it was last hashed
    models/<id>.json            what an imported model is
    models/<file>.part          a download that can be resumed
    models/<id>.<name>.onnx     a file that the weights are converted from, until they are
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import xxhash
from filelock import FileLock, Timeout

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.errors import InputError, WeightsError
from napari_segany.weights.catalog import CATALOG, ModelSpec, PackedFile

log = logging.getLogger(__name__)

CACHE_VARIABLE = "SEGANY_CACHE"
CHUNK = 1 << 22
"""Bytes read at a time."""

LOCK_POLL = 0.2
"""Seconds between looks at ``should_stop`` while another process holds a lock."""

VALID_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


@dataclass(frozen=True)
class Hashes:
    """Hexadecimal hashes of one file; publishers use one or the other."""

    sha256: str
    xxh128: str


@dataclass(frozen=True)
class ImportedModel:
    """Register entry of a model that is not in the catalogue."""

    id: str
    architecture: str
    sha256: str
    original_name: str
    file: str

    @property
    def path(self) -> Path:
        """Path of the weights."""
        return models_folder() / self.file


_preferred = ""


def use_folder(folder: str) -> None:
    """Keep weights in another folder from now on; an empty name means the usual place."""
    global _preferred
    _preferred = folder


def cache_folder() -> Path:
    """Return the cache: ``SEGANY_CACHE``, else :func:`use_folder`'s, else the user cache."""
    if folder := os.environ.get(CACHE_VARIABLE) or _preferred:
        return Path(folder).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("napari-segany", appauthor=False)


def models_folder() -> Path:
    """Return the folder of weights inside the cache; it may not exist yet."""
    return cache_folder() / "models"


def make_models_folder() -> Path:
    """Create :func:`models_folder` if need be.

    Raises
    ------
    WeightsError
        It cannot be written to.
    """
    folder = models_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"The model cache {folder} cannot be made ({error.strerror}). "
            f"Set {CACHE_VARIABLE} to a folder that you may write to."
        ) from error
    return folder


def model_path(spec: ModelSpec) -> Path:
    """Return the path of a published model's file once it is cached."""
    return models_folder() / f"{spec.id}{spec.suffix}"


def is_cached(spec: ModelSpec) -> bool:
    """Return whether the file exists; it is verified when it is used."""
    return model_path(spec).is_file()


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that becomes ``target`` if the block succeeds."""
    # Not mkstemp: its files are readable by their owner alone, and caches are shared.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, should_stop: ShouldStop | None = None) -> Iterator[None]:
    """Hold the lock of a cached file against other processes, waiting for it if need be."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        check(should_stop)
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=LOCK_POLL)
            break
    try:
        yield
    finally:
        lock.release()


def hash_file(path: Path, should_stop: ShouldStop | None = None) -> Hashes:
    """Read the whole file and hash it.

    Raises
    ------
    WeightsError
        It cannot be read.
    """
    sha256, xxh128 = hashlib.sha256(), xxhash.xxh3_128()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                check(should_stop)
                sha256.update(chunk)
                xxh128.update(chunk)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}).") from error
    return Hashes(sha256.hexdigest(), xxh128.hexdigest())


@functools.lru_cache(maxsize=64)
def _hash_unchanged(path: Path, size: int, mtime_ns: int) -> Hashes:
    """Hash once a process while size and time stay the same; cached files, once for good."""
    if path.parent != models_folder():
        # Stamps beside files outside of the cache are not trusted.
        return hash_file(path)
    stamp = path.with_name(f"{path.name}.stamp")
    known = {"size": size, "mtime_ns": mtime_ns}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads(stamp.read_text())
        if {key: noted[key] for key in known} == known:
            return Hashes(noted["sha256"], noted["xxh128"])
    hashes = hash_file(path)
    # A cache on a read-only disk works as well, only slower.
    with contextlib.suppress(OSError), replacing(stamp) as temporary:
        temporary.write_text(json.dumps(known | asdict(hashes)))
    return hashes


def hashes_of(path: Path, fresh: bool = False) -> Hashes:
    """Return the hashes of a file, from its stamp if it has not changed since.

    Parameters
    ----------
    path : Path
        Any file; only those in the cache get a stamp.
    fresh : bool
        Read the file whatever the stamp says.
    """
    if fresh:
        return hash_file(path)
    try:
        status = path.stat()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}).") from error
    return _hash_unchanged(path, status.st_size, status.st_mtime_ns)


def matches(spec: ModelSpec | PackedFile, hashes: Hashes) -> bool:
    """Return whether a file with these hashes is the published one."""
    if spec.sha256 is not None:
        return hashes.sha256 == spec.sha256
    return hashes.xxh128 == spec.xxh128


def mismatch(spec: ModelSpec | PackedFile, hashes: Hashes) -> str:
    """Name the hash that was found and the published one, for an error."""
    if spec.sha256 is not None:
        return f"its sha256 is {hashes.sha256}, published is {spec.sha256}"
    return f"its xxh128 is {hashes.xxh128}, published is {spec.xxh128}"


def not_cached(name: str) -> WeightsError:
    """Return the error for a model that was not fetched yet."""
    return WeightsError(
        f"{name} is not in the cache ({models_folder()}). "
        f"Fetch it with: napari-segany models fetch {name}"
    )


def verify(model: ModelSpec | ImportedModel, fresh: bool = False) -> Hashes:
    """Check a cached model's file against its hash.

    Parameters
    ----------
    model : ModelSpec or ImportedModel
        A cached model.
    fresh : bool
        Read the file whatever its stamp says.

    Returns
    -------
    Hashes
        The right ones.

    Raises
    ------
    WeightsError
        The file is missing or is not what it should be.
    """
    if isinstance(model, ModelSpec) and not is_cached(model):
        raise not_cached(model.id)
    path = model_path(model) if isinstance(model, ModelSpec) else model.path
    hashes = hashes_of(path, fresh)
    if isinstance(model, ImportedModel):
        if hashes.sha256 != model.sha256:
            raise WeightsError(
                f"{path} changed since it was imported from {model.original_name}: its sha256 is "
                f"{hashes.sha256}, was {model.sha256}. Delete it and import the original again."
            )
    elif not matches(model, hashes):
        raise WeightsError(
            f"{path} is damaged: {mismatch(model, hashes)}. "
            f"Fetch it again with: napari-segany models fetch {model.id}"
        )
    return hashes


def register(model: ImportedModel) -> None:
    """Note an imported model whose file lies in the cache already.

    Raises
    ------
    InputError
        The id cannot be a file name, or belongs to a published model.
    """
    check_id(model.id)
    with replacing(models_folder() / f"{model.id}.json") as temporary:
        temporary.write_text(json.dumps(asdict(model), indent=2) + "\n")


def check_id(name: str) -> None:
    """Raise InputError unless ``name`` may name an imported model."""
    if not VALID_ID.fullmatch(name):
        raise InputError(
            f"A model cannot be called {name!r}: use letters, digits, '-', '_' and '.', "
            "with a letter or digit first."
        )
    if name.lower() in {*CATALOG, "auto"}:
        raise InputError(f"{name!r} is taken by this package; give another name.")


def imported_models() -> dict[str, ImportedModel]:
    """Return imported models by id; broken register entries are left out with a warning."""
    found: dict[str, ImportedModel] = {}
    for path in sorted(models_folder().glob("*.json")):
        try:
            model = ImportedModel(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s does not describe an imported model (%s); import it again", path, error)
            continue
        found[model.id] = model
    return found
