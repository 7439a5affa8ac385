from typing import Any

import pytest

from napari_segany.errors import InputError


def test_boxes_are_fractions(read: Any) -> None:
    found = read("0 0.25 0.5 0.1 0.2 0.9\n\n", "a.txt")
    assert found.found[0].box == pytest.approx([40, 40, 59, 59])
    assert found.understood.startswith("YOLO: ")


def test_polygons_are_boxes_around_them(read: Any) -> None:
    (found,) = read("3 0.2 0.4 0.3 0.4 0.3 0.6 0.2 0.6\n", "a.txt")
    assert found.box == pytest.approx([40, 40, 59, 59])


def test_bad_lines_are_named(read: Any) -> None:
    lines = ["0 0.25 0.5 0.1 0.2", "0 0.5", "0 0.25 0.5 nan 0.2", "0 50 0.5 0.1 0.1", "0 " * 7]
    found = read("\n".join(lines), "a.txt")
    assert len(found) == 1
    assert [reason.partition(": ")[0] for reason in found.skipped] == [
        f"row {n} (line {n})" for n in (2, 3, 4, 5)
    ]


def test_pixels_are_no_fractions(read: Any) -> None:
    with pytest.raises(InputError, match="no fractions of the image"):
        read("0 40 40 10 20\n", "a.txt")


def test_text_with_a_header_is_a_table(read: Any) -> None:
    (found,) = read("x1\ty1\tx2\ty2\n2\t1\t20\t10\n", "a.txt")
    assert found.box == [1, 2, 10, 20]
