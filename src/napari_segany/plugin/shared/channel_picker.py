"""Control that chooses the channels shown to the model."""

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Image
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_segany.plugin.layers.channel_axis import channels_in_file, likely_axis
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import full_data
from napari_segany.plugin.shared.layer_combo import LayerCombo

AS_SHOWN, ONE, THREE, LAYERS = range(4)
NONE = -1
"""Value of the third channel if there is none."""


class ChannelSpin(QSpinBox):
    """Spin box of a channel's number, with the name of the channel where it is known.

    Attributes
    ----------
    names : tuple of str
        Names of all channels; empty if they are not known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()

    def show_names(self, names: tuple[str, ...]) -> None:
        """Show names of channels beside their numbers."""
        self.names = names
        # Nothing else makes it write its text anew.
        self.setSuffix(self.suffix())

    def textFromValue(self, value: int) -> str:
        """Return the number, and the name of the channel."""
        return f"{value} {self.names[value]}" if 0 <= value < len(self.names) else str(value)

    def valueFromText(self, text: str | None) -> int:
        """Return the number at the start of a text, or that of a name."""
        first = (text or "").split(" ")[0]
        found = [n for n, name in enumerate(self.names) if name.lower() == (text or "").lower()]
        return int(first) if first.isdecimal() else (found or [self.value()])[0]

    def validate(self, text: str | None, position: int) -> Any:
        """Accept every text; what is no channel leaves the number as it is."""
        return QValidator.State.Acceptable, text, position


class ChannelPicker(QWidget):
    """Choice of channels, with the controls that the choice needs below it.

    Parameters
    ----------
    choose : callable
        Called with channels (or None), other layers, and the channel axis.
    """

    def __init__(
        self, choose: Callable[[tuple[int, ...] | None, tuple[Any, ...], int], Any]
    ) -> None:
        super().__init__()
        self._choose = choose
        self._image: Any = None
        self._view: LayerView | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.kind = QComboBox()
        self.kind.addItems(
            ["the whole layer", "one along an axis", "two or three along an axis", "more layers"]
        )
        self.kind.setToolTip("Channels shown to the model, as red, green and blue")
        self.kind.currentIndexChanged.connect(self._on_kind)
        column.addWidget(self.kind)
        self._row = QWidget()
        row = QHBoxLayout(self._row)
        row.setContentsMargins(0, 0, 0, 0)
        self.axis = QComboBox()
        self.axis.setToolTip("Axis of the channels, and how many there are")
        self.axis.currentIndexChanged.connect(self._limit_numbers)
        row.addWidget(self.axis)
        self.numbers = [ChannelSpin() for _ in range(3)]
        self._named: Any = None
        for number, spin in enumerate(self.numbers):
            spin.setToolTip(f"Channel shown as {('red', 'green', 'blue')[number]}, from 0")
            row.addWidget(spin)
        self.numbers[2].setMinimum(NONE)
        self.numbers[2].setSpecialValueText("none")
        self.others = [
            LayerCombo([Image], "none", f"Layer shown as {colour}") for colour in ("green", "blue")
        ]
        for choice in self.others:
            row.addWidget(choice)
        self.apply = QPushButton("Use")
        self.apply.setToolTip("Begin a session on these channels")
        self.apply.clicked.connect(self._use)
        row.addWidget(self.apply)
        column.addWidget(self._row)
        self._unfold()

    def fill(self, layers: Sequence[Any], view: LayerView | None) -> None:
        """Offer layers and the channels of an image, and show its present channels.

        A choice in progress is kept until another image, or other channels of it, are in work.

        Parameters
        ----------
        layers : sequence of layer
            Layers of the viewer.
        view : LayerView or None
            Image in work.
        """
        image: Any = None if view is None else view.layer
        for choice in self.others:
            choice.fill([layer for layer in layers if layer is not image])
        if image is not self._image:
            self._image = image
            self.axis.clear()
            shape = () if image is None else full_data(image).shape[: image.ndim]
            for axis, size in enumerate(shape):
                self.axis.addItem(f"{image.axis_labels[axis]}: {size}", axis)
            if image is not None:
                self.axis.setCurrentIndex(likely_axis(image))
            self._reset_numbers()
        if view is not self._view:
            self._view = view
            self._show_view(view)

    def _show_view(self, view: LayerView | None) -> None:
        """Show the channels of a view, which a script may have chosen."""
        channels = None if view is None else view.channels
        others = () if view is None else view.others
        kind = AS_SHOWN
        if channels is not None:
            kind = ONE if len(channels) == 1 else THREE
            self.axis.setCurrentIndex(0)
            for number, spin in enumerate(self.numbers):
                if number < len(channels):
                    spin.setValue(channels[number])
                elif kind == THREE:
                    spin.setValue(NONE)
        elif others:
            kind = LAYERS
            for number, choice in enumerate(self.others):
                choice.choose(others[number] if number < len(others) else None)
        self.kind.blockSignals(True)
        self.kind.setCurrentIndex(kind)
        self.kind.blockSignals(False)
        self._unfold()

    def _limit_numbers(self, *_: Any) -> None:
        """Limit the channel numbers to the length of the axis."""
        axis = self.axis.currentData()
        count = 0 if axis is None else full_data(self._image).shape[axis]
        for spin in self.numbers:
            spin.setMaximum(max(0, count - 1))

    def _reset_numbers(self) -> None:
        """Choose the first channels of the axis, up to three."""
        self._limit_numbers()
        for number, spin in enumerate(self.numbers):
            spin.setValue(number)
        if self.numbers[2].maximum() == 1:
            self.numbers[2].setValue(NONE)

    def _on_kind(self, kind: int) -> None:
        self._unfold()
        if kind == AS_SHOWN:
            self._choose(None, (), 0)

    def _name_channels(self) -> None:
        """Show axis and names of the channels that the layer's file states; once an image."""
        if self._named is self._image:
            return
        self._named = self._image
        axis, names = (None, ()) if self._image is None else channels_in_file(self._image)
        if axis is not None and axis != self.axis.currentData():
            self.axis.setCurrentIndex(axis)
            self._reset_numbers()
        for spin in self.numbers:
            spin.show_names(names)

    def _unfold(self) -> None:
        kind = self.kind.currentIndex()
        if kind in (ONE, THREE):
            self._name_channels()
        self._row.setVisible(kind != AS_SHOWN)
        self.axis.setVisible(kind in (ONE, THREE))
        for number, spin in enumerate(self.numbers):
            spin.setVisible(kind == THREE or (kind == ONE and number == 0))
        for choice in self.others:
            choice.setVisible(kind == LAYERS)

    def _use(self) -> None:
        kind = self.kind.currentIndex()
        if kind == LAYERS:
            chosen = [choice.layer for choice in self.others]
            self._choose(None, tuple(layer for layer in chosen if layer is not None), 0)
        else:
            chosen = [spin.value() for spin in self.numbers[: 1 if kind == ONE else 3]]
            axis = self.axis.currentData() or 0
            self._choose(tuple(n for n in chosen if n != NONE), (), axis)
