"""Saving of a dock's labels, with a table of measurements."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_segany.errors import InputError
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.label_files import save_measured

KINDS = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr)"

TIP = "Write the labels as an image, and a table with area, place, shape and intensity of each"
"""Tooltip of the button."""

ENDINGS = (".ome.tif", ".ome.zarr")


def save_labels(dock: Any, layer: Any, view: LayerView | None, path: str | Path | None) -> None:
    """Write a labels layer and its table beside other work, and say where.

    Parameters
    ----------
    dock : ImageDock
        The dock.
    layer : napari.layers.Labels or None
        The labels.
    view : LayerView or None
        Image whose intensities are measured, if it has the shape of the labels.
    path : str or Path or None
        Target; None asks in a file dialog, and does nothing if that is cancelled.

    Raises
    ------
    InputError
        If there are no labels.
    """
    if layer is None:
        raise InputError("There are no labels to save yet.")
    target = _choose(dock, layer, path)
    if target is None:
        return
    data, settings, _ = layer.as_layer_data_tuple()
    same = view is not None and tuple(view.shape) == tuple(data.shape)
    source = view.source() if view is not None and same else None
    channels = (view.channels if view is not None else None) or (0, 1, 2)

    def done(written: list[Path]) -> None:
        *first, last = (each.name for each in written)
        dock.say(f"Saved {', '.join(first)} and {last} in {target.parent}.")

    def failed(error: Exception) -> None:
        dock.say(describe_error(error), "error")

    dock.say("Saving ...")
    dock.jobs.run_beside(
        lambda _: save_measured(data, settings, target, source, channels), done, failed
    )


def _choose(dock: Any, layer: Any, path: str | Path | None) -> Path | None:
    """Return the target with an ending that says its format; None if nothing was chosen."""
    if path is None:
        name = str(layer.name).replace(" ", "_").replace("/", "_")
        name = name if name.endswith("_labels") else f"{name}_labels"
        path, _ = QFileDialog.getSaveFileName(dock, "Save labels", f"{name}{ENDINGS[0]}", KINDS)
    if not path:
        return None
    target = Path(path)
    if target.name.lower().endswith((*ENDINGS, ".tif", ".tiff", ".zarr")):
        return target
    return target.with_name(f"{target.name}{ENDINGS[0]}")
