"""Matches of masks and objects, against those of pycocotools itself."""

import contextlib
import io
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_segany.core.masks import MaskSet
from napari_segany.evaluation.coco_matching import match_image, match_masks
from napari_segany.io.rle import EncodedMask, encode_masks

MOST = 8


def random_masks(rng: np.random.Generator, count: int) -> list[EncodedMask]:
    masks = np.zeros((count, 30, 30), bool)
    for mask in masks:
        # Few places and sizes, so that many pairs overlap and some have equal IoU and scores.
        y, x = rng.choice([0, 2, 4, 15], 2)
        h, w = rng.choice([3, 6, 8, 14], 2)
        mask[y : y + h, x : x + w] = True
    return encode_masks(MaskSet.from_masks(masks), rng.choice([0.2, 0.5, 0.7, 0.9], count))


def make_evaluation(rng: np.random.Generator) -> Any:
    truth = COCO()
    images = [{"id": n, "height": 30, "width": 30} for n in (1, 2)]
    truth.dataset = {"images": images, "categories": [{"id": 1, "name": "x"}], "annotations": []}
    found: list[dict[str, Any]] = []
    for image in (1, 2):
        for each in random_masks(rng, int(rng.integers(0, 12))):
            known = {"segmentation": {"size": each.size, "counts": each.counts.encode()}}
            known |= {"image_id": image, "category_id": 1, "area": each.area}
            number = len(truth.dataset["annotations"]) + 1
            known |= {"id": number, "bbox": [0, 0, 1, 1], "iscrowd": 0}
            truth.dataset["annotations"].append(known)
        for each in random_masks(rng, int(rng.integers(1, 12))):
            runs = {"size": list(each.size), "counts": each.counts.encode()}
            found.append(
                {"image_id": image, "category_id": 1, "segmentation": runs, "score": each.score}
            )
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(found), "segm")
    evaluation.params.maxDets = [3, MOST]
    evaluation.evaluate()
    return evaluation


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_matches_are_those_of_pycocotools(seed: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = make_evaluation(np.random.default_rng(seed))
    for image in (1, 2):
        for area in ([0, 1e5], [0, 40], [40, 70], [70, 1e5]):
            # Only as many masks as this have an IoU.
            expected = evaluation.evaluateImg(image, 1, area, MOST)
            found = match_image(evaluation, image, 1, area, MOST)
            assert expected is not None
            assert found is not None
            assert set(found) == set(expected)
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_an_object_that_counts_goes_before_one_that_is_ignored() -> None:
    iou = np.array([[0.6, 0.9], [0.55, 0.8]])
    ignored = np.array([False, True])
    thresholds = np.array([0.5, 0.7])
    assert match_masks(iou, ignored, thresholds).tolist() == [[0, 1], [1, -1]]
