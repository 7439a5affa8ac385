"""Decoders in ``napari-segany models``."""

import json
from pathlib import Path
from typing import Any

import torch
from tests.decoders import decoder_state

from napari_segany.cli.main import main
from napari_segany.weights.cache import ImportedModel, hash_file, make_models_folder, register


def test_decoders_are_imported_listed_verified_and_located(
    cache: Path, tmp_path: Path, capsys: Any
) -> None:
    path = make_models_folder() / "mine.pt"
    path.write_bytes(b"weights of a model")
    register(ImportedModel("mine", "vit_t", hash_file(path).sha256, "best.pt", "mine.pt"))
    own, target = tmp_path / "own.pt", cache / "models" / "mine_decoder.pt"
    torch.save(decoder_state(), own)
    assert main(["models", "import-decoder", str(own), "--model", "mine"]) == 0
    assert capsys.readouterr().out == f"{target}\t(decoder of mine)\n"
    assert main(["models", "list", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine_decoder"]["cached"]
    assert rows["mine_decoder"]["size"] == own.stat().st_size
    published = rows["vit_b_lm_decoder"]
    assert not published["cached"]
    assert published["licence"] == "CC-BY-4.0"
    assert published["file"].endswith("diplomatic-bug/1.2/files/vit_b_decoder.pt")
    assert main(["models", "verify", "mine_decoder"]) == 0
    assert capsys.readouterr().out.startswith("mine_decoder\tok\tsha256 ")
    assert main(["models", "path", "mine_decoder"]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    target.write_bytes(target.read_bytes()[:1000])
    assert main(["models", "verify", "mine_decoder"]) == 1
    assert "truncated, damaged" in capsys.readouterr().err


def test_a_decoder_of_no_model_and_a_misspelt_one_are_refused(
    cache: Path, tmp_path: Path, capsys: Any
) -> None:
    torch.save(decoder_state(), tmp_path / "own.pt")
    command = ["models", "import-decoder", str(tmp_path / "own.pt"), "--model"]
    assert main([*command, "yours"]) == 2
    assert "There is no model 'yours'" in capsys.readouterr().err
    assert main([*command, "vit_b_lm"]) == 2
    assert "is not the published decoder of vit_b_lm" in capsys.readouterr().err
    assert main(["models", "fetch", "vit_b_lm_decode"]) == 2
    assert "vit_b_lm_decoder" in capsys.readouterr().err
