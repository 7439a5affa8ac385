"""Which files are meant, and what their results are called."""

from pathlib import Path

import pytest

from napari_segany.batch.inputs import find_inputs, name_results
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
    assert find_inputs([str(tmp_path / "gone.tif")]) == [tmp_path / "gone.tif"]


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


@pytest.mark.parametrize("names", [("a/x.tif", "b/x.tif"), ("x.tif", "x.png"), ("X.tif", "x.tif")])
def test_one_name_for_two_results_is_refused(names, tmp_path):
    with pytest.raises(InputError, match="different -o folders"):
        name_results(map(Path, names), tmp_path, "recipe")


def test_output_must_be_a_folder(folder):
    with pytest.raises(InputError, match="is a file"):
        name_results([Path("x.tif")], folder / "b.tif", "recipe")
