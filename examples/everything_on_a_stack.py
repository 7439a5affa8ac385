"""Segment every object on every plane of a stack, and save the labels with the pixel size."""

from pathlib import Path

import numpy as np

import napari_segany as sa
from napari_segany.plugin.layers.sample_data import cells

((stack, _, _),) = cells()  # Synthetic cells, (Z, Y, X); NumPy, dask and zarr arrays all work.
stack = stack[4:6, :192, :192]

labels = sa.segment_everything(
    stack,
    axes="ZYX",
    params=sa.AutomaticParams(points_per_side=12, max_area_fraction=0.2),
    labels=sa.LabelParams(min_area=30),
    normalise="stack",  # One intensity range for all planes.
)
for z, plane in enumerate(labels):
    print(f"plane {z}: {len(np.unique(plane[plane > 0]))} objects")

folder = Path("example_results")
folder.mkdir(exist_ok=True)
sizes = {"Z": (3.0, "um"), "Y": (1.0, "um"), "X": (1.0, "um")}
print(sa.save_labels(labels, folder / "cells_labels.ome.tif", "ZYX", sizes))
