"""OME-Zarr, read and written; what other programs understand of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_segany import save_labels
from napari_segany.errors import InputError
from napari_segany.io.ome_zarr import ZarrArray
from napari_segany.io.read import choose_series, expand_containers, open_image, stem
from napari_segany.io.write_tiff import LabelStack
from napari_segany.io.write_zarr import write_labels

SIZES = {"Z": (2.0, "um"), "Y": (0.5, "um"), "X": (0.25, "um"), "T": (3.0, "s")}


def write_image(path: Path, version: str, axes: str = "tczyx") -> np.ndarray:
    """An image in OME-Zarr 0.4 or 0.5, as the specification says and not by our code."""
    shape = (2, 2, 3, 20, 30)[-len(axes) :]
    image = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", data=image, chunks=(*(1,) * (len(shape) - 2), 10, 10))
    kinds = {"t": ("time", "second"), "c": ("channel", None)}
    entries = []
    for axis in axes:
        kind, unit = kinds.get(axis, ("space", "micrometer"))
        entries.append({"name": axis, "type": kind} | ({"unit": unit} if unit else {}))
    scale = [{"t": 3.0, "c": 1.0, "z": 2.0, "y": 0.25, "x": 0.125}[a] for a in axes]
    twice = [2.0 if a in "yx" else 1.0 for a in axes]
    scales = {
        "axes": entries,
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        ],
        "coordinateTransformations": [{"type": "scale", "scale": twice}],
    }
    if version == "0.4":
        group.attrs["multiscales"] = [scales | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [scales]}
    return image


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_are_read_lazily_with_axes_and_size(tmp_path: Path, version: str):
    image = write_image(tmp_path / "a.ome.zarr", version)
    with open_image(tmp_path / "a.ome.zarr") as opened:
        assert opened.name == "a"
        assert opened.axes == "TCZYX"
        assert opened.pixel_size == SIZES
        assert isinstance(opened.data, ZarrArray)
        assert opened.data.chunks == (1, 1, 1, 10, 10)
        assert np.array_equal(opened.data[1, 0, 2], image[1, 0, 2])
        assert "TCZYX 2 x 2 x 3 x 20 x 30 uint16" in opened.describe()


def write_plate(path: Path, version: str, wells: tuple[str, ...], fields: int) -> list[Path]:
    """A plate as the specification says; the paths of its fields."""
    plate = {"wells": [{"path": name} for name in wells]}
    kind = 2 if version == "0.4" else 3
    zarr.open_group(str(path), mode="w", zarr_format=kind)
    written = []
    for name in wells:
        images = [{"path": str(n)} for n in range(fields)]
        for place, about in ((path, {"plate": plate}), (path / name, {"well": {"images": images}})):
            group = zarr.open_group(str(place), mode="a", zarr_format=kind)
            group.attrs.update(about if version == "0.4" else {"ome": about})
        for n in range(fields):
            write_image(path / name / str(n), version, "yx")
            written.append(path / name / str(n))
    return written


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_is_its_fields_in_order_each_with_a_name(tmp_path: Path, version: str):
    plate = tmp_path / "plate.ome.zarr"
    fields = write_plate(plate, version, ("A/1", "B/12"), 2)
    assert expand_containers(plate) == fields
    assert expand_containers(plate / "B" / "12") == fields[2:]
    assert expand_containers(fields[0]) == [fields[0]]
    assert [stem(field) for field in fields] == [
        *("plate_A_1_0", "plate_A_1_1", "plate_B_12_0", "plate_B_12_1")
    ]
    with open_image(fields[3]) as opened:
        assert (opened.name, opened.axes) == ("plate_B_12_1", "YX")
    with pytest.raises(InputError, match=r"plate or a well with 4 fields.*A/1/0.*Give one") as told:
        open_image(plate)
    assert str(fields[0]) in str(told.value)


def test_a_damaged_plate_is_told_when_it_is_opened(tmp_path: Path):
    plate = tmp_path / "plate.zarr"
    (field,) = write_plate(plate, "0.4", ("A/1",), 1)
    attributes = plate / ".zattrs"
    for content, message in (
        ("{", "damaged"),
        ('{"plate": 5}', "damaged"),
        ('{"plate": {"wells": [{"path": "../.."}]}}', "outside"),
        ('{"plate": {"wells": []}}', "without fields"),
    ):
        attributes.write_text(content)
        assert expand_containers(plate) == [plate]
        with pytest.raises(InputError, match=message):
            open_image(plate)
    attributes.write_text('{"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}}')
    assert expand_containers(plate) == [field, plate / "A" / "2"]
    with pytest.raises(InputError, match="There is no file"):
        open_image(plate / "A" / "2")
    with open_image(field) as opened:
        assert opened.axes == "YX"


def test_the_first_of_a_converted_file_and_a_plain_array(tmp_path: Path):
    image = write_image(tmp_path / "b.zarr" / "0", "0.4", "yx")
    (tmp_path / "b.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    with open_image(tmp_path / "b.zarr") as opened:
        assert opened.axes == "YX"
        assert np.array_equal(opened.data[:], image)
    zarr.save_array(str(tmp_path / "c.zarr"), np.zeros((4, 20, 30), np.uint8))
    with open_image(tmp_path / "c.zarr") as opened:
        assert (opened.axes, opened.pixel_size) == ("ZYX", {})


def test_what_is_no_image_is_told(tmp_path: Path):
    zarr.open_group(str(tmp_path / "empty.zarr"), mode="w")
    with pytest.raises(InputError, match="without an image"):
        open_image(tmp_path / "empty.zarr")
    for n in "01":
        write_image(tmp_path / "many.zarr" / n, "0.4", "yx")
    (tmp_path / "many.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(InputError, match=r"several images \(0, 1\)"):
        open_image(tmp_path / "many.zarr")
    write_image(tmp_path / "broken.zarr", "0.4", "yx")
    (tmp_path / "broken.zarr" / ".zattrs").write_text("{nonsense")
    with pytest.raises(InputError, match="damaged"):
        open_image(tmp_path / "broken.zarr")


def test_labels_come_back_and_follow_the_specification(tmp_path: Path):
    labels = np.zeros((3, 2, 300, 520), np.int32)
    labels[:, :, 10:40, 20:60] = np.arange(6).reshape(3, 2, 1, 1)
    path = tmp_path / "cells_labels.ome.zarr"
    # Depth before time; the format has time first.
    save_labels(labels, path, "ZTYX", SIZES)
    with open_image(path) as opened:
        assert opened.axes == "TZYX"
        assert opened.pixel_size == SIZES
        assert opened.dtype == np.uint16
        assert np.array_equal(opened.data[:].transpose(1, 0, 2, 3), labels)
    metadata: Any = json.loads((path / ".zattrs").read_text())
    (scales,) = metadata["multiscales"]
    assert scales["version"] == metadata["image-label"]["version"] == "0.4"
    assert scales["name"] == "cells"
    assert [a["type"] for a in scales["axes"]] == ["time", "space", "space", "space"]
    assert [a["unit"] for a in scales["axes"]] == ["second", *["micrometer"] * 3]
    levels = [zarr.open_array(str(path / d["path"]), mode="r") for d in scales["datasets"]]
    assert [level.shape[-2:] for level in levels] == [(300, 520), (150, 260), (75, 130)]
    assert np.array_equal(levels[1][:], levels[0][:][..., ::2, ::2])
    steps = [d["coordinateTransformations"][0]["scale"] for d in scales["datasets"]]
    assert steps[:2] == [[3.0, 2.0, 0.5, 0.25], [3.0, 2.0, 1.0, 0.5]]


def test_tiles_without_objects_are_not_stored_at_any_level(tmp_path: Path):
    labels = np.zeros((2, 1500, 4200), np.int32)
    labels[0, 40:90, 1000:1050] = np.arange(2500).reshape(50, 50)
    labels[1, 1499, 4199] = 3
    with LabelStack("TYX", labels.shape, tiled=True) as stack:
        for plane in labels:
            stack.add_windows(lambda box, plane=plane: plane[box[0] : box[2], box[1] : box[3]])
        write_labels(stack, tmp_path / "a", {}, "cells")

    for level, step in enumerate((1, 2, 4)):
        found = zarr.open_array(str(tmp_path / "a" / str(level)), mode="r")
        np.testing.assert_array_equal(found[:], labels[:, ::step, ::step])
    # Two neighbouring tiles of the first plane. The last pixel of the second is shown once.
    stored = [zarr.open_array(str(tmp_path / "a" / n), mode="r") for n in "012"]
    assert [level.nchunks_initialized for level in stored] == [3, 1, 1]


def test_the_same_labels_give_the_same_files(tmp_path: Path):
    labels = np.arange(40 * 50).reshape(40, 50)
    for name in "ab":
        save_labels(labels, tmp_path / name / "x.ome.zarr")
    one, other = (
        {
            str(p.relative_to(tmp_path / n)): p.read_bytes()
            for p in (tmp_path / n).rglob("*.*")
            if p.is_file()
        }
        for n in "ab"
    )
    assert one == other
    # Replacing leaves nothing of what was there.
    save_labels(labels[:20], tmp_path / "a" / "x.ome.zarr")
    with open_image(tmp_path / "a" / "x.ome.zarr") as opened:
        assert opened.shape == (20, 50)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["x.ome.zarr"]


def test_without_zarr_the_message_says_what_to_install(tmp_path: Path, monkeypatch: Any):
    write_image(tmp_path / "a.zarr", "0.4", "yx")
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(InputError, match=r"napari-segany\[zarr\]"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_damaged_chunk_is_an_error_of_its_plane(tmp_path: Path, version: str):
    path = tmp_path / "a.zarr"
    image = write_image(path, version, "zyx")
    inner = ("0.0.0",) if version == "0.4" else ("c", "0", "0", "0")
    path.joinpath("0", *inner).write_bytes(b"damaged")
    with open_image(path) as opened:
        assert np.array_equal(opened.data[1], image[1])
        with pytest.raises(InputError, match=r"a\.zarr: a chunk of this plane cannot be decoded"):
            opened.data[0]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunks_that_are_not_stored_are_counted(tmp_path: Path, version: str):
    path = tmp_path / "a.zarr"
    write_image(path, version, "zyx")
    with open_image(path) as opened:
        assert opened.notes == ()
    first = path / "0" / "0.0.0" if version == "0.4" else path / "0" / "c" / "0" / "0" / "0"
    first.unlink()
    with open_image(path) as opened:
        (note,) = opened.notes
        assert note.startswith("1 of its 18 chunks are not stored and are read as 0")


def test_one_of_several_images_by_its_number(tmp_path: Path):
    path = tmp_path / "many.zarr"
    images = [write_image(path / str(n), "0.4", "yx") for n in range(11)]
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    with open_image(path, series=10) as opened:
        assert np.array_equal(opened.data[...], images[10])
    assert choose_series([path], "all") == [path / str(n) for n in range(11)]
    assert choose_series([path], 10) == [path / "10"]
    assert [stem(each) for each in choose_series([path], 2)] == ["many_2"]
    with pytest.raises(InputError, match="There is no image 11"):
        open_image(path, series=11)


def test_an_array_without_names_of_axes_says_what_was_guessed(tmp_path: Path):
    zarr.create_array(str(tmp_path / "a.zarr"), data=np.ones((3, 20, 30), np.uint8))
    with open_image(tmp_path / "a.zarr") as opened:
        assert "ZYX is a guess, --axes says" in opened.notes[0]


def change(path: Path, **entries: Any) -> None:
    """Replace entries of an image's only multiscale."""
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0] |= entries
    (path / ".zattrs").write_text(json.dumps(attributes))


def test_an_image_without_a_scale_has_no_pixel_size(tmp_path: Path):
    write_image(tmp_path / "a.zarr", "0.4", "yx")
    change(tmp_path / "a.zarr", datasets=[{"path": "0"}], coordinateTransformations=[])
    with open_image(tmp_path / "a.zarr") as image:
        assert (image.axes, image.pixel_size) == ("YX", {})


def test_an_array_outside_of_the_folder_is_refused(tmp_path: Path):
    for name in ("a.zarr", "other.zarr"):
        write_image(tmp_path / name, "0.4", "yx")
    change(tmp_path / "a.zarr", datasets=[{"path": "../other.zarr/0"}])
    with pytest.raises(InputError, match="outside of it"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"axes": ["z", "y", "x"]}, r"names 3 axes \(ZYX\) and its array has 2"),
        ({"axes": [7, 8]}, r"no OME-Zarr image\.$"),
        ({"datasets": []}, r"no OME-Zarr image\.$"),
        ({"datasets": [{"path": "9"}]}, "9"),
    ],
)
def test_metadata_that_cannot_be_is_told_without_words_of_python(
    tmp_path: Path, entries: Any, message: str
):
    write_image(tmp_path / "a.zarr", "0.4", "yx")
    change(tmp_path / "a.zarr", **entries)
    with pytest.raises(InputError, match=message):
        open_image(tmp_path / "a.zarr")
