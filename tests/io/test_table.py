import csv
import sys
from contextlib import closing

import numpy as np
import pytest
from pyarrow import parquet

from napari_segany.errors import InputError
from napari_segany.io.table import CsvTable, ParquetTable


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


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("=1+1;cmd|' calc'!A0", "'=1+1;cmd|' calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "' =1"),
        ("\r=1", "' =1"),
        ("a\r\n=1", "a  =1"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        # No formulas.
        ("cell=1", "cell=1"),
        ("-5", "-5"),
        ("+1.5e-3", "+1.5e-3"),
        ("'quoted", "'quoted"),
        ("", ""),
    ],
)
def test_texts_are_no_formulas_to_a_spreadsheet(tmp_path, text, written):
    with closing(CsvTable()) as table:
        table.add({"label": np.array([1]), "id": np.array([text]), "z": np.array([-5.0])})
        table.save(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {"label": "1", "id": written, "z": "-5"}


def test_parquet_keeps_types_and_numbers_in_full(tmp_path):
    with closing(ParquetTable()) as table:
        table.add({"label": np.array([1, 2]), "mean": np.array([0.1 + 0.2, np.nan])})
        table.add({"label": np.array([], np.int64), "mean": np.array([], np.float64)})
        # Means of whole numbers may come as whole numbers.
        table.add({"label": np.array([3]), "mean": np.array([7])})
        table.save(tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert read["label"] == [1, 2, 3]
    assert read["mean"][0] == 0.1 + 0.2
    assert read["mean"][2] == 7.0


def test_parquet_is_the_same_bytes_again(tmp_path):
    for name in "ab":
        with closing(ParquetTable()) as table:
            table.add({"label": np.arange(100)})
            table.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_pyarrow_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"napari-segany\[parquet\]"):
        ParquetTable()
