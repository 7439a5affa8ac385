"""Folders of text models: import, verification, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.text_models import tiny_folder

from napari_segany.errors import FetchError, InputError, WeightsError
from napari_segany.models import text_models as loading
from napari_segany.models.text_models import LOADERS, load_text_model, require_text_model
from napari_segany.weights import text_folders
from napari_segany.weights.text_catalog import FAMILIES, TEXT_CATALOG
from napari_segany.weights.text_folders import (
    CARD,
    fetch_text_model,
    import_folder,
    text_models,
    verify_folder,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a test may change."""
    return Path(shutil.copytree(tiny_folder("owlv2"), tmp_path / "mine"))


def test_every_family_has_a_loader_and_every_model_a_family() -> None:
    assert FAMILIES.keys() == LOADERS.keys()
    # "sam3" is the detector of SAM 3 alone, which nobody publishes.
    assert {spec.model_type for spec in TEXT_CATALOG.values()} == FAMILIES.keys() - {"sam3"}


def test_a_folder_is_copied_with_the_hashes_of_its_files(cache: Path, folder: Path) -> None:
    (folder / "notes.py").write_text("raise SystemExit")
    card = import_folder(folder)
    assert card.path == cache / "text" / "mine"
    copied = {each.name for each in card.path.iterdir()} - {CARD}
    assert copied == set(card.files) == {each.name for each in folder.iterdir()} - {"notes.py"}
    assert text_models() == {"mine": card}
    verify_folder(card, fresh=True)
    # The same content has the same identity, under any name.
    other = import_folder(folder, "other")
    assert other.sha256 == card.sha256
    assert require_text_model("gone", card.sha256) == card
    assert list(text_models()) == ["mine", "other"]


def test_published_models_come_first(cache: Path, folder: Path) -> None:
    import_folder(folder, "a_model")
    import_folder(tiny_folder("clip"), "clip_vit_b32")
    assert require_text_model().id == "clip_vit_b32"
    assert require_text_model("a_model").id == "a_model"


def test_gated_models_are_taken_by_name_only(cache: Path, folder: Path) -> None:
    gated = import_folder(tiny_folder("sam3_video"), "sam3_concepts")
    assert (gated.gated, gated.model_type, gated.threshold) == (True, "sam3_video", 0.5)
    with pytest.raises(InputError, match=r"terms of their own .*: choose sam3_concepts .*, or fet"):
        require_text_model()
    assert require_text_model("sam3_concepts") == gated
    assert require_text_model(None, gated.sha256) == gated
    own = import_folder(folder)
    assert require_text_model() == own


def test_a_gated_model_is_not_fetched_but_its_way_is_told(cache: Path) -> None:
    way = (
        r"its page is gated: .* files of https://huggingface\.co/facebook/sam3 .* --name sam3_conce"
    )
    with pytest.raises(FetchError, match=rf"^sam3_concepts is not fetched \(SAM License\): {way}"):
        fetch_text_model("sam3_concepts")
    with pytest.raises(InputError, match=rf"sam3_concepts is not on this machine; {way}"):
        require_text_model("sam3_concepts")


def test_another_model_of_a_taken_name_is_refused(cache: Path, folder: Path) -> None:
    card = import_folder(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"note": 1}))
    with pytest.raises(InputError, match=r"Another text model is already imported as 'mine'"):
        import_folder(folder)
    assert text_models() == {"mine": card}
    with pytest.raises(InputError, match=r"'minisam' is taken"):
        import_folder(folder, "minisam")
    with pytest.raises(InputError, match="cannot be called"):
        import_folder(folder, "../mine")


def test_what_is_no_text_model_is_refused(cache: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        import_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"is no text model: config\.json cannot be read"):
        import_folder(tmp_path / "empty")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"has no model\.safetensors\. Weights that need pickle"):
        import_folder(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(InputError, match=r"type 'llama'; text models are of the types owlv2, gro"):
        import_folder(folder)
    assert text_models() == {}


def test_cards_of_others_are_not_trusted(cache: Path, folder: Path, caplog: Any) -> None:
    card = import_folder(folder)
    path = card.path / CARD
    good = json.loads(path.read_text())
    for wrong in (
        {"files": {"../../secret": "0" * 64}},
        {"model_type": "llama"},
        {"id": "other"},
        {"format": 2},
        {"more": 1},
    ):
        path.write_text(json.dumps(good | wrong))
        text_folders._read_unchanged.cache_clear()
        assert text_models() == {}, wrong
    assert len(caplog.messages) == 5


def test_damaged_files_are_named(cache: Path, folder: Path) -> None:
    card = import_folder(folder)
    weights = card.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(WeightsError, match=r"model\.safetensors is damaged: its sha256 is"):
        load_text_model(card, torch.device("cpu"))


def test_weights_that_do_not_fit_are_refused(cache: Path, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["class_head.dense0.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    card = import_folder(folder)
    with pytest.raises(
        WeightsError, match=r"do not fit Owlv2ForObjectDetection: class_head.dense0"
    ):
        load_text_model(card, torch.device("cpu"))


def test_a_text_model_is_loaded_once(cache: Path, folder: Path) -> None:
    card = import_folder(folder)
    one = load_text_model(card, torch.device("cpu"))
    assert load_text_model(card, torch.device("cpu")) is one
    assert len(loading._loaded) == 1


def test_fetching_says_how_to_do_without_a_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[Any] = []

    def download(repository: str, *, local_dir: Path, allow_patterns: Any, **_: Any) -> None:
        asked.append((repository, allow_patterns))
        raise OSError("no route to host\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(FetchError, match=r"no route to host\. Otherwise download the files of"):
        fetch_text_model("owlv2_base")
    assert asked[0][0] == "google/owlv2-base-patch16-ensemble"
    assert not any(pattern.endswith((".bin", ".py")) for pattern in asked[0][1])

    def arrive(repository: str, *, local_dir: Path, **_: Any) -> None:
        asked.append(repository)
        shutil.copytree(tiny_folder("owlv2"), local_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", arrive)
    card = fetch_text_model("owlv2_base")
    assert (card.id, card.source) == ("owlv2_base", asked[-1])
    assert fetch_text_model("owlv2_base") == card
    assert len(asked) == 2
    with pytest.raises(InputError, match=r"There is no model 'owlv2_bas'. Did you mean 'owlv2_b"):
        fetch_text_model("owlv2_bas")
