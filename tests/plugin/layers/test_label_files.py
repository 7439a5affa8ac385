"""Labels layers as files, with a table of measurements."""

import csv
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
from napari.layers import Labels

from napari_segany.core.image_source import ArraySource
from napari_segany.errors import InputError
from napari_segany.io.read import open_image
from napari_segany.plugin.layers.label_files import save_measured


def labels_in(shape: tuple[int, ...], boxes: dict[int, tuple[slice, ...]]) -> Any:
    labels = np.zeros(shape, np.int32)
    for label, box in boxes.items():
        labels[box] = label
    return labels


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def settings_of(layer: Labels) -> dict[str, Any]:
    settings: dict[str, Any] = layer.as_layer_data_tuple()[1]
    return settings


def test_the_table_has_measurements_and_features_of_each_object(tmp_path: Path) -> None:
    data = labels_in((20, 30), {1: np.s_[2:6, 3:9], 4: np.s_[10:12, 20:30]})
    layer = Labels(
        data,
        scale=(0.5, 0.5),
        units=("um", "um"),
        features={"index": [4, 1], "class": ["debris", "cell"], "area": [1, 1]},
    )
    image = ArraySource(data.astype(np.uint8) * 10)
    written = save_measured(data, settings_of(layer), tmp_path / "a_labels.ome.tif", image)
    assert [each.name for each in written] == ["a_labels.ome.tif", "a_table.csv"]
    with open_image(written[0]) as opened:
        assert np.array_equal(np.asarray(opened.data), data)
        assert opened.pixel_size["Y"] == (0.5, "um")
    one, four = rows_of(written[1])
    assert (one["label"], one["area"], one["area_um2"], one["class"]) == ("1", "24", "6", "cell")
    assert (one["centroid_row"], one["intensity_mean"]) == ("3.5", "10")
    assert (four["label"], four["area"], four["class"]) == ("4", "20", "debris")


def test_objects_through_planes_have_a_row_each_and_one_for_each_plane(tmp_path: Path) -> None:
    data = labels_in((4, 12, 12), {2: np.s_[1:3, 2:5, 2:5], 7: np.s_[2, 8:10, 8:10]})
    layer = Labels(
        data,
        scale=(2, 0.5, 0.5),
        units=("um", "um", "um"),
        features={"index": [2], "predicted_iou": [0.75], "area": [9], "planes": [1]},
    )
    image = ArraySource(np.arange(4, dtype=np.uint8)[:, None, None] * np.ones_like(data, np.uint8))
    written = save_measured(data, settings_of(layer), tmp_path / "a_labels.ome.tif", image)
    assert [each.name for each in written] == ["a_labels.ome.tif", "a_table.csv", "a_planes.csv"]
    two, seven = rows_of(written[1])
    assert "area" not in two
    names = ("label", "first_plane", "last_plane", "planes", "volume", "volume_um3")
    assert [two[name] for name in names] == ["2", "1", "2", "2", "18", "9"]
    assert [seven[name] for name in names] == ["7", "2", "2", "1", "4", "2"]
    assert (two["centroid_plane"], two["intensity_mean"]) == ("1.5", "1.5")
    assert [row["predicted_iou"] for row in (two, seven)] == ["0.75", ""]
    where = [(row["label"], row["plane"], row["Z"], row["area"]) for row in rows_of(written[2])]
    assert where == [("2", "1", "1", "9"), ("2", "2", "2", "9"), ("7", "2", "2", "4")]
    # Saved again they replace their own tables, and a table of another kind is kept.
    assert save_measured(data, settings_of(layer), written[0], image) == written
    written[2].write_text("label,mine\n1,2\n")
    before = written[0].read_bytes()
    with pytest.raises(InputError, match=r"a_planes\.csv is there already"):
        save_measured(data, settings_of(layer), written[0], image)
    assert written[0].read_bytes() == before


def test_objects_of_one_plane_each_have_one_table(tmp_path: Path) -> None:
    data = labels_in((3, 12, 12), {2: np.s_[1, 2:5, 2:5], 7: np.s_[2, 8:10, 8:10]})
    layer = Labels(data, features={"index": [2], "predicted_iou": [0.75]})
    _, table = save_measured(data, settings_of(layer), tmp_path / "a_labels.ome.tif")
    rows = rows_of(table)
    where = [(row["label"], row["plane"], row["Z"], row["area"]) for row in rows]
    assert where == [("2", "1", "1", "9"), ("7", "2", "2", "4")]
    assert [row["predicted_iou"] for row in rows] == ["0.75", ""]
    assert not [name for name in rows[0] if name.startswith("intensity")]


def test_volumes_of_a_movie_have_a_row_for_each_time(tmp_path: Path) -> None:
    boxes = {1: np.s_[:, 1:3, 2:5, 2:5], 4: np.s_[1, 0, 8:10, 8:10]}
    data = labels_in((2, 3, 12, 12), boxes)
    layer = Labels(data, axis_labels=("t", "z", "y", "x"))
    _, table, _ = save_measured(data, settings_of(layer), tmp_path / "a_labels.ome.tif")
    rows = [[row[n] for n in ("label", "T", "first_plane", "volume")] for row in rows_of(table)]
    assert rows == [["1", "0", "1", "18"], ["1", "1", "1", "18"], ["4", "1", "0", "4"]]


def test_tracks_have_an_area_and_no_volume(tmp_path: Path) -> None:
    data = labels_in((3, 12, 12), {3: np.s_[:2, 2:5, 2:6]})
    layer = Labels(data, axis_labels=("t", "y", "x"), scale=(1, 0.5, 0.5), units=("s", "um", "um"))
    _, table, _ = save_measured(data, settings_of(layer), tmp_path / "a_labels.ome.tif")
    (row,) = rows_of(table)
    assert (row["planes"], row["mean_area"], row["mean_area_um2"]) == ("2", "12", "3")
    assert "volume" not in row


def test_channels_are_named_by_their_numbers(tmp_path: Path) -> None:
    data = labels_in((8, 9), {1: np.s_[1:4, 1:4]})
    image = np.stack([np.full((8, 9), n, np.uint8) for n in (1, 2, 5)])
    source = ArraySource(image, channel_axis=0, channels=(0, 2))
    layer = Labels(data)
    _, table = save_measured(
        data, settings_of(layer), tmp_path / "a_labels.ome.tif", source, (0, 2)
    )
    (row,) = rows_of(table)
    assert (row["intensity_mean_0"], row["intensity_mean_2"]) == ("1", "5")


def test_labels_without_objects_and_labels_that_do_not_fit(tmp_path: Path) -> None:
    data = np.zeros((8, 9), np.int32)
    settings = settings_of(Labels(data))
    _, table = save_measured(data, settings, tmp_path / "a_labels.ome.tif")
    assert rows_of(table) == []
    with pytest.raises(InputError, match=r"\(8, 9\)"):
        save_measured(data, settings, tmp_path / "b.ome.tif", ArraySource(np.zeros((9, 9))))
    assert not (tmp_path / "b.ome.tif").exists()


def test_lazy_labels_are_read_plane_by_plane(tmp_path: Path) -> None:
    data = labels_in((4, 12, 12), {3: np.s_[1:, 2:5, 2:5]})
    read: list[Any] = []

    def read_block(block: Any, block_info: Any = None) -> Any:
        read.append(block.shape)
        return block

    lazy = dask.array.from_array(data, (1, 12, 12)).map_blocks(read_block, dtype=data.dtype)
    read.clear()
    written = save_measured(lazy, settings_of(Labels(lazy)), tmp_path / "a_labels.ome.tif")
    assert set(read) == {(1, 12, 12)}
    with open_image(written[0]) as opened:
        assert np.array_equal(np.asarray(opened.data), data)
    assert [row["Z"] for row in rows_of(written[2])] == ["1", "2", "3"]


def test_labels_that_are_painted_while_they_are_saved_agree_with_their_table(
    tmp_path: Path,
) -> None:
    data = labels_in((3, 12, 12), {n: np.s_[:, 4 * n - 3 : 4 * n, 2:5] for n in (1, 2)})

    class Painted(ArraySource):
        """Someone paints whenever a plane is measured, into all of them."""

        def read(self, plane: Any) -> Any:
            data[:, 1 + plane[0] if plane[0] else 0, 8:] = 3
            data[:, 6, 3] = 0
            return super().read(plane)

    image = Painted(np.zeros((3, 12, 12), np.uint8))
    path, _, planes = save_measured(
        data, settings_of(Labels(data)), tmp_path / "a_labels.ome.tif", image
    )
    with open_image(path) as opened:
        saved = np.asarray(opened.data)
    found = [(z, i, (saved[z] == i).sum()) for z in range(3) for i in np.unique(saved[z])[1:]]
    told = [(int(r["Z"]), int(r["label"]), int(r["area"])) for r in rows_of(planes)]
    assert told == found
    assert (saved[0] != data[0]).any(), "it was painted after it was read"


def test_a_table_with_other_columns_is_not_replaced(tmp_path: Path) -> None:
    data = labels_in((8, 9), {1: np.s_[1:4, 1:4]})
    settings, path = settings_of(Labels(data)), tmp_path / "a_labels.ome.tif"
    table = tmp_path / "a_table.csv"
    table.write_text("label,mine\n1,2\n")
    with pytest.raises(InputError, match="is there already"):
        save_measured(data, settings, path)
    assert not path.exists()
    assert table.read_text() == "label,mine\n1,2\n"
    table.unlink()
    # A table of the same kind is replaced.
    for _ in range(2):
        assert save_measured(data, settings, path) == [path, table]
