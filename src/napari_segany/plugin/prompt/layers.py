"""Layers of the Prompt dock in a viewer: points and shapes for prompts, and the preview."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_segany.core.image_source import Plane
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.metadata import BOXES, POINTS, PREVIEW
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.layers.transforms import place
from napari_segany.plugin.prompt import layer_features
from napari_segany.plugin.prompt.mark_size import MarkSize
from napari_segany.plugin.prompt.preview import ERASED, PAINTED, Preview
from napari_segany.plugin.prompt.tools import SELECT, Tool, tool_of
from napari_segany.session.state import State

MOST_DRAWN = 200
"""Open objects up to which all prompts are drawn; napari is slow with thousands of shapes."""


DRAG = 5
"""Distance in pixels of the screen from which a click is a drag."""


class PromptLayers:
    """The prompt layers and the preview of one image.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer that shows the layers.
    view : LayerView
        Image; the layers have its transform.
    on_edit : callable
        Called with napari's event after points or shapes were changed by hand.
    on_stroke : callable
        Called with napari's event after something was painted in the preview.
    on_pick : callable
        Called with the coordinates of a click of the tool that chooses objects.

    Attributes
    ----------
    points, shapes : layer or None
        Prompt layers; None after the user removed one.
    preview : Preview or None
        Preview; None after the user removed it.
    sign : str
        Sign of the next point.
    drawn : set of int
        Open objects whose prompts are in the layers.
    marks : MarkSize
        Sizes of points and edges.
    """

    def __init__(
        self,
        viewer: Any,
        view: LayerView,
        on_edit: Callable[[Any], None],
        on_stroke: Callable[[Any], None],
        on_pick: Callable[[Any], object],
    ) -> None:
        self.viewer, self.view = viewer, view
        self.on_edit, self.on_stroke, self.on_pick = on_edit, on_stroke, on_pick
        self.points: Any = None
        self.shapes: Any = None
        self.preview: Preview | None = None
        self.sign = layer_features.POSITIVE
        self.drawn: set[int] = set()
        self.marks = MarkSize(viewer, view, lambda: (self.points, self.shapes))
        # Last mode of each layer in 2-D, where prompts can be drawn.
        self._modes: dict[Any, str] = {}

    @property
    def layers(self) -> list[Any]:
        """The present layers, the lowest first."""
        own = [self.preview.layer if self.preview else None, self.shapes, self.points]
        return [layer for layer in own if layer is not None]

    @property
    def complete(self) -> bool:
        """True if no layer is missing."""
        return None not in (self.points, self.shapes, self.preview)

    def add_missing(self, at_most: int = 3) -> list[Any]:
        """Add missing layers, the lowest first, and select the points; return the new ones."""
        present = self.layers
        missing = [
            add
            for there, add in (
                (self.preview, self._add_preview),
                (self.shapes, self._add_shapes),
                (self.points, self._add_points),
            )
            if there is None
        ]
        for add in missing[:at_most]:
            add()
        self.select(self.points)
        return [layer for layer in self.layers if layer not in present]

    def _add_preview(self) -> None:
        layer = Labels(zeros(self.view.shape, np.uint8), name=PREVIEW, **self.view.placement())
        # Its colours come first, because napari draws a layer again with others.
        preview = Preview(layer)
        add_layer(self.viewer, layer, activate=False)
        self.preview = preview
        layer.events.mode.connect(self._on_mode)
        layer.events.paint.connect(self.on_stroke)

    def _add_shapes(self) -> None:
        self.shapes = Shapes(
            ndim=self.view.ndim,
            name=BOXES,
            face_color="transparent",
            edge_color=layer_features.COLOURS[layer_features.POSITIVE],
            edge_width=self.marks.edge,
            features=layer_features.no_rows(),
            feature_defaults=self._defaults,
            **self.view.placement(),
        )
        add_layer(self.viewer, self.shapes, activate=False)
        self.shapes.events.data.connect(self._on_shapes)
        self.shapes.events.mode.connect(self._on_mode)

    def _add_points(self) -> None:
        self.points = Points(
            ndim=self.view.ndim,
            name=POINTS,
            features=layer_features.no_rows(),
            feature_defaults=self._defaults,
            face_color="sign",
            face_color_cycle=layer_features.COLOURS,
            border_color="white",
            size=self.marks.point,
            **self.view.placement(),
        )
        add_layer(self.viewer, self.points, activate=False)
        self.points.events.data.connect(self.on_edit)
        self.points.events.mode.connect(self._on_mode)
        self.points.mouse_drag_callbacks.append(self._on_press)
        self.points.mode = "add"
        self.points.current_symbol = layer_features.SYMBOLS[self.sign]

    def remove(self) -> None:
        """Remove all layers from the viewer."""
        # Points first: napari may draw in between, and OpenGL crashed with the points alone.
        for layer in reversed(self.layers):
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.points = self.shapes = self.preview = None
        self.marks.end()

    def forget(self, layer: Any) -> None:
        """Forget a layer that was removed from the viewer, if it is one of these."""
        if layer is self.points:
            self.points = None
        elif layer is self.shapes:
            self.shapes = None
        elif self.preview is not None and layer is self.preview.layer:
            self.preview = None

    def select_tool(self, tool: Tool) -> None:
        """Select the layer that a tool draws in, with its mode and sign."""
        self.set_sign(tool.sign)
        layer = dict(self._by_kind)[tool.kind]
        # napari passes no clicks to a hidden layer.
        layer.visible = True
        self.select(layer)
        if tool.kind == "preview":
            self.marks.suit_brush(layer)
            layer.selected_label = PAINTED if tool.sign == layer_features.POSITIVE else ERASED
        layer.mode = tool.mode

    def select(self, layer: Any) -> None:
        """Make a layer the active one."""
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.selection.active = layer

    def _on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Choose the object under a click, if that tool is selected; a drag moves the image."""
        if self.tool is not SELECT:
            return
        start = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.linalg.norm(np.asarray(event.pos) - start) < DRAG:
            self.on_pick(layer.world_to_data(event.position))

    def _on_mode(self, event: Any) -> None:
        if self.viewer.dims.ndisplay == 2:
            self._modes[event.source] = str(event.source.mode)

    def restore_modes(self) -> None:
        """Restore the layer modes that napari reset in 3-D."""
        if self.viewer.dims.ndisplay != 2:
            return
        for _, layer in self._by_kind:
            if layer is not None and layer.mode != self._modes.get(layer, layer.mode):
                layer.mode = self._modes[layer]

    @property
    def tool(self) -> Tool | None:
        """The tool that draws the next prompt; None if none of the layers is drawn in."""
        active = self.viewer.layers.selection.active
        for kind, layer in self._by_kind:
            if layer is not None and layer is active:
                return tool_of(layer, kind, self.sign)
        return None

    @property
    def _by_kind(self) -> tuple[tuple[str, Any], ...]:
        """The layers that tools draw in, by the kind of tool; None for a missing one."""
        preview = None if self.preview is None else self.preview.layer
        return ("points", self.points), ("shapes", self.shapes), ("preview", preview)

    @property
    def next_prompt(self) -> str:
        """Message about what the selected tool does next."""
        if self.tool is not None and (self.tool is SELECT or self.tool.kind == "preview"):
            return self.tool.help + "."
        if self.shapes is None or self.viewer.layers.selection.active is not self.shapes:
            return f"Next point: {self.sign}."
        mode = str(self.shapes.mode)
        if mode in layer_features.SCRIBBLES:
            return f"Next scribble: {self.sign}."
        return f"Next: {layer_features.OUTLINES.get(mode, 'a shape')} around the object."

    def set_sign(self, sign: str) -> None:
        """Set the sign of the next point."""
        self.sign = sign
        for layer in (self.points, self.shapes):
            # A selected point would change with the defaults.
            layer.selected_data = set()
            layer.feature_defaults = self._defaults
        self.points.current_symbol = layer_features.SYMBOLS[sign]

    def write(self, state: State) -> None:
        """Write the prompts of open objects to the layers; with very many only the active one's."""
        objects = state.open
        if len(objects) > MOST_DRAWN:
            objects = [each for each in objects if each.id == state.active]
        self.drawn = {each.id for each in objects}
        for layer in (self.points, self.shapes):
            if layer is not None:
                # Rows are in pixels of the image, so the layer must have its transform.
                place(layer, self.view.placement())
        if self.points is not None:
            spots, features = layer_features.rows_of_points(objects)
            self.points.selected_data = set()
            # napari takes 10 ms for new data, even for none in place of none.
            if spots is not None or len(self.points.data):
                self.points.data = np.zeros((0, self.view.ndim)) if spots is None else spots
            if spots is not None:
                self.points.features = features
                self.draw_signs()
        if self.shapes is not None:
            boxes, features = layer_features.rows_of_boxes(objects)
            self.drop_half_drawn()
            if boxes or len(self.shapes.data):
                # Setting data would leave a row of features behind.
                self.shapes.selected_data = set(range(len(self.shapes.data)))
                self.shapes.remove_selected()
            if boxes:
                self.shapes.add_rectangles(boxes)
                self.shapes.features = features
        for layer in (self.points, self.shapes):
            # napari has set the defaults to those of the last point.
            if layer is not None and layer.feature_defaults["object"].iloc[0] != layer_features.NEW:
                layer.feature_defaults = self._defaults
        if self.points is not None and len(self.points.data):
            self.points.current_symbol = layer_features.SYMBOLS[self.sign]

    def drop_half_drawn(self) -> None:
        """Remove a half-drawn shape in a way that also ends napari's drawing."""
        if getattr(self.shapes, "_is_creating", False):
            mode = self.shapes.mode
            self.shapes.mode = "pan_zoom"
            self.shapes.remove([len(self.shapes.data) - 1] if len(self.shapes.data) else [])
            self.shapes.mode = mode

    def draw_signs(self) -> None:
        """Set symbol and colour of every point from its sign."""
        self.points.symbol = [
            layer_features.SYMBOLS[str(sign)] for sign in self.points.features["sign"]
        ]
        self.points.refresh_colors(update_color_mapping=False)

    def mark_new(self, event: Any) -> None:
        """Mark the points or shapes that were added as new: they belong to no object yet.

        napari gives them the features of the selected ones.
        """
        features = event.source.features
        new = np.arange(len(features))[list(event.data_indices)]
        features.loc[features.index[new], "object"] = layer_features.NEW

    def _on_shapes(self, event: Any) -> None:
        """Pass on changes of shapes, except those of shapes that napari has discarded.

        napari also reports a shape with too few vertices as added. The shape is gone then, and only
        its row of features is left.
        """
        left = self.shapes.features.index[len(self.shapes.data) :]
        if len(left):
            # In place, because new features would set new defaults.
            self.shapes.features.drop(index=left, inplace=True)
        if not len(left) or event.action.value != "added":
            self.on_edit(event)

    @property
    def _defaults(self) -> dict[str, Any]:
        return {"object": layer_features.NEW, "sign": self.sign}


def prompt_key(state: State) -> list[tuple[int, Plane, int]]:
    """Return a key of the prompts that the layers show of a state, for comparison."""
    return [(each.id, each.plane, id(each.prompt)) for each in state.open]
