"""Labels layer that shows the verdict on every object in colours."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segany.evaluation.comparison import ERROR_VALUES
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.transforms import place, placement_of

NAME, OLD_NAME = "errors", "errors (out of date)"
MARK = "napari_segany_errors"
"""Key in the metadata of an error layer."""

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "correct": "#999999",
        "inexact": "#009E73",
        "missed": "#D55E00",
        "split": "#F0E442",
        "merged": "#CC79A7",
        "false": "#56B4E9",
    }
)
"""Colour of each verdict, from Okabe and Ito's palette for any colour vision (2008)."""

FAINT = "40"
"""Opacity of correct objects, as two hexadecimal digits."""


def is_errors(layer: Any) -> bool:
    """Return True if a layer was made by this module."""
    return MARK in getattr(layer, "metadata", {})


class ErrorsLayer:
    """Error layer of a viewer, of which there is at most one.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer of the layer.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer

    @property
    def layer(self) -> Any:
        """The error layer, also that of an earlier dock, None if there is none."""
        return next((each for each in self.viewer.layers if is_errors(each)), None)

    def show(self, data: Any, truth: Any) -> Any:
        """Show an image of errors at the position of the truth, and return the layer.

        Parameters
        ----------
        data : array
            uint8, of the truth's shape, see :data:`~.comparison.ERROR_VALUES`.
        truth : napari.layers.Labels
            Layer whose transform, units and axis labels are used.
        """
        layer = self.layer
        if layer is not None and layer.ndim != data.ndim:
            self.viewer.layers.remove(layer)
            layer = None
        if layer is None:
            layer = Labels(data, name=NAME, colormap=_colormap(), **placement_of(truth))
            layer.metadata[MARK] = True
            # The status bar shows the verdict under the mouse.
            layer.features = {"index": list(ERROR_VALUES.values()), "verdict": list(ERROR_VALUES)}
            layer.editable = False
            # The active layer stays active, if there is one.
            is_first = self.viewer.layers.selection.active is None
            return add_layer(self.viewer, layer, activate=is_first)
        layer.data = data
        # New data makes a layer editable again.
        layer.editable = False
        place(layer, placement_of(truth))
        self._rename(layer, OLD_NAME, NAME)
        return layer

    def mark_outdated(self) -> None:
        """Mark the layer as out of date in its name."""
        if self.layer is not None:
            self._rename(self.layer, NAME, OLD_NAME)

    @staticmethod
    def _rename(layer: Any, before: str, after: str) -> None:
        # Names given by the user stay.
        if layer.name.startswith(before):
            layer.name = after


def _colormap() -> Any:
    colours: dict[int | None, str] = {None: "#00000000", 0: "#00000000"}
    for kind, value in ERROR_VALUES.items():
        colours[value] = COLOURS[kind] + (FAINT if kind == "correct" else "ff")
    return DirectLabelColormap(color_dict=colours)
