"""Two hundred files that nobody should have written, and two good ones among them."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.batch.hostile import make_hostile

from napari_segany import SamModel
from napari_segany.cli.main import main

FAST = ("--points-per-side", "1", "--pred-iou-thresh", "0", "--stability-score-thresh", "0")


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_traceback_and_the_good_ones_are_done(
    tiny_model: SamModel, tmp_path: Path, capsys: Any, monkeypatch: Any
):
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    make_hostile(folder, 200)
    image = np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8)
    for name in ("00good", "zzgood"):
        tifffile.imwrite(folder / f"{name}.tif", image)

    code = main(["segment", str(folder), "-o", str(out), "--json", *FAST])

    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    last = lines.pop()
    assert code == 1
    assert len(lines) == 202
    assert "Traceback" not in said.err
    unforeseen = [line for line in lines if "unexpected" in line.get("error", "")]
    assert unforeseen == []
    status = {Path(line["input"]).stem: line["status"] for line in lines}
    assert status["00good"] == status["zzgood"] == "done"
    assert 100 < len(last["failed"]) < 200
    for name, state in status.items():
        files = list(out.glob(f"{name}_*"))
        # Of a stack that is cut short, the planes that are there are done.
        assert len(files) == (4 if state in ("done", "partly") else 0), name
    report = (out / "segany_report.html").read_text()
    assert report.count("class='failed'") == len(last["failed"])
