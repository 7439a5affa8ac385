import errno

import pytest

from napari_segany.errors import InputError, SeganyError
from napari_segany.io.atomic import (
    LONGEST,
    check_inside,
    check_name,
    check_writable,
    remove_unfinished,
    writing,
)


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


@pytest.mark.parametrize("name", ["a[1].tif", "a**b.tif", "a?.tif", "plain.tif"])
def test_what_a_killed_process_left_is_removed_whatever_the_name(tmp_path, name):
    left = tmp_path / f".{name}.0123456789ab.tmp"
    other = tmp_path / f".{name}x.0123456789ab.tmp"
    for path in (left, other, tmp_path / name):
        path.touch()

    remove_unfinished(tmp_path / name)

    assert {path.name for path in tmp_path.iterdir()} == {name, other.name}
    remove_unfinished(tmp_path / "gone" / name)


def test_a_folder_takes_the_place_of_a_link_and_not_of_what_it_leads_to(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (tmp_path / "a").symlink_to(elsewhere)

    with writing(tmp_path / "a") as temporary:
        temporary.mkdir()

    assert not (tmp_path / "a").is_symlink()
    assert (elsewhere / "kept").exists()


def test_where_files_cannot_go_is_told_and_nothing_is_made(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for folder in ("file", "file/inside"):
        with pytest.raises(InputError, match="file is a file; -o takes a folder"):
            check_writable(tmp_path / folder)


def test_names_that_are_too_long_while_they_are_written_are_told(tmp_path):
    fits = tmp_path / ("x" * (LONGEST - 18))
    check_name(fits)
    with writing(fits) as temporary:
        temporary.touch()
    with pytest.raises(InputError, match="would be a name of 238 bytes, of which 237"):
        check_name(fits.with_name(fits.name + "x"))
    with pytest.raises(InputError, match="too long"):
        check_name(tmp_path / ("\u7ec6" * 80))


def test_links_inside_a_folder_are_told_but_not_those_that_lead_to_it(tmp_path):
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "link").symlink_to(tmp_path)
    folder = tmp_path / "folder"
    check_inside(folder, folder / "inner" / "new" / "file")
    for path in (folder / "link", folder / "link" / "a" / "b"):
        with pytest.raises(SeganyError, match="link is a link"):
            check_inside(folder, path)
