"""Our layers in a viewer: points and shapes to prompt with, and the preview."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_segany.plugin import prompts
from napari_segany.plugin.layers import placement_of
from napari_segany.plugin.preview import Preview, preview_data
from napari_segany.session.objects import SegmentedObject

POINTS, BOXES, PREVIEW = "segany points", "segany shapes", "segany preview"
NAMES = (POINTS, BOXES, PREVIEW)


class ToolLayers:
    """The prompt layers and the preview of one image.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where they are shown.
    image : napari.layers.Image
        They lie where this lies.
    shape : tuple of int
        Of the image, without colours.
    on_edit : callable
        Called with napari's event when points or shapes were changed by hand.

    Attributes
    ----------
    points, shapes : layer or None
        None after somebody removed it.
    preview : Preview or None
        The same.
    sign : str
        Of the next point.
    """

    def __init__(
        self, viewer: Any, image: Any, shape: tuple[int, ...], on_edit: Callable[[Any], None]
    ) -> None:
        self.viewer, self.image, self.shape, self.on_edit = viewer, image, shape, on_edit
        self.points: Any = None
        self.shapes: Any = None
        self.preview: Preview | None = None
        self.sign = prompts.POSITIVE

    @property
    def layers(self) -> list[Any]:
        """Those that are there, the lowest first."""
        own = [self.preview.layer if self.preview else None, self.shapes, self.points]
        return [layer for layer in own if layer is not None]

    @property
    def complete(self) -> bool:
        """Whether all are there."""
        return None not in (self.points, self.shapes, self.preview)

    def add_missing(self) -> None:
        """Add those that are not there, and select the points."""
        placed, ndim = placement_of(self.image), len(self.shape)
        features = {"object": np.zeros(0, int), "sign": np.zeros(0, object)}
        if self.preview is None:
            layer = Labels(preview_data(self.shape), name=PREVIEW, opacity=0.5, **placed)
            layer.editable = False
            self.viewer.add_layer(layer)
            self.preview = Preview(layer)
        if self.shapes is None:
            self.shapes = Shapes(
                ndim=ndim,
                name=BOXES,
                face_color="transparent",
                edge_color=prompts.COLOURS[prompts.POSITIVE],
                edge_width=2,
                features=features,
                feature_defaults=self._defaults,
                **placed,
            )
            self.viewer.add_layer(self.shapes)
            self.shapes.events.data.connect(self.on_edit)
        if self.points is None:
            self.points = Points(
                ndim=ndim,
                name=POINTS,
                features=features,
                feature_defaults=self._defaults,
                face_color="sign",
                face_color_cycle=prompts.COLOURS,
                border_color="white",
                size=10,
                **placed,
            )
            self.viewer.add_layer(self.points)
            self.points.events.data.connect(self.on_edit)
            self.points.mode = "add"
        self.select(self.points)

    def remove(self) -> None:
        """Take all of them out of the viewer."""
        for layer in self.layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.points = self.shapes = self.preview = None

    def forget(self, layer: Any) -> None:
        """Somebody removed a layer; it may be one of ours."""
        if layer is self.points:
            self.points = None
        elif layer is self.shapes:
            self.shapes = None
        elif self.preview is not None and layer is self.preview.layer:
            self.preview = None

    def select(self, layer: Any) -> None:
        """Make a layer the active one."""
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.selection.active = layer

    def set_sign(self, sign: str) -> None:
        """The next point's sign."""
        self.sign = sign
        for layer in (self.points, self.shapes):
            # What is selected would change with the defaults.
            layer.selected_data = set()
            layer.feature_defaults = self._defaults
        self.points.current_symbol = prompts.SYMBOLS[sign]

    def write(self, objects: Mapping[int, SegmentedObject]) -> None:
        """Make points and shapes what the open objects say."""
        if self.points is not None:
            spots, features = prompts.rows_of_points(objects)
            self.points.selected_data = set()
            self.points.data = np.zeros((0, len(self.shape))) if spots is None else spots
            if spots is not None:
                self.points.features = features
                self.draw_signs()
        if self.shapes is not None:
            boxes, features = prompts.rows_of_boxes(objects)
            if boxes or len(self.shapes.data):
                self.shapes.selected_data = set()
                self.shapes.data = []
            if boxes:
                self.shapes.add_rectangles(boxes)
                self.shapes.features = features
        for layer in (self.points, self.shapes):
            # The defaults became those of the last point.
            if layer is not None and layer.feature_defaults["object"].iloc[0] != prompts.NEW:
                layer.feature_defaults = self._defaults
        if self.points is not None and len(self.points.data):
            self.points.current_symbol = prompts.SYMBOLS[self.sign]

    def draw_signs(self) -> None:
        """Give every point the symbol and colour of its sign."""
        self.points.symbol = [prompts.SYMBOLS[str(sign)] for sign in self.points.features["sign"]]
        self.points.refresh_colors(update_color_mapping=False)

    def mark_new(self, event: Any) -> None:
        """Points and shapes that an event says were added belong to no object yet.

        Napari gives them the features of whatever is selected.
        """
        features = event.source.features
        new = np.arange(len(features))[list(event.data_indices)]
        features.loc[features.index[new], "object"] = prompts.NEW

    @property
    def _defaults(self) -> dict[str, Any]:
        return {"object": prompts.NEW, "sign": self.sign}
