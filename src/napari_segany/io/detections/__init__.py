"""Boxes and points from other programs, as prompts.

Tables of ImageJ, napari, scikit-image, TrackMate, QuPath, CellProfiler and this package, plain
tables, COCO's JSON and YOLO's text.
"""

from napari_segany.io.detections.reader import DIALECTS, read_detections
from napari_segany.io.detections.types import Detection, Detections, TableImage, TableOptions

__all__ = ["DIALECTS", "Detection", "Detections", "TableImage", "TableOptions", "read_detections"]
