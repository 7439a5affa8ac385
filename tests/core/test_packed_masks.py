"""Masks in one piece of memory: the same bits, and the pixels that they share."""

import pickle
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_binary_mask import masks, whole

from napari_segany.core import packed_masks
from napari_segany.core.binary_mask import pack
from napari_segany.core.packed_masks import PackedMasks

SETS = st.lists(masks(), min_size=1, max_size=6)


def packed(some: Any) -> tuple[list[Any], PackedMasks, Any]:
    bits = [pack(mask, box[1]) for mask, box in some]
    return bits, PackedMasks.of(bits), np.array([box for _, box in some], np.int64)


@given(SETS, st.integers(0, 99))
def test_pixels_that_masks_share_are_those_of_whole_images(some: Any, seed: int) -> None:
    _, joined, boxes = packed(some)
    one, two = np.random.default_rng(seed).integers(0, len(some), (2, 20))
    full = [whole(mask, box) for mask, box in some]
    expected = [int((full[i] & full[j]).sum()) for i, j in zip(one, two, strict=True)]
    assert joined.count_shared(boxes, one, two).tolist() == expected


def test_many_pairs_are_compared_in_parts(monkeypatch: Any) -> None:
    random = np.random.default_rng(0)
    full = random.random((30, 24, 24)) < 0.5
    joined = PackedMasks.of([pack(mask, 0) for mask in full])
    boxes = np.tile([0, 0, 24, 24], (30, 1))
    one, two = np.triu_indices(30)
    at_once = joined.count_shared(boxes, one, two)
    monkeypatch.setattr(packed_masks, "BYTES_AT_ONCE", 50)
    assert joined.count_shared(boxes, one, two).tolist() == at_once.tolist()
    assert at_once[0] == full[0].sum()


@given(SETS, st.integers(0, 99))
def test_chosen_masks_have_their_bits_wherever_they_lie(some: Any, seed: int) -> None:
    bits, joined, _ = packed(some)
    chosen = np.random.default_rng(seed).integers(0, len(some), 5)
    there = joined[chosen]
    for each in (there, there.compacted(), there.on_disk(), PackedMasks.concatenate([there])):
        assert len(each) == 5
        assert all(np.array_equal(each.bits(k), bits[i]) for k, i in enumerate(chosen))
    restored = pickle.loads(pickle.dumps(there.on_disk()))
    assert all(np.array_equal(a, b) for a, b in zip(restored, there, strict=True))
    assert not isinstance(restored.buffer, np.memmap)


def test_only_chosen_masks_travel() -> None:
    many = PackedMasks.of([pack(np.ones((50, 64), bool), 0)] * 100)
    assert len(pickle.dumps(many[np.array([3])])) < 2000


def test_temporary_files_go_with_their_masks(tmp_path: Any) -> None:
    there = PackedMasks.of([pack(np.ones((5, 9), bool), 3)]).on_disk(tmp_path)
    assert isinstance(there.buffer, np.memmap)
    assert list(tmp_path.iterdir()) == []
    assert there.bits(0).shape == (5, 2)


def test_no_masks() -> None:
    none = PackedMasks.of([])
    assert len(none) == len(none.on_disk()) == len(PackedMasks.concatenate([none, none])) == 0
    nothing = np.zeros(0, np.int64)
    assert none.count_shared(np.zeros((0, 4), np.int64), nothing, nothing).tolist() == []
