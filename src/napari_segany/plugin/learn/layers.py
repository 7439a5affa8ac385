"""Layers of the Learn dock, which show one image of a project after the other."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Shapes
from numpy.typing import NDArray

from napari_segany.plugin.layers.adding import add_layer

IMAGE, COLOURS, LABELS, REGION = (
    "learn image",
    "learn colours",
    "learn labels",
    "learn region",
)
"""Names of the layers for gray images, for coloured ones, for labels, and for a drawn region."""

OPACITY = 0.5
"""Opacity of the labels."""


def shown_pixels(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image as a layer shows it: (H, W) if it is gray, so that contrast can be set."""
    first = rgb[..., 0]
    is_gray = all(np.array_equal(first, rgb[..., n]) for n in (1, 2))
    return np.ascontiguousarray(first) if is_gray else rgb


class LearnLayers:
    """Image and labels of the image in work.

    The layers stay in the viewer for all images, and get other data. Layers that come and go at
    every image would lose the settings that a person made in them.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.

    Attributes
    ----------
    labels : napari.layers.Labels or None
        Labels; None before the first image and after they were removed.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self._images: dict[bool, Any] = {}
        self._is_colour = False
        self._labels: Any = None
        self._region: Any = None

    @property
    def image(self) -> Any:
        """The image layer in use; None before the first image and after it was removed."""
        return self._present(self._images.get(self._is_colour))

    @property
    def labels(self) -> Any:
        """The labels layer; None before the first image and after it was removed."""
        return self._present(self._labels)

    @property
    def own(self) -> tuple[Any, ...]:
        """All layers that show images and labels."""
        return tuple(e for e in (*self._images.values(), self._labels) if self._present(e))

    def _present(self, layer: Any) -> Any:
        return layer if layer is not None and layer in self.viewer.layers else None

    def show(self, pixels: NDArray[np.uint8], labels: NDArray[np.int32]) -> Iterator[None]:
        """Show another image with its labels, in two turns of the event loop.

        Parameters
        ----------
        pixels : ndarray
            (H, W) or (H, W, 3) uint8, see :func:`shown_pixels`.
        labels : ndarray
            (H, W) int32, which a person edits from now on.

        Yields
        ------
        None
            When the image is shown, and the labels are not yet.
        """
        is_new = self.image is None or self.image.data.shape[:2] != pixels.shape[:2]
        self._is_colour = pixels.ndim == 3
        other = self._present(self._images.get(not self._is_colour))
        if other is not None:
            other.visible = False
        image = self.image
        if image is None:
            name = COLOURS if self._is_colour else IMAGE
            limits = {} if self._is_colour else {"contrast_limits": (0, 255)}
            image = Image(pixels, name=name, rgb=self._is_colour, **limits)
            self._images[self._is_colour] = image
            below = self.labels
            at = None if below is None else self.viewer.layers.index(below)
            add_layer(self.viewer, image, at)
        else:
            image.data = pixels
            image.visible = True
        yield
        self.show_labels(labels)
        if is_new:
            self.viewer.reset_view()

    def show_labels(self, labels: NDArray[np.int32]) -> None:
        """Show other labels of the image; edits before cannot be undone any more."""
        layer = self.labels
        if layer is None:
            self._labels = layer = Labels(labels, name=LABELS, opacity=OPACITY)
            add_layer(self.viewer, layer)
        else:
            mode = str(layer.mode)
            # napari forgets its steps to undo, which belong to other labels.
            layer.editable = False
            layer.data = labels
            layer.editable = True
            layer.mode = mode
        layer.visible = True
        layer.selected_label = int(labels.max(initial=0)) + 1
        self.viewer.layers.selection.active = layer

    def draw_region(self) -> Any:
        """Return the layer in which a region is drawn, with the tool for rectangles."""
        layer = self._present(self._region)
        if layer is None:
            self._region = layer = Shapes(
                ndim=2, name=REGION, face_color="transparent", edge_color="#E69F00", edge_width=2
            )
            add_layer(self.viewer, layer)
        layer.visible = True
        self.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        return layer

    def clear_region(self) -> None:
        """Take what was drawn out of the region's layer, because another image comes."""
        layer = self._present(self._region)
        if layer is not None:
            layer.data = []
            layer.visible = False

    def hide(self) -> None:
        """Hide all layers, because no image is in work."""
        for layer in (*self.own, self._present(self._region)):
            if layer is not None:
                layer.visible = False
