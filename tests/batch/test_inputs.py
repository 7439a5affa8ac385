"""Tests of finding input files and naming their results."""

from pathlib import Path

import pytest

from napari_segany.batch.inputs import find_inputs, name_inputs, name_results
from napari_segany.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.tif", "a.PNG", "notes.txt", ".hidden.tif", "b_labels.ome.tif", "b_overlay.png"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_means_its_images_but_not_earlier_results(folder):
    assert [p.name for p in find_inputs([str(folder)])] == ["a.PNG", "b.tif"]


def test_patterns_work_without_a_shell_and_each_file_comes_once(folder):
    found = find_inputs([str(folder / "b.tif"), str(folder / "*.tif"), str(folder / "." / "b.tif")])

    assert [p.name for p in found] == ["b.tif", "b_labels.ome.tif"]


def test_a_missing_file_is_kept_so_that_it_is_told_as_one_of_the_inputs(tmp_path):
    assert list(find_inputs([str(tmp_path / "gone.tif")])) == [tmp_path / "gone.tif"]


def test_nothing_found_is_told(tmp_path):
    with pytest.raises(InputError, match="no image in the folder"):
        find_inputs([str(tmp_path)])
    with pytest.raises(InputError, match="Nothing matches"):
        find_inputs([str(tmp_path / "*.tif")])


def test_results_carry_the_name_of_the_image(tmp_path):
    files = name_results([Path("in/cells.ome.tif")], tmp_path, "recipe")[Path("in/cells.ome.tif")]

    assert [p.name for p in files.all()] == [
        "cells_labels.ome.tif",
        "cells_table.csv",
        "cells_overlay.png",
        "cells_recipe.json",
    ]


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_are_walked_and_mirrored(tmp_path):
    tree(tmp_path, "p1/A01.tif", "p2/deep/A01.tif", ".cache/x.tif", "top.PNG")

    for given in (tmp_path, tmp_path / "**" / "*"):
        named = name_inputs(find_inputs([str(given)]), tmp_path / "out")
        assert sorted(named.values()) == ["p1/A01", "p2/deep/A01", "top"]
    files = name_results(find_inputs([str(tmp_path)]), tmp_path / "out", "recipe")
    assert files[tmp_path / "p1" / "A01.tif"].labels == tmp_path / "out/p1/A01_labels.ome.tif"


def test_links_that_go_in_circles_end(tmp_path):
    tree(tmp_path, "p1/a.tif")
    (tmp_path / "p1" / "up").symlink_to(tmp_path)
    (tmp_path / "p1" / "loop.tif").symlink_to("loop.tif")
    (tmp_path / "p0").symlink_to(tmp_path / "p1")

    found = list(find_inputs([str(tmp_path)]))

    # The link to itself is told as one of the inputs; p0 is p1 once more.
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["p1/a.tif", "p1/loop.tif"]


def test_a_folder_that_may_not_be_looked_into_is_left_out(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "napari_segany")
    tree(tmp_path, "a.tif", "closed/b.tif")
    closed = tmp_path / "closed"

    def deny(name):
        original = getattr(Path, name)

        def method(self, *args, **kwargs):
            if (self == closed and name == "iterdir") or closed in self.parents:
                raise PermissionError(13, "Permission denied", str(self))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(Path, name, method)

    # What a folder answers that this user has no rights to; root has all of them.
    for name in ("iterdir", "stat", "is_file", "is_dir", "open"):
        deny(name)

    assert [*find_inputs([str(tmp_path)])] == [tmp_path / "a.tif"]
    assert "it cannot be read (Permission denied)" in caplog.text
    # One that was given itself is told as an input.
    assert closed / "b.tif" in find_inputs([str(tmp_path / "a.tif"), str(closed / "b.tif")])


def test_an_empty_name_is_not_the_folder_one_is_in():
    with pytest.raises(InputError, match="is empty"):
        find_inputs([""])


def test_a_persons_own_files_with_names_like_results_are_taken(tmp_path, caplog):
    tree(tmp_path, "x_masks.tif", "y.tif", "y_masks.tif", "z_labels.ome.tif", "z_recipe.json")

    with caplog.at_level("INFO"):
        found = [p.name for p in find_inputs([str(tmp_path)])]

    assert found == ["x_masks.tif", "y.tif"]
    assert "y_masks.tif and 1 more left out: it is a result. Name it to take it." in caplog.text


def test_folders_of_results_are_left_out_unless_they_are_named(tmp_path, caplog):
    tree(tmp_path, "a.tif", "out/b.tif", "out/.segany/b.json")

    with caplog.at_level("INFO"):
        assert [p.name for p in find_inputs([str(tmp_path)])] == ["a.tif"]

    assert "out left out: it is a folder of results" in caplog.text
    assert [p.name for p in find_inputs([str(tmp_path / "out")])] == ["b.tif"]


def test_files_of_one_image_stand_for_it_once(tmp_path, monkeypatch, caplog):
    tree(tmp_path, "one.ome.tif", "two.ome.tif", "z.tif")
    both = [tmp_path / "one.ome.tif", tmp_path / "two.ome.tif"]

    def members(path: Path) -> tuple[Path, ...]:
        return (path, *(each for each in both if path in both and each != path))

    monkeypatch.setattr("napari_segany.batch.inputs.members", members)
    with caplog.at_level("INFO"):
        found = [p.name for p in find_inputs([str(tmp_path)])]

    assert found == ["one.ome.tif", "z.tif"]
    assert "two.ome.tif left out: it is a part of one.ome.tif" in caplog.text


def test_images_in_a_container_are_taken_one_by_one(tmp_path, monkeypatch):
    plate = tmp_path / "plate.tif"
    plate.touch()
    fields = [plate / "A" / "1", plate / "A" / "2"]
    monkeypatch.setattr(
        "napari_segany.batch.inputs.expand_containers",
        lambda path: fields if path == plate else [path],
    )
    assert list(find_inputs([str(plate)])) == fields


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a/x.tif", "b/x.tif"], ["a/x", "b/x"]),
        (["x.tif", "x.png"], ["x_tif", "x_png"]),
        (["x.ome.tif", "x.tif", "y.tif"], ["x_ome_tif", "x_tif", "y"]),
        (["a/x.tif", "a/x.png", "b/x.tif"], ["a/x_tif", "a/x_png", "b/x"]),
        (["x.tif", "b/x.tif"], ["x", "b/x"]),
    ],
)
def test_results_of_one_name_are_told_apart(given, expected, tmp_path):
    found = name_inputs([tmp_path / each for each in given], tmp_path / "out")

    assert list(found.values()) == expected


def test_names_that_only_differ_in_case_are_refused(tmp_path):
    with pytest.raises(InputError, match="different -o folders"):
        name_inputs([Path("X.tif"), Path("x.tif")], tmp_path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write to")
def test_a_folder_that_cannot_be_written_is_told_before_anything_else():
    with pytest.raises(InputError, match="Nothing can be written into /proc/self/out"):
        name_inputs([Path("x.tif")], Path("/proc/self/out"))


def test_output_must_be_a_folder(folder):
    with pytest.raises(InputError, match="is a file"):
        name_results([Path("x.tif")], folder / "b.tif", "recipe")


def test_what_lies_apart_is_not_looked_into(tmp_path):
    tree(tmp_path, "a.tif", "truth/a.tif", "p1/b.tif")
    found = find_inputs([str(tmp_path)], apart=[tmp_path / "truth"])
    assert list(found.values()) == ["", "p1"]
    assert len(find_inputs([str(tmp_path / "truth")], apart=[tmp_path / "truth"])) == 1


def test_what_lies_in_a_zarr_folder_is_no_image_by_itself(tmp_path):
    tree(tmp_path, "p/a.zarr/.zattrs", "p/a.zarr/0/.zarray", "p/a.zarr/0/0.0", "p/b.tif")
    found = find_inputs([str(tmp_path / "**" / "*")])
    assert [path.name for path in found] == ["a.zarr", "b.tif"]
    assert [path.name for path in find_inputs([str(tmp_path)])] == ["a.zarr", "b.tif"]
