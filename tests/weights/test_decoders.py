"""Files of micro-sam's decoders: in checkpoints, beside them, published and imported."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.decoders import TINY_SHAPE, decoder_state
from tests.weights.file_server import FileServer, closed_address
from torch import Tensor

from napari_segany.errors import FetchError, InputError, WeightsError
from napari_segany.networks.unetr import UnetrShape
from napari_segany.weights import cache as model_cache
from napari_segany.weights import decoder_catalog
from napari_segany.weights.catalog import CATALOG
from napari_segany.weights.checkpoint import read_checkpoint
from napari_segany.weights.decoder_catalog import DECODERS
from napari_segany.weights.decoders import (
    find_decoder_file,
    import_decoder,
    imported_decoders,
    read_decoder,
)
from napari_segany.weights.download import fetch
from napari_segany.weights.resolve import Weights, find, import_file


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def weights_at(path: Path) -> Weights:
    sha256 = model_cache.hash_file(path).sha256 if path.is_file() else "0"
    return Weights("mine", "vit_t", path, sha256)


@pytest.mark.parametrize("shape", [TINY_SHAPE, UnetrShape(8, 2, transposed=True)])
@pytest.mark.parametrize("file", ["a.pt", "a.safetensors", "checkpoint.pt"])
def test_decoders_are_read_from_either_file(file: str, shape: UnetrShape, tmp_path: Path) -> None:
    state, path = decoder_state(shape), tmp_path / file
    if file == "a.safetensors":
        save_file(state, path)
    elif file == "a.pt":
        torch.save(state, path)
    else:
        torch.save({"model_state": {"sam.x": torch.ones(1)}, "decoder_state": state}, path)
    found_shape, found = read_decoder(path)
    assert found_shape == shape
    assert same(found, state)


def test_weights_of_16_bits_are_computed_in_32(tmp_path: Path) -> None:
    state = {n: v.half() if v.is_floating_point() else v for n, v in decoder_state().items()}
    torch.save(state, tmp_path / "a.pt")
    _, found = read_decoder(tmp_path / "a.pt")
    assert {v.dtype for v in found.values()} == {torch.float32, torch.int64}


class Malicious:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_decoder_cannot_run_code(tmp_path: Path) -> None:
    path, ran = tmp_path / "a.pt", tmp_path / "ran"
    torch.save({"decoder_state": decoder_state(), "extra": Malicious(ran)}, path)
    with pytest.raises(WeightsError, match="could run code"):
        read_decoder(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("deconv3.block.1.block.bias"), r"missing: deconv3\.block\.1\.block\.bias"),
        (lambda s: s.update({"more": torch.ones(1)}), "unknown: more"),
        (
            lambda s: s.update({"out_conv.bias": torch.ones(4)}),
            r"out_conv\.bias \(4,\) instead of \(3,\)",
        ),
        (lambda s: s["deconv1.block.1.block.weight"].fill_(torch.nan), "not finite"),
        (lambda s: s.clear(), "holds no decoder of micro-sam"),
    ],
)
def test_a_decoder_that_does_not_fit_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    state = decoder_state()
    change(state)
    torch.save({"decoder_state": state} if state else {"a": torch.ones(1)}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=message):
        read_decoder(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"PK\x03\x04 no archive", b"decoder_state, or not"]
)
def test_what_is_no_file_of_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        read_decoder(path)


def test_a_decoder_lies_in_the_checkpoint_or_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "my.model.pt"
    assert find_decoder_file(weights_at(path)) is None
    torch.save({"model_state": {"x": torch.ones(1)}}, path)
    assert find_decoder_file(weights_at(path)) is None
    for zipped in (True, False):
        torch.save(
            {"model_state": {"x": torch.ones(1)}, "decoder_state": decoder_state()},
            path,
            _use_new_zipfile_serialization=zipped,
        )
        inside = find_decoder_file(weights_at(path))
        assert inside is not None
        assert (inside.path, inside.sha256) == (path, model_cache.hash_file(path).sha256)
        assert same(inside.load()[1], decoder_state())
    torch.save(decoder_state(seed=1), tmp_path / "my.model_decoder.pth")
    beside = find_decoder_file(weights_at(path))
    assert beside is not None
    assert beside.path.name == "my.model_decoder.pth", "a file beside it comes first"
    assert find_decoder_file(weights_at(path), inside.sha256) == inside
    assert find_decoder_file(weights_at(path), "0" * 64) is None


def test_a_decoder_that_changes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a_decoder.pt"
    torch.save(decoder_state(), path)
    found = find_decoder_file(weights_at(tmp_path / "a.pt"))
    assert found is not None
    torch.save(decoder_state(seed=1), path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match="changed since it was found"):
        found.load()


def test_an_imported_checkpoint_keeps_its_decoder(
    cache: Path, tmp_path: Path, vit_t_state: dict[str, Tensor]
) -> None:
    path = tmp_path / "best.pt"
    model = {f"sam.{name}": value for name, value in vit_t_state.items()}
    torch.save({"model_state": model, "decoder_state": decoder_state()}, path)
    found = find_decoder_file(import_file(path, "mine"))
    assert found is not None
    assert found.path == cache / "models" / "mine.pt"
    assert same(found.load()[1], decoder_state())
    assert same(read_checkpoint(path), vit_t_state)


def test_a_decoder_beside_a_checkpoint_is_imported_with_it(
    cache: Path, tmp_path: Path, vit_t_state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(vit_t_state, tmp_path / "best.pt")
    torch.save(decoder_state(), tmp_path / "best_decoder.pt")
    found = find_decoder_file(import_file(tmp_path / "best.pt", "mine"))
    assert found is not None
    assert found.path == cache / "models" / "mine_decoder.pt"
    assert same(found.load()[1], decoder_state())
    assert import_file(tmp_path / "best.pt", "mine").id == "mine", "once more changes nothing"
    assert not caplog.messages
    (tmp_path / "best_decoder.pt").write_bytes(b"not a decoder")
    weights = import_file(tmp_path / "best.pt", "other")
    assert find_decoder_file(weights) is None
    (line,) = caplog.messages
    assert line.startswith("other was imported without the decoder beside it: ")


def test_a_decoder_is_imported_for_a_model(
    cache: Path, tmp_path: Path, vit_t_state: dict[str, Tensor]
) -> None:
    torch.save(vit_t_state, tmp_path / "best.pt")
    import_file(tmp_path / "best.pt", "mine")
    own, other = tmp_path / "own.pt", tmp_path / "other.pt"
    torch.save(decoder_state(), own)
    torch.save(decoder_state(seed=1), other)
    with pytest.raises(InputError, match="There is no model 'yours'"):
        import_decoder(own, "yours")
    with pytest.raises(InputError, match="no file"):
        import_decoder(tmp_path / "none.pt", "mine")
    with pytest.raises(WeightsError, match="holds no decoder"):
        import_decoder(tmp_path / "best.pt", "mine")
    assert imported_decoders() == {}
    made = import_decoder(own, "mine")
    assert imported_decoders() == {"mine_decoder": made.path}
    assert find_decoder_file(find("mine")) == made == import_decoder(own, "mine")
    with pytest.raises(InputError, match="has another decoder already"):
        import_decoder(other, "mine")
    with pytest.raises(WeightsError, match="found a decoder of micro-sam"):
        import_file(own)


def test_published_decoders_name_their_files() -> None:
    assert len(DECODERS) == 6
    for name, spec in DECODERS.items():
        assert name == spec.id == f"{spec.model}_decoder"
        model = CATALOG[spec.model]
        assert spec.licence == model.licence
        assert str(spec.url) == str(model.url).replace(".pt", "_decoder.pt")
        assert re.fullmatch("[0-9a-f]{32}", spec.xxh128 or "")
        assert spec.model in spec.importing
        assert name not in CATALOG
    assert len({spec.xxh128 for spec in DECODERS.values()}) == 6


@pytest.fixture
def served(
    cache: Path, tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> bytes:
    """A published decoder that can be fetched; its content."""
    torch.save(decoder_state(), tmp_path / "published.pt")
    content = (tmp_path / "published.pt").read_bytes()
    server.files["decoder.pt"] = content
    spec = replace(
        DECODERS["vit_b_lm_decoder"],
        xxh128=model_cache.hash_file(tmp_path / "published.pt").xxh128,
        url=f"{server.root}/decoder.pt",
    )
    known = {**DECODERS, spec.id: spec}
    monkeypatch.setattr(decoder_catalog, "DECODERS", known)
    monkeypatch.setattr("napari_segany.weights.decoders.DECODERS", known)
    return content


def test_a_published_decoder_is_fetched_and_verified(
    cache: Path, tmp_path: Path, served: bytes
) -> None:
    path = fetch("vit_b_lm_decoder")
    assert path == cache / "models" / "vit_b_lm_decoder.pt"
    assert path.read_bytes() == served
    weights = Weights("vit_b_lm", "vit_b", cache / "models" / "vit_b_lm.pt", "0")
    found = find_decoder_file(weights)
    assert found is not None
    assert same(found.load()[1], decoder_state())
    path.write_bytes(served[:-1])
    with pytest.raises(WeightsError, match=r"damaged.*fetch vit_b_lm_decoder"):
        find_decoder_file(weights)


def test_a_published_decoder_is_imported_by_its_hash(
    cache: Path, tmp_path: Path, served: bytes
) -> None:
    torch.save(decoder_state(seed=1), tmp_path / "other.pt")
    with pytest.raises(InputError, match="is not the published decoder of vit_b_lm: its xxh128"):
        import_decoder(tmp_path / "other.pt", "vit_b_lm")
    made = import_decoder(tmp_path / "published.pt", "vit_b_lm")
    assert made.path.read_bytes() == served


def test_a_decoder_that_cannot_be_fetched_is_imported_by_another_command(
    cache: Path, served: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(
        decoder_catalog.DECODERS["vit_b_lm_decoder"], url=f"{closed_address()}/decoder.pt"
    )
    monkeypatch.setattr(decoder_catalog, "DECODERS", {gone.id: gone})
    with pytest.raises(FetchError, match="models import-decoder FILE --model vit_b_lm"):
        fetch("vit_b_lm_decoder")
