from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels

from napari_segany.errors import InputError
from napari_segany.plugin.prompt.layer_target import LayerTarget, largest_label


def shown(data: Any, visible: bool = True) -> Any:
    layer = Labels(data, visible=visible)
    viewer = ViewerModel()
    viewer.add_layer(layer)
    return layer


@pytest.mark.parametrize("visible", [True, False])
def test_labels_are_written_so_that_their_own_undo_knows(visible: bool) -> None:
    layer = shown(np.zeros((6, 40, 50), np.int32), visible)
    target = LayerTarget(layer, last=0)
    box = (slice(2, 3), slice(5, 8), slice(6, 10))
    where = np.zeros((1, 3, 4), bool)
    where[0, 1] = True
    target.write(box, where, np.full(4, target.free_label()))
    assert np.array_equal(np.argwhere(layer.data), [[2, 6, c] for c in range(6, 10)])
    assert target.read(box).sum() == 4
    layer.undo()
    assert not layer.data.any()
    target.note_painted(9)
    assert target.free_label() == 10


class Boxes:
    """An array that gives boxes alone, as some file formats do."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self.shape, self.dtype, self.ndim = data, data.shape, data.dtype, data.ndim

    def __getitem__(self, index: Any) -> np.ndarray:
        assert not any(isinstance(each, np.ndarray) for each in index)
        return self._data[index]

    def __setitem__(self, index: Any, values: Any) -> None:
        self._data[index] = values


@pytest.mark.parametrize(
    "make", [np.asarray, lambda data: zarr.array(data, chunks=(1, 10, 10)), da.from_array, Boxes]
)
def test_pixels_are_read_at_once(make: Any) -> None:
    data = np.random.default_rng(0).integers(0, 9, (3, 20, 30)).astype(np.int32)
    target = LayerTarget(shown(data.copy()))
    # A layer may get other data while a session is bound to it.
    target.layer = SimpleNamespace(data=make(data))
    pixels = (np.array([0, 2, 1]), np.array([4, 19, 4]), np.array([5, 29, 0]))
    assert np.array_equal(target.read_pixels(pixels), data[pixels])
    assert len(target.read_pixels(tuple(np.zeros(0, int) for _ in range(3)))) == 0


def test_what_is_written_unseen_is_shown_later(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = shown(np.zeros((8, 8), np.int32), visible=False)
    # napari would make colours of the whole plane for it.
    monkeypatch.setattr(layer, "data_setitem", None)
    target = LayerTarget(layer, last=0)
    box = (slice(2, 5), slice(1, 4))
    target.write(box, np.ones((3, 3), bool), np.full(9, 1))
    target.write(box, np.ones((3, 3), bool), np.full(9, 1))
    layer.visible = True
    assert np.argwhere(np.asarray(layer._slice.image.view)).tolist() == [
        [row, col] for row in range(2, 5) for col in range(1, 4)
    ]
    layer.undo()
    assert not layer.data.any()
    assert not np.asarray(layer._slice.image.view).any()
    layer.redo()
    assert layer.data.sum() == 9


@pytest.mark.parametrize("visible", [True, False])
def test_what_is_written_together_is_undone_together(visible: bool) -> None:
    layer = shown(np.full((8, 8), 7, np.int32), visible)
    target = LayerTarget(layer)
    assert target.free_label() == 8
    box = (slice(0, 4), slice(0, 4))
    where = np.ones((4, 4), bool)
    with target.together():
        target.write(box, where, np.full(16, 8))
        assert (target.read(box) == 8).all()
        target.write(box, np.eye(4, dtype=bool), np.full(4, 9))
    assert (layer.data == 9).sum() == 4
    assert (layer.data == 8).sum() == 12
    layer.undo()
    assert (layer.data == 7).all()
    layer.redo()
    assert (layer.data == 9).sum() == 4


def test_a_write_that_fails_leaves_what_the_compositor_removed() -> None:
    layer = shown(np.zeros((8, 8), np.int32))
    target = LayerTarget(layer)
    box, where = (slice(0, 2), slice(0, 2)), np.ones((2, 2), bool)

    def fail_midway() -> None:
        with target.together():
            target.write(box, where, np.full(4, 3))
            target.write(box, where, np.zeros(4, int))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()
    assert not layer.data.any()
    target.write(box, where, np.full(4, 5))
    assert layer.data.sum() == 20


def read_only() -> Any:
    data = np.zeros((8, 8), np.int32)
    data.flags.writeable = False
    return data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (read_only(), "read-only"),
        (da.zeros((8, 8), dtype=int), "lazy"),
        ([np.zeros((8, 8), int), np.zeros((4, 4), int)], "multiscale"),
    ],
)
def test_labels_that_cannot_be_written_are_refused(data: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        LayerTarget(Labels(data, multiscale=isinstance(data, list)))


def test_largest_labels_are_found_part_by_part() -> None:
    assert largest_label(da.from_array(np.arange(24).reshape(2, 3, 4), chunks=1)) == 23


def test_labels_that_got_other_data_are_not_written() -> None:
    layer = shown(np.zeros((8, 8), np.int32))
    target = LayerTarget(layer, last=0)
    box, where = (slice(0, 2), slice(0, 2)), np.ones((2, 2), bool)
    for data, why in ((read_only(), "read-only"), (np.zeros((4, 4), int), "another shape")):
        layer.data = data
        with pytest.raises(InputError, match=why):
            target.write(box, where, np.full(4, 3))
