"""``napari-segany replay``: the labels of a session again, from its file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany.cli.main import main
from napari_segany.session import ArraySource, ArrayTarget, Session, provenance

STACK = np.random.default_rng(0).integers(0, 255, (2, 60, 70)).astype(np.uint8)


@pytest.fixture
def saved(tmp_path: Path, tiny_model: Any, monkeypatch: Any) -> tuple[Path, Path, Any]:
    """An image, a session on it, and the session's labels."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    session = Session(ArraySource(STACK), tiny_model)
    for z, row, col in ((0, 20, 30), (1, 40, 40)):
        session.plane = (z, None, None)
        session.add_point(row, col)
        session.ask()
        session.next_candidate()
        session.add_point(row + 3, col)
        session.ask()
        session.commit()
    image, file = tmp_path / "stack.tif", tmp_path / "session.json"
    tifffile.imwrite(image, STACK, imagej=True, metadata={"axes": "ZYX"})
    file.write_text(json.dumps(provenance(session)))
    return image, file, session.labels.data  # type: ignore[attr-defined]


def test_the_same_labels_again(saved: Any, tmp_path: Path, capsys: Any) -> None:
    image, file, labels = saved
    assert labels.any()
    assert main(["replay", str(file), str(image), "-o", str(tmp_path / "out")]) == 0
    written = tifffile.imread(tmp_path / "out" / "stack_labels.ome.tif")
    assert np.array_equal(written, labels)
    assert "2 objects" in capsys.readouterr().out
    assert main(["replay", str(file), str(image), "-o", str(tmp_path / "out")]) == 2
    assert "there already" in capsys.readouterr().err


def test_another_image_is_refused(saved: Any, tmp_path: Path, capsys: Any) -> None:
    _, file, _ = saved
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, STACK[0])
    assert main(["replay", str(file), str(other), "-o", str(tmp_path / "out")]) == 2
    assert "shape" in capsys.readouterr().err


def test_a_session_of_several_layers_is_not_replayed_from_one_file(
    saved: Any, tmp_path: Path, capsys: Any
) -> None:
    image, file, _ = saved
    kept = json.loads(file.read_text())
    kept["image"]["reading"] = {"images": ["red", "green"]}
    file.write_text(json.dumps(kept))
    assert main(["replay", str(file), str(image), "-o", str(tmp_path / "out")]) == 2
    assert "red, green" in capsys.readouterr().err


def test_what_belonged_to_labels_of_before_is_left_out_again(
    saved: Any, tiny_model: Any, tmp_path: Path
) -> None:
    image, file, _ = saved
    there = np.zeros(STACK.shape, np.int32)
    there[:, 20:30, ::2] = 9
    session = Session(ArraySource(STACK), tiny_model, ArrayTarget(there))
    for box in ([15, 10, 35, 40], [25, 20, 45, 50]):
        session.add_box(box)
        session.ask()
        session.commit()
        session.undo()
        session.redo()
    file.write_text(json.dumps(provenance(session)))
    assert main(["replay", str(file), str(image), "-o", str(tmp_path / "out")]) == 0
    written = tifffile.imread(tmp_path / "out" / "stack_labels.ome.tif")
    assert (there > 9).any()
    assert np.array_equal(written, np.where(there == 9, 0, there))


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "\x00"])
def test_files_that_are_no_session_are_refused(saved: Any, tmp_path: Path, text: str, capsys: Any):
    image, file, _ = saved
    file.write_text(text)
    assert main(["replay", str(file), str(image), "-o", str(tmp_path / "out")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_where_the_labels_are_is_shown_escaped(saved: Any, tmp_path: Path, capsys: Any) -> None:
    image, file, _ = saved
    out = tmp_path / "out\x1b[31m"
    assert main(["replay", str(file), str(image), "-o", str(out)]) == 0
    assert (out / "stack_labels.ome.tif").exists()
    assert "out\\x1b[31m" in capsys.readouterr().out
