"""Export of results to the formats of other programs."""

from collections.abc import Callable

from napari_segany.io.exports.coco import CocoExport
from napari_segany.io.exports.image_files import MaskExport, OverlayExport
from napari_segany.io.exports.plane import Export, ExportedImage, ResultPlane
from napari_segany.io.exports.rois import RoiExport
from napari_segany.io.exports.yolo import YoloExport

__all__ = ["EXPORTS", "Export", "ExportedImage", "ResultPlane"]

EXPORTS: dict[str, tuple[str, Callable[[ExportedImage], Export]]] = {
    "coco": ("_coco.json", CocoExport),
    "rois": ("_rois.zip", RoiExport),
    "yolo": ("_yolo.zip", YoloExport),
    "overlays": ("_overlays.tif", OverlayExport),
    "masks": ("_masks.tif", MaskExport),
}
"""Endings and classes of exports, by name."""
