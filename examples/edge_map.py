"""Compute an edge map from the outlines of all masks."""

from pathlib import Path

import numpy as np
from skimage.data import coffee
from skimage.io import imsave

import napari_segany as sa

image = coffee()[60:316, 120:376]
edges = sa.find_edges(sa.load_model(), image, points_per_side=8)
print(f"{np.count_nonzero(edges > 0.5)} strong edge pixels of {edges.size}")

folder = Path("example_results")
folder.mkdir(exist_ok=True)
imsave(folder / "edges.png", (255 * edges).astype(np.uint8), check_contrast=False)
print(f"edge map: {folder / 'edges.png'}")
