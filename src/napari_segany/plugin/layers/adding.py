"""Addition of layers to a viewer, without work of napari that is not needed at once.

A labels layer takes napari a tenth of a second in the GUI thread. Nearly half of that are the
visuals of the tools that draw into labels, which few layers of this package need, and which napari
makes whenever they become visible. Where another layer stays the active one, napari also shows the
controls of the new one for a moment.

A labels layer that is visible when it is made walks over the whole plane, and again when it is
added. Of planes of thousands of pixels this takes long: such a layer is made invisible, and shown
when it is added.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DRAWING_TOOLS = ("polygon", "brush_stroke")
"""Names of the overlays by which a person draws into labels."""


def add_layer(
    viewer: Any, layer: Any, at: int | None = None, *, activate: bool = True, show: bool = False
) -> Any:
    """Add a layer to a viewer, and return it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    layer : napari.layers.Layer
        The layer.
    at : int, optional
        Its place from below; by default it is above all others.
    activate : bool
        Select the layer and no other, as napari does. Otherwise the selection stays.
    show : bool
        Make a layer visible that was made invisible.
    """
    _postpone_drawing_tools(layer)
    layers = viewer.layers
    index = len(layers) if at is None else at
    if activate:
        layers.insert(index, layer)
    else:
        with _same_selection(layers):
            layers.insert(index, layer)
    if show:
        show_layer(layer)
    return layer


def show_layer(layer: Any) -> None:
    """Make a layer visible that was added invisible; napari draws it when that is set anew."""
    if not layer.visible:
        layer.visible = True


def _postpone_drawing_tools(layer: Any) -> None:
    """Let napari make the visuals of tools when their mode is chosen first."""
    # napari has no public name for them. Where they are made at once, nothing changes.
    overlays = getattr(layer, "_overlays", {})
    tools = [overlays[name] for name in DRAWING_TOOLS if name in overlays]
    waiting = [tool for tool in tools if not tool.enabled]
    if not waiting:
        return
    for tool in waiting:
        tool.visible = False

    def show_enabled() -> None:
        for tool in waiting:
            if tool.enabled and not tool.visible:
                tool.visible = True
        if all(tool.visible for tool in waiting):
            layer.events.mode.disconnect(show_enabled)

    layer.events.mode.connect(show_enabled)


@contextmanager
def _same_selection(layers: Any) -> Iterator[None]:
    """Return a context in which a layer that is added does not become the active one."""
    active = layers.selection.active
    # Without it, napari would select the new layer first.
    selects = getattr(layers, "_activate_on_insert", None)
    if selects is not None:
        layers._activate_on_insert = False
    try:
        yield
    finally:
        if selects is not None:
            layers._activate_on_insert = selects
        if layers.selection.active is not active:
            layers.selection.active = active
