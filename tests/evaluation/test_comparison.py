"""A prediction beside the truth, by cases that can be counted by hand."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_segany.errors import Cancelled, InputError
from napari_segany.evaluation import comparison
from napari_segany.evaluation.comparison import ERROR_VALUES, compare
from napari_segany.evaluation.error_map import draw_errors
from napari_segany.evaluation.export_comparison import save_comparison
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances

WHOLE = ((None, None),)
PLANES = ((0, None, None), (1, None, None))


def reading(truth: Any, prediction: Any) -> Any:
    def read(side: int, plane: Any) -> Any:
        return (truth, prediction)[side][tuple(slice(None) if n is None else n for n in plane)]

    return read


@pytest.fixture
def plane() -> tuple[Any, Any]:
    """One correct object, one split, one missed; one that is false."""
    truth, prediction = np.zeros((2, 20, 30), np.uint16)
    truth[0:4, 0:4], prediction[0:4, 0:4] = 1, 7
    truth[10:14, 0:10] = 2
    prediction[10:14, 0:4], prediction[10:14, 6:10] = 8, 9
    truth[0:2, 20:30] = 5
    prediction[16:20, 20:26] = 4
    return truth, prediction


def test_a_row_an_object(plane: Any) -> None:
    found = compare(reading(*plane), WHOLE)
    assert found.mean == score_instances(ObjectOverlaps.from_labels(*plane))
    assert {k: v for k, v in found.counts.items() if v} == {
        **{"correct": 1, "split": 1, "missed": 1, "false": 1}
    }
    table = found.columns()
    assert table["truth"].tolist() == [1, 2, 5, 0]
    assert table["prediction"].tolist() == [7, 8, 0, 4]
    assert table["verdict"].tolist() == ["correct", "split", "missed", "false"]
    assert table["iou"].tolist() == [1, 0.4, 0, 0]
    assert table["area"].tolist() == [16, 40, 20, 24]
    assert table["plane"].tolist() == [""] * 4
    assert table["centroid-0"].tolist() == [1.5, 11.5, 0.5, 17.5]
    assert table["centroid-1"].tolist() == [1.5, 4.5, 24.5, 22.5]
    assert found.columns(np.array([2, 0]))["truth"].tolist() == [5, 1]


def test_the_map_of_errors(plane: Any, monkeypatch: Any) -> None:
    # Blocks of one row must give the same.
    for pixels in (1 << 20, 1):
        monkeypatch.setattr(comparison, "PIXELS_PER_BLOCK", pixels)
        found = compare(reading(*plane), WHOLE)
        assert found.objects.position[:, 0].tolist() == [1.5, 11.5, 0.5, 17.5]
        drawn = np.zeros((20, 30), np.uint8)
        draw_errors(reading(*plane), found, drawn)
        expected = np.zeros((20, 30), np.uint8)
        expected[0:4, 0:4] = ERROR_VALUES["correct"]
        expected[10:14, 0:10] = ERROR_VALUES["split"]
        expected[0:2, 20:30] = ERROR_VALUES["missed"]
        expected[16:20, 20:26] = ERROR_VALUES["false"]
        np.testing.assert_array_equal(drawn, expected)


def test_what_is_false_lies_over_true_objects() -> None:
    truth, prediction = np.zeros((2, 4, 12), int)
    truth[:, 0:4], truth[:, 4:8], truth[:, 8:12] = 1, 2, 3
    # A third of it in each true object, of which it covers half at most: it belongs to none.
    prediction[0:2, 2:10] = 6
    found = compare(reading(truth, prediction), WHOLE)
    assert found.counts["false"] == 1
    drawn = np.zeros((4, 12), np.uint8)
    draw_errors(reading(truth, prediction), found, drawn)
    assert (drawn[0:2, 2:10] == ERROR_VALUES["false"]).all()
    assert np.count_nonzero(drawn == ERROR_VALUES["missed"]) == 48 - 16


def test_objects_of_each_plane_and_through_planes(plane: Any) -> None:
    truth, prediction = plane
    # In the second plane nothing was found, and object 1 is larger there.
    second = np.where(truth == 1, 1, 0)
    second[0:10, 0:4] = 1
    truth, prediction = np.stack([truth, second]), np.stack([prediction, prediction * 0])
    read = reading(truth, prediction)

    each = compare(read, PLANES)
    assert [s.true_positives[0] for s in each.scores] == [1, 0]
    assert each.mean.recall == pytest.approx((1 / 3 + 0) / 2)
    assert each.columns()["plane"].tolist() == ["0", "0", "0", "0", "1"]
    assert each.columns()["truth"].tolist() == [1, 2, 5, 0, 1]
    assert each.columns()["centroid-0"].tolist() == [0, 0, 0, 0, 1]
    assert [p["plane"] for p in each.to_dict()["by_plane"]] == ["0", "1"]

    whole = compare(read, PLANES, together=True)
    assert whole.mean == score_instances(ObjectOverlaps.from_labels(truth, prediction))
    table = whole.columns()
    # 16 of 56 voxels: all that was found lies in it, so it is inexact.
    assert table["verdict"].tolist() == ["inexact", "split", "missed", "false"]
    assert table["area"].tolist() == [56, 40, 20, 24]
    assert table["iou"][0] == pytest.approx(16 / 56)
    # Where most of it is.
    assert whole.objects.position[0].tolist() == [1, 4.5, 1.5]
    drawn = np.zeros(truth.shape, np.uint8)
    draw_errors(read, whole, drawn)
    assert (drawn[truth == 1] == ERROR_VALUES["inexact"]).all()
    draw_errors(read, each, drawn)
    assert (drawn[0][truth[0] == 1] == ERROR_VALUES["correct"]).all()
    assert (drawn[1][truth[1] == 1] == ERROR_VALUES["missed"]).all()
    json.dumps(whole.to_dict())


def test_nothing_at_all() -> None:
    nothing = np.zeros((2, 5, 6), int)
    found = compare(reading(*nothing), WHOLE)
    assert (found.mean.msa, len(found.objects), found.mean.truth) == (1, 0, 0)
    assert found.columns()["truth"].tolist() == []
    drawn = np.zeros((5, 6), np.uint8)
    draw_errors(reading(*nothing), found, drawn)
    assert not drawn.any()


def test_it_says_how_far_it_is_and_stops(plane: Any) -> None:
    read = reading(*(np.stack([each, each]) for each in plane))
    told: list[Any] = []
    compare(read, PLANES, progress=lambda *said: told.append(said))
    assert told == [(1, 2), (2, 2)]
    with pytest.raises(Cancelled):
        compare(read, PLANES, should_stop=lambda: True)


def test_planes_of_different_shapes(plane: Any) -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        compare(reading(plane[0], plane[1].T), WHOLE)


def test_files(plane: Any, tmp_path: Path) -> None:
    found = compare(reading(*plane), WHOLE)
    save_comparison(found, tmp_path / "new" / "objects.csv")
    with (tmp_path / "new" / "objects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        **{"verdict": "split", "truth": "2", "prediction": "8", "plane": "", "iou": "0.4"},
        **{"area": "40", "centroid-0": "11.5", "centroid-1": "4.5"},
    }
    save_comparison(found, tmp_path / "scores.json", {"truth": "by hand"})
    said = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert said["truth"] == "by hand"
    assert said["scores"]["f1"] == pytest.approx(2 * 1 / (3 + 4))
    assert said["verdicts"]["missed"] == 1
    with pytest.raises(InputError, match="must end in"):
        save_comparison(found, tmp_path / "scores.txt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "scores.json"]
