"""Arrays of finished planes come back from their bytes, and damage is said."""

import numpy as np
import pytest

from napari_segany.core.stored_arrays import from_stored, to_stored
from napari_segany.errors import SeganyError

ARRAYS = {"labels": np.arange(6, dtype=np.int32).reshape(2, 3), "index": np.array([4])}


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back(compressed: bool) -> None:
    content = to_stored(ARRAYS, compressed)
    assert content == to_stored(ARRAYS, compressed)
    with from_stored(content) as arrays:
        assert set(arrays) == set(ARRAYS)
        for name, each in ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], each)
            assert arrays[name].dtype == each.dtype


@pytest.mark.parametrize("compressed", [True, False])
def test_what_is_damaged_is_done_again(compressed: bool) -> None:
    content = to_stored(ARRAYS, compressed)
    for part in (b"", b"{}", content[:40], content[:-30]):
        with pytest.raises(SeganyError, match="it is done again"), from_stored(part) as arrays:
            dict(arrays)
    with pytest.raises(SeganyError, match="masks"), from_stored(content) as arrays:
        arrays["masks"]
