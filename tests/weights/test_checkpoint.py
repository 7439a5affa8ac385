import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_segany.errors import WeightsError
from napari_segany.networks.sam import ARCHITECTURES, build_sam
from napari_segany.weights.checkpoint import (
    UNUSED,
    check_fit,
    identify_architecture,
    load_strict,
    read_checkpoint,
)

State = dict[str, Tensor]
SMALL = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "model_state"])
@pytest.mark.parametrize("prefix", ["", "sam.", "module.", "module.sam."])
def test_wrapped_and_prefixed_checkpoints_are_read(
    wrapper: str, prefix: str, tmp_path: Path
) -> None:
    state = {f"{prefix}{key}": value for key, value in SMALL.items()}
    torch.save({wrapper: state, "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "a.pt")
    assert same(read_checkpoint(tmp_path / "a.pt"), SMALL)


@pytest.mark.parametrize("file", ["a.safetensors", "a.bin"])
def test_safetensors_are_read_whatever_they_are_called(file: str, tmp_path: Path) -> None:
    save_file(SMALL, tmp_path / file)
    assert same(read_checkpoint(tmp_path / file), SMALL)


def test_the_old_format_of_torch_is_read(tmp_path: Path) -> None:
    torch.save(SMALL, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(tmp_path / "a.pth"), SMALL)


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_checkpoint_cannot_run_code(new_format: bool, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save(
        {"model": SMALL, "extra": Malicious(ran)},
        tmp_path / "bad.pt",
        _use_new_zipfile_serialization=new_format,
    )
    with pytest.raises(WeightsError, match=r"could run code.*save_file"):
        read_checkpoint(tmp_path / "bad.pt")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (b"just some text, long enough to be anything", "no checkpoint"),
        (b"PK\x03\x04 not really an archive", "truncated, damaged or no checkpoint"),
        # Read as pickle, the first bytes of a TIFF are instructions that are refused.
        (b"II*\x00\x08\x00\x00\x00a TIFF", r"a\.pt is no checkpoint\. Accepted are"),
    ],
)
def test_other_files_are_named_for_what_they_are(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(tmp_path / "a.pt")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("file", ["new.pt", "old.pt", "a.safetensors"])
def test_truncated_files_are_errors(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    state = {"a.weight": torch.ones(100, 100)}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=file == "new.pt")
    content = path.read_bytes()
    for length in (20, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match="truncated"):
            read_checkpoint(path)


@pytest.mark.parametrize("content", [[1, 2], {}, torch.ones(2), {"epoch": 3}, {0: torch.ones(1)}])
def test_checkpoints_without_weights_are_errors(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="holds"):
        read_checkpoint(tmp_path / "a.pt")


def test_exactly_four_tensors_of_mobile_sam_are_left_out(
    vit_t_state: State, tmp_path: Path
) -> None:
    extra = {name: torch.zeros(3) for name in UNUSED}
    torch.save(vit_t_state | extra, tmp_path / "a.pt")
    state = read_checkpoint(tmp_path / "a.pt")
    assert same(state, vit_t_state)
    assert len(UNUSED) == 4
    torch.save(
        vit_t_state | extra | {"image_encoder.head.scale": torch.zeros(3)}, tmp_path / "b.pt"
    )
    state = read_checkpoint(tmp_path / "b.pt")
    with pytest.raises(WeightsError, match=r"unknown: image_encoder\.head\.scale"):
        load_strict("vit_t", state)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_recognised(architecture: str) -> None:
    with torch.device("meta"):
        state = build_sam(architecture).state_dict()
    assert identify_architecture(state) == architecture
    check_fit(architecture, state)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vision_encoder.layers.0.norm.weight", "transformers"),
        ("image_encoder.trunk.blocks.0.norm.weight", "SAM 2"),
        ("conv1.weight", "conv1.weight"),
    ],
)
def test_other_layouts_are_named(name: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        identify_architecture({name: torch.zeros(1)})


def test_a_vit_of_unknown_width_is_an_error() -> None:
    stem = {"image_encoder.patch_embed.proj.weight": torch.zeros(384, 3, 16, 16)}
    with pytest.raises(WeightsError, match="width 384"):
        identify_architecture(stem)


def test_weights_arrive_in_the_model(vit_t_state: State) -> None:
    model = load_strict("vit_t", vit_t_state)
    assert not model.training
    assert same(model.state_dict(), vit_t_state)


def test_half_precision_weights_are_widened(vit_t_state: State) -> None:
    key = "mask_decoder.iou_token.weight"
    model = load_strict("vit_t", vit_t_state | {key: vit_t_state[key].half()})
    assert model.mask_decoder.iou_token.weight.dtype == torch.float32


def test_missing_and_misshapen_tensors_are_named(vit_t_state: State) -> None:
    key, other = "mask_decoder.iou_token.weight", "image_encoder.neck.0.weight"
    state = {name: value for name, value in vit_t_state.items() if name != key}
    with pytest.raises(WeightsError, match=rf"missing: {key}"):
        load_strict("vit_t", state)
    with pytest.raises(WeightsError, match=rf"{other} \(3,\) instead of \(256, 320, 1, 1\)"):
        check_fit("vit_t", vit_t_state | {other: torch.zeros(3)})
    with pytest.raises(WeightsError, match="more"):
        load_strict("vit_t", {})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mask_decoder.iou_token.weight", lambda v: v * float("nan"), "not finite"),
        ("image_encoder.neck.0.weight", lambda v: v / 0, "not finite"),
        ("image_encoder.neck.0.weight", lambda v: v.double() + 1e39, "not finite"),
        ("image_encoder.patch_embed.seq.0.bn.running_var", lambda v: v - 5, "not possible"),
        ("image_encoder.neck.0.weight", lambda v: v.to(torch.int8), "of another type: .* int8"),
        ("mask_decoder.iou_token.weight", lambda v: v + 1j, "of another type: .* complex64"),
    ],
)
def test_weights_that_find_nothing_are_refused(
    name: str, change: Any, message: str, vit_t_state: State
) -> None:
    state = vit_t_state | {name: change(vit_t_state[name])}
    for use in (load_strict, check_fit):
        with pytest.raises(WeightsError, match=f"{message}.*") as caught:
            use("vit_t", state)
        assert name in str(caught.value)


@pytest.mark.parametrize("part", ["image_encoder", "prompt_encoder", "mask_decoder"])
def test_weights_that_are_all_zero_are_refused(part: str, vit_t_state: State) -> None:
    state = {k: v * 0 if k.startswith(part) else v for k, v in vit_t_state.items()}
    with pytest.raises(WeightsError, match=f"The weights of {part} are all zero"):
        load_strict("vit_t", state)
