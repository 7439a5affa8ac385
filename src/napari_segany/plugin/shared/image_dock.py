"""Base class of docks that work on one image."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Image

from napari_segany.core.intensity import Limits
from napari_segany.io.channel_names import channel_numbers
from napari_segany.models.searching import searching_model
from napari_segany.plugin.layers.channel_axis import (
    channels_in_file,
    find_axis,
    with_channels_first,
)
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.shown_display import shown_limits
from napari_segany.plugin.shared.channel_picker import ChannelPicker
from napari_segany.plugin.shared.contrast_picker import Contrast, ContrastPicker
from napari_segany.plugin.shared.controls import Part
from napari_segany.plugin.shared.dock import ModelDock
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.save_labels import save_labels


class ImageDock(ModelDock):
    """Base of docks that work on one image, or on some channels of it.

    A subclass implements :meth:`_open_view`, :meth:`_labels_layer` and :attr:`image_view`.

    Attributes
    ----------
    image_choice : LayerCombo
        Control that chooses the image layer.
    channels : ChannelPicker
        Control that chooses its channels.
    contrast : ContrastPicker
        Control that chooses the intensities that the model sees.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        # What is left of making the dock, see in_parts.
        self._making: Iterator[object] = iter(())
        self.image_choice = LayerCombo([Image], "choose an image", "The image to segment")
        self.image_choice.activated.connect(self.guarded(self._on_image_chosen))
        self.channels = ChannelPicker(self.guarded_with(self._on_channels_chosen))
        self.contrast = ContrastPicker(self.guarded_with(self._on_contrast_chosen))

    @classmethod
    def in_parts(cls, *args: Any) -> Iterator[Any]:
        """Yield the dock after each part of making it; a script makes it at once."""
        begin: Any = cls
        made = begin(*args, at_once=False)
        yield made
        for _ in made._making:
            yield made

    def end(self) -> None:
        """Cancel all work and release the viewer, also of a dock that is being made."""
        for _ in self._making:
            pass
        super().end()

    @property
    def setup_rows(self) -> list[tuple[str, Part]]:
        """Labelled controls that choose image, channels, contrast and model."""
        return [
            ("Image", self.image_choice),
            ("Channels", self.channels),
            ("Contrast", self.contrast),
            ("Model", self.picker),
        ]

    def lay_out(
        self, scrolling: Iterable[Part] = (), fixed: Iterable[Part] = (), tall: Part | None = None
    ) -> None:
        """Arrange the dock as its base does, below the notice about the contrast."""
        super().lay_out([self.contrast.notice, *scrolling], fixed, tall)

    @property
    def image_view(self) -> LayerView | None:
        """The image in work with its channels, None if there is none."""
        raise NotImplementedError

    def save_labels(
        self, path: str | Path | None = None, wait: bool = True, layer: Any = None
    ) -> None:
        """Write the labels of the image, and a table with a row of measurements for each object.

        The table is called as the labels are: ``cells_labels.ome.tif`` and ``cells_table.csv``. If
        an object lies in several planes, ``cells_planes.csv`` has a row for each of them.

        Parameters
        ----------
        path : str or Path, optional
            Target, ``.ome.tif`` or ``.ome.zarr``; without it a file dialog is shown.
        wait : bool
            Return when all are written.
        layer : napari.layers.Labels, optional
            Labels of the image; by default those that the dock makes of single planes.

        Raises
        ------
        InputError
            If there are no labels.
        """
        labels = self._labels_layer() if layer is None else layer
        save_labels(self, labels, self.image_view, path)
        if wait:
            self.jobs.wait()

    def _labels_layer(self) -> Any:
        """Return the labels layer that the dock makes of the image, None if there is none."""
        raise NotImplementedError

    def _open_view(self, view: LayerView) -> Any:
        """Start to work on an image; the result is that of :meth:`set_image`."""
        raise NotImplementedError

    @property
    def setup_summary(self) -> str:
        """Image and model in use, in one line; empty while one of them is missing."""
        view, model = self.image_view, self.model
        if view is None or model is None:
            return ""
        hidden = "" if view.layer.visible else " (hidden)"
        shown = "" if view.limits is None else " as shown"
        own, device = searching_model(model), model.device.type.upper()
        place = device if own is None else f"{own.place}, {device}"
        return f"{view.name}{hidden}{shown}, {model.id} on {place}"

    @property
    def image_layer(self) -> Any:
        """The image layer in work; setting it has the effect of :meth:`set_image`."""
        view = self.image_view
        return None if view is None else view.layer

    @image_layer.setter
    def image_layer(self, layer: Any) -> None:
        self.set_image(layer)

    def set_image(
        self,
        layer: Any,
        channels: Sequence[int | str] | None = None,
        others: Sequence[Any] = (),
        channel_axis: int | str = 0,
        contrast: Contrast | Limits | None = None,
    ) -> Any:
        """Choose an image, or channels of it.

        Parameters
        ----------
        layer : napari.layers.Image
            The image.
        channels : sequence of int or str, optional
            One channel of the layer, or two or three shown to the model as red, green and blue; by
            number, or by the name that the layer's file gives it.
        others : sequence of napari.layers.Image
            One or two more layers, shown to the model as green and blue.
        channel_axis : int or str
            The layer's channel axis, by number or label; channels that are given by name lie along
            that of the file. If it is not the first, a view of the layer that has it first is
            added and shown instead.
        contrast : "stretch", "shown", tuple or Display, optional
            Intensities that the model sees: percentiles of each plane; the contrast limits, gamma
            and colours of the layers; or limits and a display that were such. By default what the
            dock has chosen.
        """
        numbers = None
        if channels is not None:
            axis = find_axis(layer, channel_axis)
            if any(isinstance(each, str) for each in channels):
                named, names = channels_in_file(layer)
                axis = axis if named is None else named
                numbers = channel_numbers(channels, names, str(layer.name))
            else:
                numbers = tuple(int(each) for each in channels)
            layer = with_channels_first(self.viewer, layer, axis)
        view = LayerView(layer, numbers, others)
        self._forget_notices()
        opened = self._open_view(view.with_limits(self._limits_for(view, contrast)))
        self.reset_choices()
        if self.model is None and not self.picker.loading:
            self.load_model()
        return opened

    def _limits_for(self, view: LayerView, contrast: Contrast | Limits | None) -> Limits | None:
        """Return the limits of a view with a contrast, None for percentiles of each plane."""
        contrast = self.contrast.contrast if contrast is None else contrast
        if contrast == "shown":
            return shown_limits(view.layers, view.channels)
        return None if isinstance(contrast, str) else contrast

    def _begin(self) -> None:
        super()._begin()
        # In a turn of its own, because it takes as long as the layout of the window.
        self.jobs.call_later("only image", self._choose_only_image)

    def _choose_only_image(self) -> None:
        choice = self.image_choice
        # The first entry is no image.
        if not self._ended and self.image_layer is None and choice.count() == 2:
            self.guarded(lambda: self.choose_image(choice.itemData(1)))()

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        layers = list(self.viewer.layers)
        self.image_choice.fill(layers)
        self.image_choice.choose(self.image_layer)
        self.channels.fill(layers, self.image_view)
        self.contrast.follow(self.image_view)

    def _on_image_chosen(self) -> None:
        layer = self.image_choice.layer
        if layer is not None and layer is not self.image_layer:
            self.choose_image(layer)

    def choose_image(self, layer: Any, **how: Any) -> None:
        """Open an image that a person chose; scripts use :meth:`set_image`, with the same names."""
        self.set_image(layer, **how)

    def _on_channels_chosen(
        self, channels: tuple[int, ...] | None, others: tuple[Any, ...], axis: int
    ) -> None:
        if self.image_layer is not None:
            self.set_image(self.image_layer, channels, others, axis)

    def _on_contrast_chosen(self, contrast: Contrast) -> None:
        view = self.image_view
        if view is not None:
            self.set_image(view.layer, view.channels, view.others, contrast=contrast)

    def _release(self) -> None:
        self.contrast.end()
