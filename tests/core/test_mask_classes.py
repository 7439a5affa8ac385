"""Classes of masks: slices, joined sets, and arrays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segany import MaskSet
from napari_segany.core.mask_classes import MaskClasses, join_classes
from napari_segany.core.mask_io import pack, unpack
from napari_segany.errors import InputError


def make(index: list[int], best: tuple[float, ...] = (0.9, 0.5, float("nan"))) -> MaskClasses:
    scores = np.linspace(0.2, 0.8, len(index)).astype(np.float32)
    return MaskClasses(("cell", "wall", "=1+1"), np.array(index, np.int64), scores, best)


def boxes(count: int) -> MaskSet:
    masks = np.zeros((count, 9, 9), bool)
    for k in range(count):
        masks[k, k : k + 2, :3] = True
    return MaskSet.from_masks(masks)


@given(st.lists(st.integers(0, 2), max_size=6), st.data())
def test_sets_keep_classes_through_slices_joins_and_files(
    index: list[int], data: st.DataObject
) -> None:
    masks = replace(boxes(len(index)), classes=make(index))
    chosen = data.draw(st.lists(st.integers(0, len(index) - 1), max_size=4)) if index else []
    some = masks[np.array(chosen, np.int64)]
    assert some.classes is not None
    assert some.classes.index.tolist() == [index[i] for i in chosen]
    joined = MaskSet.concatenate([masks, MaskSet.empty((9, 9)), some])
    assert joined.classes is not None
    assert joined.classes.index.tolist() == index + [index[i] for i in chosen]
    back = unpack(pack(joined))
    assert back.classes is not None
    assert back.classes.names == joined.classes.names
    assert np.array_equal(back.classes.index, joined.classes.index)
    assert np.array_equal(back.classes.scores, joined.classes.scores)
    assert np.array_equal(back.classes.best, joined.classes.best, equal_nan=True)
    missing = [k for k in range(3) if k not in back.classes.index]
    assert list(back.classes.missing) == missing


def test_sets_of_other_classes_are_joined_without() -> None:
    one, other = make([0, 1]), replace(make([0]), names=("a", "b", "c"))
    assert join_classes([(one, 2), (other, 1)]) is None
    assert join_classes([(one, 2), (None, 1)]) is None
    assert join_classes([(None, 3), (None, 0)]) is None
    kept = join_classes([(None, 0), (one, 2), (make([2], (0.95, 0.1, 0.3)), 1)])
    assert kept is not None
    assert kept.best == (0.95, 0.5, 0.3)


def test_sets_without_classes_are_what_they_were() -> None:
    plain = boxes(2)
    assert not any(name.startswith("class") for name in pack(plain))
    assert unpack(pack(plain)).classes is None
    assert "class" not in plain.table()
    assert np.array_equal(plain.best_first, plain.predicted_iou)


def test_a_class_without_a_name_is_refused() -> None:
    arrays = make([0, 1]).to_arrays()
    with pytest.raises(InputError, match="a class that has no name"):
        MaskClasses.from_arrays(arrays | {"class_index": np.array([0, 3])})
