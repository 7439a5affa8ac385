"""Segment the boxes of a detector's CSV table, all in one call."""

import csv
from pathlib import Path

from skimage.data import coins
from skimage.filters import gaussian, threshold_local
from skimage.measure import label, regionprops

import napari_segany as sa
from napari_segany.io.detections import TableImage, read_detections

folder = Path("example_results")
folder.mkdir(exist_ok=True)
image = coins()

# A simple detector: bright regions. Any detector that writes a table of boxes will do.
smooth = gaussian(image, 2)
boxes = [region.bbox for region in regionprops(label(smooth > threshold_local(smooth, 121)))]
with (folder / "detections.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["row_min", "col_min", "row_max", "col_max"])
    writer.writerows(boxes)

detections = read_detections(folder / "detections.csv", TableImage(image.shape))
print(detections.understood)

model = sa.load_model()
prompts = [detection.prompt(image.shape) for detection in detections]
found = sa.MaskSet.concatenate(model.predict(model.embed(image), prompts))
labels = found.to_labels(overlap="small_on_top", min_area=50)
print(f"{len(prompts)} boxes, {labels.max()} objects, mean area {found.area.mean():.0f} pixels")
print(sa.save_labels(labels, folder / "boxes_labels.ome.tif"))
