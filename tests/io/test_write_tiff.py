import numpy as np
import pytest
import tifffile

from napari_segany.errors import InputError
from napari_segany.io.read import open_image
from napari_segany.io.write_tiff import LabelStack


def save(path, axes, labels, pixel_size=None):
    with LabelStack(axes, labels.shape) as stack:
        for plane in labels.reshape(-1, *labels.shape[-2:]):
            stack.add(plane)
        stack.save(path, pixel_size or {}, "cells")


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (30, 40)), ("TYX", (3, 30, 40)), ("TZYX", (2, 3, 30, 40))]
)
def test_labels_axes_and_pixel_size_come_back(tmp_path, axes, shape):
    labels = np.random.default_rng(0).integers(0, 900, shape).astype(np.int32)
    size = {"Y": (0.5, "um"), "X": (0.25, "um")}
    if "Z" in axes:
        size["Z"] = (2.0, "um")

    save(tmp_path / "a.ome.tif", axes, labels, size)

    with open_image(tmp_path / "a.ome.tif") as image:
        assert image.axes == axes
        assert image.pixel_size == size
        assert image.dtype == np.uint16
        assert np.array_equal(np.asarray(image.data), labels)


def test_more_ids_than_uint16_holds_are_kept_as_uint32(tmp_path):
    labels = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)

    save(tmp_path / "a.ome.tif", "YX", labels)

    read = tifffile.imread(tmp_path / "a.ome.tif")
    assert read.dtype == np.uint32
    assert np.array_equal(read, labels)


def test_equal_labels_give_equal_bytes_and_others_another_identity(tmp_path):
    labels = np.eye(20, dtype=np.int32)
    for name, image in (("a", labels), ("b", labels), ("c", 2 * labels)):
        save(tmp_path / f"{name}.ome.tif", "YX", image)

    a, b, c = ((tmp_path / f"{name}.ome.tif").read_bytes() for name in "abc")

    def identity(content: bytes) -> bytes:
        return content.split(b"urn:uuid:")[1][:36]

    assert a == b
    assert identity(a) != identity(c)


def test_planes_are_compressed_with_zlib(tmp_path):
    save(tmp_path / "a.ome.tif", "ZYX", np.zeros((4, 512, 512), np.int32))

    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.pages[0].compression.name == "ADOBE_DEFLATE"
    assert (tmp_path / "a.ome.tif").stat().st_size < 50_000


def test_unnamed_axes_get_a_name_that_ome_knows():
    with LabelStack("QYX", (2, 3, 4)) as stack:
        assert stack.axes == "ZYX"
    with pytest.raises(InputError, match="too many dimensions"):
        LabelStack("TZCQYX", (1, 1, 1, 1, 3, 4))


@pytest.mark.parametrize("block", [1, 100, 2**20])
def test_planes_are_kept_in_blocks_and_come_back_whole(tmp_path, monkeypatch, block):
    labels = np.random.default_rng(0).integers(0, 70_000, (2, 30, 40)).astype(np.int32)
    save(tmp_path / "a.ome.tif", "ZYX", labels)
    monkeypatch.setattr("napari_segany.io.write_tiff._BLOCK", block)
    save(tmp_path / "b.ome.tif", "ZYX", labels)
    assert np.array_equal(tifffile.imread(tmp_path / "b.ome.tif"), labels)
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()


def tiles_of(labels):
    """A plane that is added and written in tiles."""
    stack = LabelStack("YX", labels.shape, tiled=True)
    stack.add_windows(lambda box: labels[box[0] : box[2], box[1] : box[3]])
    return stack


@pytest.mark.parametrize("largest", [900, 70_000])
def test_tiles_with_and_without_objects_come_back(tmp_path, largest):
    labels = np.zeros((1100, 2100), np.int32)
    labels[20:60, 1000:1100] = np.random.default_rng(0).integers(0, largest + 1, (40, 100))
    labels[1060:, 2070:] = largest

    with tiles_of(labels) as stack:
        stack.save(tmp_path / "a.ome.tif", {}, "cells")
        empty = sum(ids is None for *_, ids in stack.blocks())

    assert empty == 3
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        page = file.pages[0]
        assert page.is_tiled
        assert page.predictor == 2
        # Every tile is stored, as many programs take one that is not for damage.
        assert min(page.databytecounts) > 0
        assert np.array_equal(page.asarray(), labels)
    with open_image(tmp_path / "a.ome.tif") as image:
        assert np.array_equal(np.asarray(image.data), labels)


def test_tiles_that_differ_in_one_id_have_another_identity(tmp_path):
    labels = np.zeros((1100, 1100), np.int32)
    contents = []
    for value in (0, 1, 1):
        labels[1050, 1050] = value
        with tiles_of(labels) as stack:
            stack.save(tmp_path / "a.ome.tif", {}, "cells")
        contents.append((tmp_path / "a.ome.tif").read_bytes())
    assert contents[0].split(b"urn:uuid:")[1][:36] != contents[1].split(b"urn:uuid:")[1][:36]
    assert contents[1] == contents[2]


def test_planes_without_objects_are_kept_as_their_place_alone(tmp_path):
    labels = np.zeros((5, 30, 40), np.int32)
    labels[2, 3:9, 4:9] = 7
    with LabelStack("ZYX", labels.shape) as stack:
        for plane in labels:
            stack.add(plane)
        assert [ids is None for *_, ids in stack.blocks()] == [True, True, False, True, True]
        stack.save(tmp_path / "a.ome.tif", {}, "cells")
    assert np.array_equal(tifffile.imread(tmp_path / "a.ome.tif"), labels)
