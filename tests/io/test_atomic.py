import errno

import pytest

from napari_segany.errors import SeganyError
from napari_segany.io.atomic import writing


def test_file_appears_whole_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"

    with writing(path) as temporary:
        temporary.write_text("all of it")
        assert not path.exists()

    assert path.read_text() == "all of it"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def write_half(path, error):
    with writing(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(type(error)):
        write_half(path, error)

    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_is_told_in_words(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(SeganyError, match=r"could not be written .*No space left"):
        write_half(path, OSError(errno.ENOSPC, "No space left on device"))

    assert path.read_text() == "old"


def test_a_folder_that_is_a_file_is_told_in_words(tmp_path):
    (tmp_path / "a").write_text("a file")

    with pytest.raises(SeganyError, match="could not be written"), writing(tmp_path / "a" / "b"):
        pass
