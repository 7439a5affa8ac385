"""Boxes and points that other programs found, as prompts.

Tables of ImageJ, napari, scikit-image, TrackMate, QuPath, CellProfiler and this package, plain
tables, COCO's JSON and YOLO's text.
"""

from napari_segany.io.detections.reader import DIALECTS, read_detections
from napari_segany.io.detections.types import Choices, Detection, Detections, TableImage

__all__ = ["DIALECTS", "Choices", "Detection", "Detections", "TableImage", "read_detections"]
