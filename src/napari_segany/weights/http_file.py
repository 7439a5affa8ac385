"""Download of one published file over HTTP: resumed, verified by its hash, never retried.

A host that does not answer is reported within seconds.
"""

import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import FetchError
from napari_segany.weights import cache
from napari_segany.weights.catalog import ModelSpec, PackedFile

CONNECT_SECONDS = 10.0
"""Longest wait for a connection, and for each next piece."""

PIECE = 1 << 18
"""Bytes between two reports of progress."""


def part_of(target: Path) -> Path:
    """Return the path of a file while it is downloaded."""
    return target.with_name(f"{target.name}.part")


def download(
    url: str,
    published: ModelSpec | PackedFile,
    target: Path,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    patience: float = CONNECT_SECONDS,
) -> None:
    """Download a file, continuing what an earlier attempt left.

    Parameters
    ----------
    url : str
        Address of the file.
    published : ModelSpec or PackedFile
        Hash and size of the file.
    target : Path
        Destination, replaced once the hash is right.
    progress, should_stop : callable, optional
        See :func:`napari_segany.weights.download.fetch`.
    patience : float
        Longest wait for the host's answer, in seconds.

    Raises
    ------
    FetchError
        Not reachable, interrupted, or other content; the message is the reason alone.
    Cancelled
        ``should_stop`` returned True.
    """
    part = part_of(target)
    while True:
        try:
            resumed = _receive(url, published, part, progress, should_stop, patience)
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(_reason(error)) from error
        hashes = cache.hash_file(part, should_stop)
        if cache.matches(published, hashes):
            os.replace(part, target)
            return
        part.unlink()
        # What was there before may have been another version's beginning: once more, from zero.
        if not resumed:
            raise FetchError(
                "what was sent is not the published file and was deleted "
                f"({cache.mismatch(published, hashes)}); a login page of the network may have "
                "answered"
            )


def _receive(
    url: str,
    published: ModelSpec | PackedFile,
    part: Path,
    progress: Progress | None,
    should_stop: ShouldStop | None,
    patience: float,
) -> bool:
    """Download into ``part``; True if what lay there before was kept."""
    have = part.stat().st_size if part.exists() else 0
    if have and have == published.size:
        return True
    headers = {"User-Agent": "napari-segany"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    _await_host(url, patience, should_stop)
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
        total = done + int(length) if length else published.size
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


def _await_host(url: str, seconds: float, should_stop: ShouldStop | None) -> None:
    """Raise TimeoutError unless the host of an address answers within ``seconds``.

    A refusal is an answer; the request after it says the same. A socket's time-out is not enough,
    because it does not limit the look-up of the name and holds anew for every address of the host.
    """
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        # Only the proxy can be reached from here.
        return
    port = parts.port or (http.client.HTTPS_PORT if parts.scheme == "https" else 80)
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), seconds).close()
        except TimeoutError:
            return
        except OSError:
            pass
        answered.set()

    threading.Thread(target=connect, name="segany-connect", daemon=True).start()
    deadline = time.monotonic() + seconds
    while not answered.wait(0.05):
        check(should_stop)
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer within {seconds:.0f} s")


def _reason(error: OSError | http.client.HTTPException) -> str:
    """Return the cause of a failed download as words for a message."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code} ({error.reason})"
    cause = getattr(error, "reason", None) or error
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)
