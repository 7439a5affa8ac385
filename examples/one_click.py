"""Segment one object by a click, then refine the mask with a second click."""

from pathlib import Path

from skimage.data import coins
from skimage.io import imsave
from skimage.segmentation import mark_boundaries
from skimage.util import img_as_ubyte

import napari_segany as sa

image = coins()
model = sa.load_model()
embedding = model.embed(image)  # The image encoder: the slow part, once a plane.

# One point is ambiguous, so the model returns three candidates, best first.
candidates = model.predict(embedding, sa.Prompt(points=[[270, 115]]))
for i, candidate in enumerate(candidates):
    print(
        f"candidate {i}: {candidate.area[0]} pixels, "
        f"predicted IoU {candidate.predicted_iou[0]:.2f}, "
        f"stability {candidate.stability_score[0]:.2f}"
    )

# A point with label 0 lies off the object. The second click refines the best candidate.
refined = sa.refine(model, embedding, sa.Prompt(points=[[270, 115], [240, 160]], labels=[1, 0]))
mask = refined.mask(0)  # Boolean, of the image's shape.
print(f"refined: {mask.sum()} pixels")

folder = Path("example_results")
folder.mkdir(exist_ok=True)
imsave(folder / "one_click.png", img_as_ubyte(mark_boundaries(image, mask, color=(1, 0, 0))))
print(f"outline: {folder / 'one_click.png'}")
