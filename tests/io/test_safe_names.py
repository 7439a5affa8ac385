"""Names of files as people see them."""

from pathlib import Path

import pytest

from napari_segany.io.safe_names import shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("细胞 µ.tif", "细胞 µ.tif"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\nb\tc\rd\x7f\x9b", "a\\x0ab\\x09c\\x0dd\\x7f\\x9b"),
        ("b\udcffad.tif", "b\\xffad.tif"),
        ("\ud800", "\\ud800"),
        ("a\u2028b", "a\\u2028b"),
        ("gnp.\u202eexe", "gnp.\\u202eexe"),
    ],
)
def test_names_are_shown_on_one_line_without_tricks(name, expected):
    assert shown(name) == expected
    assert shown(Path(name)) == expected
    assert shown(expected).isprintable()
