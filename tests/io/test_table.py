from contextlib import closing

import numpy as np

from napari_segany.io.table import CsvTable


def test_rows_of_all_planes_stand_under_one_header(tmp_path):
    with closing(CsvTable()) as table:
        table.add({"label": np.array([1, 2]), "mean": np.array([0.1 + 0.2, np.nan])})
        table.add({"label": np.array([], int), "mean": np.array([], float)})
        table.add({"label": np.array([3]), "mean": np.array([-0.0])})
        table.save(tmp_path / "t.csv")

    assert (tmp_path / "t.csv").read_bytes() == b"label,mean\n1,0.3\n2,\n3,0\n"


def test_an_empty_result_still_has_its_columns(tmp_path):
    with closing(CsvTable()) as table:
        table.add({"label": np.array([], int)})
        table.save(tmp_path / "t.csv")

    assert (tmp_path / "t.csv").read_text() == "label\n"
