"""Boxes and points that other programs found, as prompts.

Tables of ImageJ, napari, scikit-image, TrackMate, QuPath, CellProfiler and this package, plain
tables, COCO's JSON and YOLO's text.
"""

from napari_segany.io.detections.found import Choices, Detection, Detections, TableImage
from napari_segany.io.detections.reading import DIALECTS, read_detections

__all__ = ["DIALECTS", "Choices", "Detection", "Detections", "TableImage", "read_detections"]
