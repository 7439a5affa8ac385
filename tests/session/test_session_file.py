from pathlib import Path

import pytest

from napari_segany.errors import InputError
from napari_segany.session.session_file import read_session


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 99, "steps": []}', '{"format": 1}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(text)
    with pytest.raises(InputError, match="session"):
        read_session(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_session(tmp_path / "none.json")
