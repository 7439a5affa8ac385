"""Views of image layers as the model sees them: all of a layer, a channel, or up to three."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from napari_segany.core.image_source import ArraySource, CompositeSource, ImageSource
from napari_segany.core.intensity import Limits
from napari_segany.errors import InputError
from napari_segany.plugin.layers.channel_axis import axis_in_file
from napari_segany.plugin.layers.transforms import coarser_data, full_data, placement_of, to_world

COLOURS = 3
"""Number of channels of a colour image."""


class LayerView:
    """View of an image layer without its channel axis, as it is segmented.

    A view has the attributes ``ndim``, ``units``, ``name`` and ``data_to_world`` of a layer, and
    can be passed to functions that need only those.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    channels : sequence of int, optional
        One to three positions along the layer's first axis, which is then no axis of the view;
        see :func:`with_channels_first` for other axes.
    others : sequence of napari.layers.Image
        One or two more layers, shown to the model as green and blue.
    limits : tuple or Display, optional
        Intensities that become black and white, gamma and colours; see
        :func:`napari_segany.plugin.layers.shown_display.shown_limits`. By default each plane is
        stretched between its percentiles.

    Raises
    ------
    InputError
        If the channels or layers cannot be combined.
    """

    def __init__(
        self,
        layer: Any,
        channels: Sequence[int] | None = None,
        others: Sequence[Any] = (),
        limits: Limits | None = None,
    ) -> None:
        self.layer, self.others, self.limits = layer, tuple(others), limits
        self.channels = None if channels is None else tuple(channels)
        if self.channels is not None and (layer.rgb or layer.ndim < 3):
            raise InputError(f"{layer.name} has no axis of channels beside its planes.")
        if self.others and (self.channels is not None or len(self.others) >= COLOURS):
            raise InputError("Choose up to three layers, or up to three channels of one.")
        shapes = {tuple(full_data(each).shape) for each in self.layers}
        if len(shapes) > 1 or (self.others and any(each.rgb for each in self.layers)):
            raise InputError("Layers shown as colours must be grey and of one shape.")
        self.left_out = 0 if self.channels is None else 1

    @property
    def layers(self) -> tuple[Any, ...]:
        """All layers of the view."""
        return (self.layer, *self.others)

    def same_as(self, other: "LayerView | None") -> bool:
        """Return True if another view has the same channels and limits of the same layers."""
        if other is None or (self.channels, self.limits) != (other.channels, other.limits):
            return False
        return [id(each) for each in self.layers] == [id(each) for each in other.layers]

    def with_limits(self, limits: Limits | None) -> "LayerView":
        """Return a view of the same channels of the same layers with other limits."""
        return LayerView(self.layer, self.channels, self.others, limits)

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.layer.name)

    @property
    def likeness(self) -> str:
        """Hash of names, files, shapes and types, which identifies the image without its pixels."""
        described = [
            (each.name, str(each.source.path), full_data(each).shape, str(full_data(each).dtype))
            for each in self.layers
        ]
        return xxhash.xxh3_128(repr((described, self.channels)).encode()).hexdigest()

    @property
    def ndim(self) -> int:
        """Number of axes of the view and its labels."""
        return int(self.layer.ndim) - self.left_out

    @property
    def units(self) -> Any:
        """Units of the axes."""
        return self.layer.units[self.left_out :]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the view and its labels."""
        return tuple(full_data(self.layer).shape)[self.left_out : self.left_out + self.ndim]

    def data_to_world(self, position: Any) -> NDArray[np.float64]:
        """Return the world coordinates of a position in data coordinates."""
        first = np.zeros(self.left_out)
        found = self.layer.data_to_world([*first, *np.asarray(position)])
        return np.asarray(found, np.float64)[self.left_out :]

    def placement(self) -> dict[str, Any]:
        """Return arguments that place a new layer of as many axes at the position of the view."""
        if not self.left_out:
            return placement_of(self.layer)
        matrix, offset = to_world(self)
        affine = np.eye(self.ndim + 1)
        affine[:-1, :-1], affine[:-1, -1] = matrix, offset
        return {
            "affine": affine,
            "units": self.units,
            "axis_labels": self.layer.axis_labels[self.left_out :],
        }

    def source(self) -> ImageSource:
        """Return the planes of the view, which are read lazily."""
        data = full_data(self.layer)
        if self.channels is not None:
            # The axis order of the file, so that the session can be replayed on the file.
            axis = axis_in_file(self.layer)
            data = np.moveaxis(data, 0, axis) if axis else data
            coarser = [np.moveaxis(d, 0, axis) if axis else d for d in coarser_data(self.layer)]
            return ArraySource(
                data,
                channel_axis=axis,
                channels=self.channels,
                limits=self.limits,
                name=self.name,
                coarser=coarser,
            )
        if self.others:
            grey = [
                ArraySource(full_data(each), name=each.name, coarser=coarser_data(each))
                for each in self.layers
            ]
            return CompositeSource(grey, self.limits)
        data, rgb, coarser = full_data(self.layer), bool(self.layer.rgb), coarser_data(self.layer)
        return ArraySource(data, rgb=rgb, limits=self.limits, name=self.name, coarser=coarser)
