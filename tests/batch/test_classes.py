"""Classes of objects that text finds survive linking through planes and over time."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.text_models import tiny_folder

from napari_segany import LinkParams, MaskSet, SamModel, TextParams, TrackParams
from napari_segany.batch.batch_run import BatchRun
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions
from napari_segany.core.callbacks import ShouldStop
from napari_segany.models.text_protocol import TextBoxes
from napari_segany.weights.text_folders import import_folder

BOXES = np.array([[4.0, 6, 20, 30], [24.0, 30, 38, 50]])
PARAMS = TextParams(text=("grille", "wheel"))


class BrightSegmenter:
    """Draws two boxes; on planes with a bright corner the phrases of the objects are changed."""

    def __init__(self) -> None:
        self.changed: list[bool] = []

    def find_boxes(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        return self.find_masks(plane, phrases, 0.0)

    def find_masks(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        above: float,
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        scores = np.array([[0.9, 0.1], [0.1, 0.8]], np.float32)
        masks = np.zeros((2, *plane.shape[:2]), bool)
        for mask, (a, b, c, d) in zip(masks, BOXES.astype(int), strict=True):
            mask[a:c, b:d] = True
        changed = bool(plane[0, 0, 0] == 255)
        self.changed.append(changed)
        return TextBoxes(
            BOXES, scores[:, ::-1] if changed else scores, MaskSet.from_masks(masks, [0.9, 0.8])
        )


@pytest.fixture
def rows_of(
    cache: Path, tmp_path: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The table of a stack with axes; its second plane has the phrases changed."""
    import_folder(tiny_folder("owlv2"))
    stub = BrightSegmenter()
    monkeypatch.setattr("napari_segany.generators.text.load_text_model", lambda *_: stub)

    def run(axes: str, **given: Any) -> list[dict[str, str]]:
        stack = np.random.default_rng(0).integers(1, 99, (3, 40, 56)).astype(np.uint8)
        stack[:, 0, 0] = 0
        # The limits of intensities are those of each plane.
        stack[1, 0, 0] = 255
        if "Z" in axes and "T" in axes:
            stack = np.stack([stack, stack], axis=axes.index("Z"))
        folder = tmp_path / "images"
        folder.mkdir()
        tifffile.imwrite(
            folder / "a.ome.tif", stack, metadata={"axes": axes}, photometric="minisblack"
        )
        options = BatchOptions(tmp_path / "out", PARAMS, **given)
        named = name_results(find_inputs([str(folder)]), options.output, "recipe")
        (outcome,) = BatchRun(options, named, load_model=lambda _: tiny_model).outcomes()
        assert outcome.state == "done", outcome
        assert stub.changed.count(True) * 3 == len(stub.changed)
        return list(csv.DictReader((options.output / "a_table.csv").read_text().splitlines()))

    return run


def test_a_volume(rows_of: Any) -> None:
    rows = rows_of("ZYX", link=LinkParams())
    assert [row["class"] for row in rows] == ["grille", "wheel"]
    assert np.allclose([float(row["class_score"]) for row in rows], [0.9, 0.8])


def test_tracks_have_the_class_of_most_frames(rows_of: Any) -> None:
    rows = rows_of("TYX", tracks=TrackParams())
    classes = {(row["track"], row["class"]) for row in rows}
    assert len(rows) == 6
    assert classes == {("1", "grille"), ("2", "wheel")}


def test_tracked_volumes(rows_of: Any) -> None:
    rows = rows_of("TZYX", link=LinkParams(), tracks=TrackParams())
    classes = {(row["track"], row["class"]) for row in rows}
    assert len(rows) == 6
    assert classes == {("1", "grille"), ("2", "wheel")}
