"""Labels that are painted again in parts are those that are painted at once."""

import numpy as np
import pytest

from napari_segany.core.label_painting import LabelPainting
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps
from napari_segany.core.rasterize import paint_sources


def random_masks(seed: int, count: int) -> MaskSet:
    rng = np.random.default_rng(seed)
    full = np.zeros((count, 60, 70), bool)
    for mask in full:
        a, b = rng.integers(0, 55, 2)
        h, w = rng.integers(0, 16, 2)
        mask[a : a + h, b : b + w] = rng.random(mask[a : a + h, b : b + w].shape) < 0.8
    return MaskSet.from_masks(full, predicted_iou=rng.integers(0, 5, count) / 4)


def expected(masks: MaskSet, chosen: np.ndarray, rules: tuple[str, int, float]) -> tuple:
    labels, source = paint_sources(
        masks[chosen], overlap=rules[0], min_area=rules[1], min_visible=rules[2]
    )
    names = np.concatenate([[0], chosen + 1])
    return names[labels], source


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("count", [3, 40])
def test_choices_one_after_another_are_painted_like_each_by_itself(seed: int, count: int) -> None:
    masks = random_masks(seed, count)
    overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
    pixels = np.full((60, 70), 7, np.int32)
    painting = LabelPainting(masks, overlaps, pixels)
    rng = np.random.default_rng(seed)
    # Filters keep the order of the masks that they let through.
    place = rng.permutation(count)
    chosen = np.argsort(place)
    for step in range(15):
        rules = ("small_on_top", 0, 0.3)
        if step in (6, 7):
            rules = ("best_on_top", 12, 0.5)
        labels, source = expected(masks, chosen, rules)
        assert painting.paint(chosen, *rules).tolist() == source.tolist()
        assert np.array_equal(pixels, labels)
        # Some go and some come, or most.
        kept = chosen[rng.random(len(chosen)) < rng.choice([0.2, 0.9, 1.0])]
        others = np.setdiff1d(np.arange(count), kept)
        added = others[rng.random(len(others)) < rng.choice([0.1, 0.6])]
        chosen = np.concatenate([kept, added])
        chosen = chosen[np.argsort(place[chosen])]


def test_only_what_changed_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    full = np.zeros((50, 20, 500), bool)
    for i, mask in enumerate(full):
        mask[5:12, 10 * i : 10 * i + 8] = True
    full[20, 5:12, 200:214] = True  # over its neighbour
    masks = MaskSet.from_masks(full)
    overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
    painting = LabelPainting(masks, overlaps, np.zeros((20, 500), np.int32))
    painting.paint(np.arange(50), "small_on_top", 0, 0.1)
    drawn: list[int] = []
    original = LabelPainting._draw

    def drawing(self: LabelPainting, i: int, label: int) -> None:
        drawn.append(i)
        original(self, i, label)

    monkeypatch.setattr(LabelPainting, "_draw", drawing)
    painting.paint(np.delete(np.arange(50), [3, 20]), "small_on_top", 0, 0.1)
    assert set(drawn) == {3, 20, 21}
