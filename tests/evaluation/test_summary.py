"""Tables of what was measured."""

import csv

from napari_segany.evaluation.run import PlaneEvaluation
from napari_segany.evaluation.summary import objects_csv


def test_names_in_the_table_of_objects_are_no_formulas() -> None:
    values = {"boxes": [{"label": 3, "iou": 0.5}]}
    name = "=1+1;cmd|' calc'!A0"
    text = objects_csv([PlaneEvaluation("@model\n", name, (0, 2), values)])
    (row,) = csv.DictReader(text.splitlines())
    assert row == {
        "predictor": "'@model ",
        "image": f"'{name}",
        "plane": "0 2",
        "label": "3",
        "box_iou": "0.5",
    }
