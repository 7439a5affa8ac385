"""The table of keys in the documentation is that of the dock."""

import re
from pathlib import Path

import pytest

from napari_segany.plugin.tracks.keys import KEYS

PAGE = Path(__file__).parents[3] / "docs" / "tracks-dock.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not beside the tests")
def test_every_key_is_in_the_documentation() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE.read_text("utf-8"), re.M)
    assert {key for row in rows for key in re.findall(r"`([^`]+)`", row)} == set(KEYS)
