"""Labels layers as movies: frames, axes, pixel size, and the frame in view."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.label_images import as_ids
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize, from_names
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import full_data, lies_like, to_world, viewed_point

AXES = {3: "YX", 4: "ZYX"}
"""Axes of a frame, by the number of axes of a movie."""


class MovieSource:
    """Labels of a movie: (T, Y, X) or (T, Z, Y, X).

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.

    Raises
    ------
    InputError
        If it has no frames.

    Attributes
    ----------
    layer : napari.layers.Labels
        The layer.
    shape : tuple of int
        Shape of the movie.
    axes : {"YX", "ZYX"}
        Axes of a frame.
    """

    def __init__(self, layer: Any) -> None:
        if layer is None:
            raise InputError("Choose a labels layer with frames along its first axis.")
        self._data = full_data(layer)
        self.layer, self.shape = layer, tuple(int(n) for n in self._data.shape)
        if len(self.shape) not in AXES:
            raise InputError(
                f"{layer.name} has shape {self.shape}; tracks need frames of planes (T, Y, X) or "
                "of volumes (T, Z, Y, X)."
            )
        self.axes = AXES[len(self.shape)]

    def frame(self, number: int) -> NDArray[np.integer]:
        """Return the labels of a frame; lazy data is computed here."""
        return as_ids(np.asarray(self._data[number]), self.layer.name)

    @property
    def pixel_size(self) -> PixelSize:
        """Sizes along axes with a known unit."""
        letters = "T" + self.axes
        steps = np.linalg.norm(to_world(self.layer)[0], axis=0).tolist()
        units = map(str, self.layer.units)
        return from_names(
            dict(zip(letters, steps, strict=True)), dict(zip(letters, units, strict=True))
        )

    def check_image(self, view: LayerView) -> None:
        """Raise InputError unless an image has the shape and place of the labels."""
        if view.shape != self.shape or not lies_like(self.layer, view):
            raise InputError(
                f"{view.name} has shape {view.shape} or place other than {self.layer.name}, "
                f"{self.shape}; choose the image of these labels."
            )


def frame_in_view(viewer: Any, layer: Any) -> int:
    """Return the frame of a movie that the viewer shows, the nearest one there is."""
    matrix, offset = to_world(layer)
    at = np.linalg.inv(matrix) @ (viewed_point(viewer, layer) - offset)
    return int(np.clip(np.rint(at[0]), 0, layer.data.shape[0] - 1))


def frame_placement(layer: Any) -> dict[str, Any]:
    """Return arguments that place a layer of one frame at the position of a movie's frames."""
    matrix, offset = to_world(layer)
    affine = np.eye(layer.ndim)
    affine[:-1, :-1], affine[:-1, -1] = matrix[1:, 1:], offset[1:]
    return {"affine": affine, "units": layer.units[1:], "axis_labels": layer.axis_labels[1:]}
