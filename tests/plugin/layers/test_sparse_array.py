from typing import Any

import numpy as np

from napari_segany.plugin.layers import sparse_array


def test_small_arrays_are_in_memory() -> None:
    array = sparse_array.zeros((3, 4), np.uint8)
    assert type(array) is np.ndarray
    assert not array.any()


def test_large_arrays_take_room_only_where_they_are_written(monkeypatch: Any) -> None:
    monkeypatch.setattr(sparse_array, "memory", lambda: 2**20)
    array = sparse_array.zeros((1000, 1000, 1000), np.int32)
    assert isinstance(array, np.memmap)
    array[500, 3:5, 7] = 9
    assert array[500].sum() == 18
    assert not array[499].any()


def test_memory_is_known() -> None:
    assert sparse_array.memory() > 2**28
