"""Export of results to the formats of other programs.

This module is light: the command line reads the names and texts of :data:`EXPORTS`, and the module
of a kind is imported when an export begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.io.exports.plane import Export, ExportedImage

__all__ = ["EXPORTS", "ExportKind", "check_tiled"]


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
    tiled : bool
        True if it is written object by object, also of planes that do not fit memory.
    """

    ending: str
    about: str
    export: str
    linked: bool = False
    tiled: bool = False

    def begin(self, image: "ExportedImage") -> "Export":
        """Return the export of an image, to which planes can be added."""
        export: Export = resolve_name(self.export)(image)
        return export


EXPORTS: dict[str, ExportKind] = {
    "coco": ExportKind(
        "_coco.json",
        "COCO instances as JSON",
        "napari_segany.io.exports.coco:CocoExport",
        tiled=True,
    ),
    "rois": ExportKind(
        "_rois.zip", "ImageJ ROIs", "napari_segany.io.exports.rois:RoiExport", tiled=True
    ),
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
        tiled=True,
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


def check_tiled(exports: Iterable[str]) -> None:
    """Raise InputError if an export needs planes that fit memory.

    Parameters
    ----------
    exports : iterable of str
        Names of :data:`EXPORTS`.
    """
    for name in exports:
        if not EXPORTS[name].tiled:
            able = ", ".join(kind for kind, known in EXPORTS.items() if known.tiled)
            raise InputError(
                f"The export {name} needs planes that fit memory; of planes that are searched in "
                f"tiles there are {able}."
            )
