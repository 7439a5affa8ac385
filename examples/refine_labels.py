"""Refine the labels of another tool: each label becomes a mask prompt and keeps its number."""

from pathlib import Path

import numpy as np
from skimage.data import coins
from skimage.filters import gaussian, threshold_local
from skimage.measure import label

import napari_segany as sa

image = coins()

# The other tool: a threshold, which leaves out the dark parts of the coins.
smooth = gaussian(image, 1)
rough = label(smooth > threshold_local(smooth, 121))
rough[np.isin(rough, np.flatnonzero(np.bincount(rough.ravel()) < 200))] = 0
ids = np.unique(rough[rough > 0])

model = sa.load_model()
embedding = model.embed(image)
prompts = [sa.Prompt(mask=rough == i) for i in ids]
refined = np.zeros_like(rough)
for i, answer in zip(ids, model.predict(embedding, prompts), strict=True):
    refined[answer.mask(0) & (refined == 0)] = i
    before, after = np.count_nonzero(rough == i), np.count_nonzero(refined == i)
    print(f"label {i}: {before} -> {after} pixels, predicted IoU {answer.predicted_iou[0]:.2f}")

folder = Path("example_results")
folder.mkdir(exist_ok=True)
print(sa.save_labels(refined, folder / "refined_labels.ome.tif"))
