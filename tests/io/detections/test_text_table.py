"""Text as programs write it: encodings, separators, decimal commas."""

from typing import Any

import pytest

from napari_segany.errors import InputError

BOX = [[14.5, 28, 60, 76]]


@pytest.mark.parametrize(
    "text",
    [
        "x1;y1;x2;y2\n28,0;14,5;76,0;60,0\n",
        "x1;y1;x2;y2\n28;14,5;76;60\n",
        "x1\ty1\tx2\ty2\n28\t14,5\t76\t60\n",
        "x1\ty1\tx2\ty2\r\n28\t14.5\t76\t60\r\n",
        'x1,y1,x2,y2\n"28,0","14,5","76,0","60,0"\n',
        '"x1";"y1";"x2";"y2"\n"28";"14,5";"76";"60"\n',
        "sep=;\nx1;y1;x2;y2\n28;14,5;76;60\n",
        "\n\nx1,y1,x2,y2\n\n28,14.5,76,60\n",
        "x1,y1,x2,y2\r28,14.5,76,60\r",
        " x1 , y1 , x2 , y2 \n 28 , 14.5 , 76 , 60 \n",
        'name,x1,y1,x2,y2\n"a, b\nc",28,14.5,76,60\n',
    ],
)
def test_separators_and_decimal_commas(read: Any, text: str) -> None:
    found = read(text)
    assert [each.box for each in found] == BOX
    assert ("decimal commas" in found.understood) == ("14,5" in text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_encodings(read: Any, encoding: str) -> None:
    text = "x1,y1,x2,y2,Größe µm²\n28,14.5,76,60,5\n"
    for name in ("a.csv", "a.txt", "a.xls", "a.CSV"):
        found = read(text.encode(encoding), name)
        assert [each.box for each in found] == BOX


def test_lines_are_those_of_a_spreadsheet(read: Any) -> None:
    found = read("sep=;\nx1;y1;x2;y2\n\n5;5;5;5\n28;14,5;76;60\n")
    assert found.skipped == ("row 1 (line 4): its box has no area",)
    assert found.found[0].where == "row 2 (line 5)"


def test_a_comma_in_a_table_of_points_is_one_bad_cell(read: Any) -> None:
    found = read('x1,y1,x2,y2\n28,14.5,76,60\n"1,5",2,5,6\n')
    assert [each.box for each in found] == BOX
    assert found.skipped == ("row 2 (line 3): x1 is '1,5', no number",)


@pytest.mark.parametrize(
    "text",
    [
        # Thousands, or thousandths?
        'x1,y1,x2,y2\n"1,234","2,345",5,6\n',
        # Commas and points.
        "x1;y1;x2;y2\n28,5;14.5;76;60\n",
    ],
)
def test_what_a_comma_means_is_not_guessed(read: Any, text: str) -> None:
    with pytest.raises(InputError, match="comma means cannot be known"):
        read(text)


def test_what_is_no_text_is_refused(read: Any) -> None:
    with pytest.raises(InputError, match="no text"):
        read(b"x1,y1\n\0\0\1\2\0\0\0")
    with pytest.raises(InputError, match="cannot be read as a table: field larger"):
        read('x1,y1,x2,y2\n1,2,3,"' + "a" * 200_000)


def test_a_zero_byte_by_itself_is_damage_and_no_encoding(read: Any) -> None:
    with pytest.raises(InputError, match="is no text"):
        read("x1,y1,x2,y2\n28,14,75,5\0009\n92,10,141,61\n")
