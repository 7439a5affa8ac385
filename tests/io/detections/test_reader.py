"""Whatever the dialect: what is skipped, cut, named, refused."""

from pathlib import Path
from typing import Any

import pytest

from napari_segany.cli.prompt import DIALECTS as OFFERED
from napari_segany.errors import InputError
from napari_segany.io.detections import DIALECTS, TableImage, read_detections


def test_bad_rows_are_skipped_and_named_and_the_others_used(read: Any) -> None:
    rows = [
        "28,14,76,60",
        "50,50,50,90",
        "nan,1,2,3",
        "142,62,92,10",
        "-20,84,66,98",
        "1,2,three,4",
        "1,2",
        "300,300,310,310",
        "1,2,3,4,5",
        "1e999,2,3,4",
    ]
    found = read("x1,y1,x2,y2\n" + "\n".join(rows) + "\n")
    assert [each.box for each in found] == [
        [14, 28, 60, 76],
        [10, 92, 62, 142],
        [84, 0, 98, 66],
    ]
    assert [each.number for each in found] == [1, 4, 5]
    reasons = [text.partition(": ") for text in found.skipped]
    assert [where for where, _, _ in reasons] == [
        f"row {n} (line {n + 1})" for n in (2, 3, 6, 7, 8, 9, 10)
    ]
    assert [why for _, _, why in reasons] == [
        "its box has no area",
        "x1 is 'nan', no number",
        "x2 is 'three', no number",
        "y2 is empty",
        "its box lies outside the image, whose rows are 0..99 and columns 0..199",
        "it has 5 cells under 4 columns (with decimal commas, separate cells with semicolons)",
        "x1 is '1e999', no number",
    ]
    assert found.notes == ("row 5 (line 6) was cut at the border of the image",)
    assert found.count == 10
    first, second = found.remarks()
    assert first.startswith("7 of 10 skipped: row 2 (line 3): its box has no area; row 3")
    assert second == "Row 5 (line 6) was cut at the border of the image."


def test_many_bad_rows_are_one_line(read: Any) -> None:
    found = read("x1,y1,x2,y2\n1,2,3,4\n" + "5,5,5,5\n" * 50)
    assert len(found.skipped) == 50
    (line,) = found.remarks()
    assert line.startswith("50 of 51 skipped")
    assert line.endswith("; and 40 more.")


def test_a_box_of_one_pixel_has_a_size(read: Any) -> None:
    (found,) = read("x,y,width,height\n3,4,1,1\n")
    assert found.box == [4, 3, 4.5, 3.5]
    assert found.prompt((100, 200)).box is not None
    # Also in the last row and column.
    (found,) = read("x,y,width,height\n199,99,1,1\n")
    assert found.box == [99, 199, 99.5, 199.5]
    (found,) = read("x,y,width,height\n199,99,100,100\n")
    assert found.box == [99, 199, 99.5, 199.5]


def test_points_outside_are_skipped(read: Any) -> None:
    found = read("y,x\n-0.5,-0.5\n5,200\n99.4,199.4\n")
    assert [each.number for each in found] == [1, 3]
    assert found.skipped[0].startswith("row 2 (line 3): its point lies outside the image")


def test_rows_know_what_the_table_calls_them(read: Any) -> None:
    found = read("id,y,x\ncell 7,1,2\n=1+1,nan,2\n9,5,6\n")
    assert found.ids == ("cell 7", "=1+1", "9")
    assert [(each.number, each.id) for each in found] == [(1, "cell 7"), (3, "9")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "no boxes"),
        ("a.csv", "\n\n", "no boxes"),
        ("a.csv", "x1,y1,x2,y2\n", "no boxes"),
        ("a.csv", "colour,shape\nred,round\n", "colour, shape; known are"),
        ("a.csv", "x1,y1,x2,y2\n1,2,three,4\n", "can be used: row 1 .line 2.: x2 is 'three'"),
        ("a.xlsx", "", "neither"),
        ("a.xls", "PK\x03\x04", "workbook"),
        ("a.geojson", "{}", "no geometry"),
    ],
)
def test_what_is_not_understood_is_said(read: Any, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text, name)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_detections(tmp_path / "none.csv", TableImage((10, 10)))


def test_the_dialect_can_be_said(read: Any) -> None:
    with pytest.raises(InputError, match="no table of TrackMate: it has no column POSITION_Y"):
        read("x,y\n1,2\n", dialect="trackmate")
    with pytest.raises(InputError, match="Dialects are"):
        read("x,y\n1,2\n", dialect="excel")
    # ImageJ counts from the corner of the first pixel.
    (found,) = read("X,Y\n4.5,3.5\n", dialect="imagej")
    assert found.points == [[3, 4]]


def test_the_command_line_offers_every_dialect() -> None:
    assert OFFERED == DIALECTS


def test_all_choices_are_checked(read: Any) -> None:
    for choice in ({"first_plane": 2}, {"units": "miles"}):
        with pytest.raises(InputError, match=f"got {next(iter(choice.values()))!r}"):
            read("x,y\n1,2\n", **choice)


def test_what_is_said_is_never_overheard(read: Any) -> None:
    (found,) = read("x1,y1,x2,y2\n1,2,3,4\n", size=0.5, units="calibrated")
    assert found.box == [4, 2, 8, 6]
    found = read("y,x\n1,2\n", size=0.5, units="calibrated")
    assert found.found[0].points == [[2, 4]]
    assert found.understood == "plain table: points from y, x in um"
    (found,) = read("centroid-0,centroid-1\n1,2\n", size=0.5, units="calibrated")
    assert found.points == [[2, 4]]
    with pytest.raises(InputError, match="units calibrated does not go with that"):
        read("axis-0,axis-1\n1,2\n", size=0.5, units="calibrated")
    with pytest.raises(InputError, match="first plane 1 does not go with that"):
        read("label,bbox-0,bbox-1,bbox-2,bbox-3,bbox-4,bbox-5\n", axes={"Z": 3}, first_plane=1)
