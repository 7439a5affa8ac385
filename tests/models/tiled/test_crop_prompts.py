"""Prompts, masks and logits go from a plane to its crops and back."""

import numpy as np
import pytest

from napari_segany import MaskSet, Prompt
from napari_segany.core.geometry import Frame, SquashedFrame
from napari_segany.models.tiled.crop_prompts import (
    OUTSIDE,
    CropView,
    object_of_logits,
    resample_logits,
)
from napari_segany.models.tiled.crops import Crop

PLANE = (4000, 5000)
NEAR = CropView(Crop(512, 1000, 2000, 1512, 2512), Frame((512, 512)))
FAR = CropView(Crop(2048, 500, 1500, 2548, 3548), Frame((1024, 1024)))


def test_prompts_have_the_same_place_in_the_frame() -> None:
    prompt = Prompt(
        points=[(1100, 2200), (1300, 2100)], labels=[1, 0], box=(1050, 2100, 1250, 2300)
    )
    assert prompt.points is not None
    assert prompt.box is not None
    for view in (NEAR, FAR):
        own = view.prompt(prompt)
        top, left = view.crop.box[:2]
        there = Frame(view.crop.shape).to_xy(prompt.points - (top, left))
        assert np.allclose(view.frame.to_xy(own.points), there)  # type: ignore[attr-defined]
        corners = prompt.box - (top, left, top, left)
        expected = Frame(view.crop.shape).boxes_to_xyxy(corners)
        assert np.allclose(view.frame.boxes_to_xyxy(own.box), expected)  # type: ignore[attr-defined]


@pytest.mark.parametrize("view", [NEAR, FAR])
def test_mask_prompts_keep_their_place(view: CropView) -> None:
    mask = np.zeros(PLANE, bool)
    mask[1100:1200, 2100:2300] = True
    region = view.prompt(Prompt(mask=mask)).region
    assert region is not None
    assert region.shape == view.frame.shape
    scale = view.frame.shape[0] / view.crop.shape[0]
    top, left = view.crop.box[:2]
    expected = [(1100 - top) * scale, (2100 - left) * scale]
    assert region.boxes[0, :2].tolist() == expected
    assert region.area[0] == 100 * 200 * scale**2


def test_a_thin_mask_is_not_lost_in_a_smaller_picture() -> None:
    mask = MaskSet.from_crops(PLANE, [np.ones((900, 1), bool)], [(800, 2001)])
    region = FAR.prompt(Prompt(mask=mask)).region
    assert region is not None
    assert region.area[0] > 0


def test_logits_go_to_other_crops_as_functions_of_the_plane() -> None:
    def logits(view: CropView) -> np.ndarray:
        height, width = view.cell_sides(256)
        rows = view.crop.top + (np.arange(256) + 0.5) * height
        cols = view.crop.left + (np.arange(256) + 0.5) * width
        return (rows[:, None] / 100 - cols[None] / 200).astype(np.float32)

    moved = resample_logits(logits(FAR), FAR, NEAR)
    assert np.abs(moved - logits(NEAR)).max() < 1e-3
    back = resample_logits(logits(NEAR), NEAR, FAR)
    # NEAR is the cells 62.5 to 126.5 of FAR in both directions.
    assert np.abs(back - logits(FAR))[64:125, 64:125].max() < 1e-3
    assert (back[:60] == OUTSIDE).all()
    assert (back[:, 130:] == OUTSIDE).all()


def test_objects_of_logits_in_frames_that_squash() -> None:
    crop = Crop(2048, 0, 100, 512, 2148)
    logits = np.full((64, 64), -5.0, np.float32)
    logits[16:32, 8:16] = 5
    squashed = CropView(crop, SquashedFrame((256, 1024), 256, 64))
    assert object_of_logits(logits, squashed) == (128, 356, 256, 612)
    kept = CropView(crop, Frame((256, 1024), 256))
    logits[8:12] = logits[16]
    logits[12:] = -5
    assert object_of_logits(logits, kept) == (256, 356, 384, 612)
    assert object_of_logits(np.full((64, 64), -5.0, np.float32), kept) is None
