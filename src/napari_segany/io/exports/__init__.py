"""Export of results to the formats of other programs.

This module is light: the command line reads the names and texts of :data:`EXPORTS`, and the module
of a kind is imported when an export begins.
"""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segany.io.exports.plane import Export, ExportedImage

__all__ = ["EXPORTS", "ExportKind"]


@dataclass(frozen=True)
class ExportKind:
    """One kind of export.

    Attributes
    ----------
    ending : str
        Ending of the file's name.
    about : str
        What the file is: help on the command line, and tip in the Batch dock.
    export : str
        The :class:`Export` as "module:class", imported when it is used.
    linked : bool
        True if it can hold objects that go through several planes, of which only labels are known.
    """

    ending: str
    about: str
    export: str
    linked: bool = False

    def begin(self, image: "ExportedImage") -> "Export":
        """Return the export of an image, to which planes can be added."""
        export: Export = resolve_name(self.export)(image)
        return export


EXPORTS: dict[str, ExportKind] = {
    "coco": ExportKind(
        "_coco.json", "COCO instances as JSON", "napari_segany.io.exports.coco:CocoExport"
    ),
    "rois": ExportKind("_rois.zip", "ImageJ ROIs", "napari_segany.io.exports.rois:RoiExport"),
    "yolo": ExportKind(
        "_yolo.zip",
        "polygons as text",
        "napari_segany.io.exports.yolo:YoloExport",
        linked=True,
    ),
    "geojson": ExportKind(
        "_objects.geojson",
        "polygons with holes for QuPath",
        "napari_segany.io.exports.geojson:GeoJsonExport",
    ),
    "overlays": ExportKind(
        "_overlays.tif",
        "a TIFF stack of planes with outlines",
        "napari_segany.io.exports.image_files:OverlayExport",
        linked=True,
    ),
    "masks": ExportKind(
        "_masks.tif",
        "a TIFF stack of single masks",
        "napari_segany.io.exports.image_files:MaskExport",
    ),
}
"""Every kind of export by its name, in the order in which the faces list them."""
