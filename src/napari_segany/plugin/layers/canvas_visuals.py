"""Drawn parts of removed layers, which stay in memory so that napari's canvas does not crash."""

import weakref
from collections.abc import Iterable
from typing import Any

_kept: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def keep_visuals(viewer: Any, layers: Iterable[Any]) -> None:
    """Keep what draws some layers in memory as long as the canvas, after the layers are removed.

    With Mesa's software OpenGL the canvas of napari crashes when it is drawn after the programs of
    a Shapes layer were deleted; see docs/upstream-reports.md. It takes a few kilobytes a layer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer; without a window there is nothing to keep.
    layers : iterable of layer
        The layers, which are still in the viewer.
    """
    window = getattr(viewer, "window", None)
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    visuals = getattr(canvas, "layer_to_visual", None)
    if visuals is not None:
        found = [getattr(visuals.get(layer), "node", None) for layer in layers]
        _kept.setdefault(canvas, []).extend(node for node in found if node is not None)
