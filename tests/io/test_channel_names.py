"""Channels by the names that files give them, along any axis."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import Recipe
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.io.channel_names import channel_numbers, usable
from napari_segany.io.read import open_image

DATA = np.random.default_rng(1).integers(0, 4000, (3, 2, 60, 70)).astype(np.uint16)


def write_ome(path: Path, names: list[str], axes: str = "TCYX", data: Any = DATA) -> Path:
    metadata = {"axes": axes, "Channel": {"Name": names}}
    tifffile.imwrite(path, data, ome=True, metadata=metadata, photometric="minisblack")
    return path


def test_ome_tiff_names_its_channels(tmp_path: Path) -> None:
    with open_image(write_ome(tmp_path / "a.ome.tif", ["DAPI", "GFP"])) as image:
        assert (image.axes, image.channel_names) == ("TCYX", ("DAPI", "GFP"))
        assert image.channel_numbers(("GFP", 0)) == (1, 0)
    with open_image(write_ome(tmp_path / "b.ome.tif", ["GFP", "GFP"])) as image:
        assert image.channel_names == (), "names that say nothing"


def test_an_image_of_several_has_its_own_names(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as file:
        for names in (["A", "B"], ["C", "D"]):
            about = {"axes": "TCYX", "Channel": {"Name": names}}
            file.write(DATA, metadata=about, photometric="minisblack")
    with open_image(tmp_path / "two.ome.tif", series=1) as image:
        assert image.channel_names == ("C", "D")


def test_imagej_labels_are_names_of_channels(tmp_path: Path) -> None:
    labels = ["nuclei", "cells"] * 3
    metadata = {"axes": "TCYX", "Labels": labels}
    tifffile.imwrite(tmp_path / "a.tif", DATA, imagej=True, metadata=metadata)
    with open_image(tmp_path / "a.tif") as image:
        assert image.channel_names == ("nuclei", "cells")


def test_ome_zarr_names_its_channels(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=DATA)
    axes = [{"name": each} for each in "tcyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    group.attrs["omero"] = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    with open_image(tmp_path / "a.zarr") as image:
        assert image.channel_names == ("DAPI", "GFP")
    group.attrs["omero"] = {"channels": 3}
    with open_image(tmp_path / "a.zarr") as image:
        assert image.channel_names == ()


def test_names_must_be_there_and_tell_channels_apart() -> None:
    names = ["DAPI", "gfp", "GFP"]
    assert channel_numbers(["dapi", "GFP", "gfp"], names, "a.tif") == (0, 2, 1)
    with pytest.raises(InputError, match=r"'Gfp' in a\.tif; its channels are DAPI, gfp, GFP"):
        channel_numbers(["Gfp"], names, "a.tif")
    with pytest.raises(InputError, match="does not name them"):
        channel_numbers(["DAPI"], [], "a.tif")
    assert usable(["a\n", "b"], 2) == ("a", "b")
    assert usable(["a", ""], 2) == usable(["a"], 2) == ()


@pytest.mark.parametrize("axes", ["TCYX", "CTYX"])
def test_each_image_of_a_batch_has_numbers_of_its_own(
    tiny_model: Any, monkeypatch: Any, tmp_path: Path, axes: str
) -> None:
    """The same names in another order and along another axis give the same labels."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    folder = tmp_path / "in"
    folder.mkdir()
    write_ome(folder / "a.ome.tif", ["DAPI", "GFP"])
    moved = DATA[:, ::-1].transpose(["TCYX".index(axis) for axis in axes])
    write_ome(folder / "b.ome.tif", ["GFP", "DAPI"], axes, np.ascontiguousarray(moved))
    words = ["segment", str(folder), "-o", str(tmp_path / "out"), "--strategy", "grid"]
    words += ["--points-per-side", "3", "--pred-iou-thresh", "0", "--min-area", "0"]
    words += ["--stability-score-thresh", "0", "--quiet"]
    assert main([*words, "--channel", "gfp,DAPI"]) == 0
    made = {}
    for name, channels in {"a": (1, 0), "b": (0, 1)}.items():
        made[name] = tifffile.imread(tmp_path / f"out/{name}_labels.ome.tif")
        recipe = Recipe.from_json((tmp_path / f"out/{name}_recipe.json").read_text())
        assert recipe.channels == channels
    assert made["a"].any()
    assert np.array_equal(made["a"], made["b"])
    assert main([*words, "--channel", "RFP"]) == 1


def test_prompt_takes_a_name(tiny_model: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    path = write_ome(tmp_path / "a.ome.tif", ["DAPI", "GFP"])
    words = ["prompt", str(path), "--plane", "1", "--point", "30,30", "-o", str(tmp_path)]
    assert main([*words, "--channel", "GFP"]) == 0
    assert json.loads((tmp_path / "a_prompts.json").read_text())["channels"] == [1]
