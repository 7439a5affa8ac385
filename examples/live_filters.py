"""Filter a mask set again with other thresholds, without the model."""

import time

from skimage.data import coins

import napari_segany as sa

image = coins()[:160, :200]
model = sa.load_model()
start = time.perf_counter()
found = sa.generate_masks(model, image, sa.AutomaticParams(points_per_side=16))
print(f"the model: {len(found)} masks in {time.perf_counter() - start:.1f} s")

# The set keeps candidates somewhat beyond the thresholds; a filter never asks the model.
for thresholds in (
    {"pred_iou_thresh": 0.82},
    {"pred_iou_thresh": 0.95},
    {"stability_score_thresh": 0.98},
    {"min_area": 500, "exclude_border": True},
    {"nms_thresh": 0.3, "min_solidity": 0.9},
):
    start = time.perf_counter()
    chosen = found.filter(**thresholds)
    print(f"{thresholds}: {len(chosen)} masks in {1000 * (time.perf_counter() - start):.0f} ms")

# The candidate number of a mask stays the same in every filtered set.
strict, loose = found.filter(pred_iou_thresh=0.95), found.filter(pred_iou_thresh=0.82)
more = sorted(set(loose.candidate.tolist()) - set(strict.candidate.tolist()))
print("only in the looser set:", more)
