"""The layer that shows what became of every object, in colours."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segany.evaluation.comparison import ERROR_VALUES
from napari_segany.plugin.layers.transforms import place, placement_of

NAME, OLD_NAME = "errors", "errors (out of date)"
MARK = "napari_segany_errors"
"""In the metadata of such a layer."""

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
"""Of Okabe and Ito's palette, which people with any colour vision can tell apart (2008)."""

FAINT = "40"
"""Opacity of what is correct, as two hexadecimal digits."""


def is_errors(layer: Any) -> bool:
    """Whether a layer is one that this module made."""
    return MARK in getattr(layer, "metadata", {})


class ErrorsLayer:
    """At most one layer of errors in a viewer, that of an earlier widget included.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where it is shown.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer

    @property
    def layer(self) -> Any:
        """The layer, None if there is none."""
        return next((each for each in self.viewer.layers if is_errors(each)), None)

    def show(self, data: Any, truth: Any) -> Any:
        """Show a map of errors where the truth lies; returns the layer.

        Parameters
        ----------
        data : array
            uint8, of the truth's shape, see :data:`~.comparison.ERROR_VALUES`.
        truth : napari.layers.Labels
            Whose transform, units and names of axes it gets.
        """
        layer = self.layer
        if layer is not None and layer.ndim != data.ndim:
            self.viewer.layers.remove(layer)
            layer = None
        if layer is None:
            layer = Labels(data, name=NAME, colormap=_colormap(), **placement_of(truth))
            layer.metadata[MARK] = True
            # The status bar then says the verdict under the mouse.
            layer.features = {"index": list(ERROR_VALUES.values()), "verdict": list(ERROR_VALUES)}
            layer.editable = False
            active = self.viewer.layers.selection.active
            self.viewer.add_layer(layer)
            if active is not None:
                self.viewer.layers.selection.active = active
            return layer
        layer.data = data
        # Other data can be edited until that is said again.
        layer.editable = False
        place(layer, placement_of(truth))
        self._name(layer, OLD_NAME, NAME)
        return layer

    def outdated(self) -> None:
        """Say in the layer's name that it shows something that is no longer so."""
        if self.layer is not None:
            self._name(self.layer, NAME, OLD_NAME)

    @staticmethod
    def _name(layer: Any, before: str, after: str) -> None:
        # Names that people gave stay.
        if layer.name.startswith(before):
            layer.name = after


def _colormap() -> Any:
    colours: dict[int | None, str] = {None: "#00000000", 0: "#00000000"}
    for kind, value in ERROR_VALUES.items():
        colours[value] = COLOURS[kind] + (FAINT if kind == "correct" else "ff")
    return DirectLabelColormap(color_dict=colours)
