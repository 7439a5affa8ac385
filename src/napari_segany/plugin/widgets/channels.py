"""Which channels of an image are seen: as shown, some along its first axis, or other layers."""

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Image
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_segany.plugin.layers import full_data
from napari_segany.plugin.widgets.layer_choice import LayerChoice

AS_SHOWN, ONE, THREE, LAYERS = range(4)


class Channels(QWidget):
    """The choice, with what it needs unfolded below it.

    Parameters
    ----------
    choose : callable
        Called with channels (or None) and other layers.
    """

    def __init__(self, choose: Callable[[tuple[int, ...] | None, tuple[Any, ...]], Any]) -> None:
        super().__init__()
        self._choose = choose
        self._image: Any = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.kind = QComboBox()
        self.kind.addItems(
            ["as shown", "one along the first axis", "three along the first axis", "more layers"]
        )
        self.kind.setToolTip("What the model sees; three channels are seen as red, green and blue")
        self.kind.currentIndexChanged.connect(self._unfold)
        column.addWidget(self.kind)
        self._row = QWidget()
        row = QHBoxLayout(self._row)
        row.setContentsMargins(0, 0, 0, 0)
        self.numbers = [QSpinBox() for _ in range(3)]
        for number, spin in enumerate(self.numbers):
            spin.setToolTip(f"Channel seen as {('red', 'green', 'blue')[number]}, from 0")
            row.addWidget(spin)
        self.others = [
            LayerChoice([Image], "none", f"Layer seen as {colour}") for colour in ("green", "blue")
        ]
        for choice in self.others:
            row.addWidget(choice)
        self.apply = QPushButton("Use")
        self.apply.setToolTip("Begin a session on these channels")
        self.apply.clicked.connect(self._use)
        row.addWidget(self.apply)
        column.addWidget(self._row)
        self._unfold()

    def fill(self, layers: Sequence[Any], image: Any) -> None:
        """Offer these layers, and the channels of this image."""
        for choice in self.others:
            choice.fill([layer for layer in layers if layer is not image])
        count = 0 if image is None else full_data(image).shape[0]
        for number, spin in enumerate(self.numbers):
            spin.setMaximum(max(0, count - 1))
            if image is not self._image:
                spin.setValue(number)
        self._image = image

    def _unfold(self, *_: Any) -> None:
        kind = self.kind.currentIndex()
        self._row.setVisible(kind != AS_SHOWN)
        for number, spin in enumerate(self.numbers):
            spin.setVisible(kind == THREE or (kind == ONE and number == 0))
        for choice in self.others:
            choice.setVisible(kind == LAYERS)
        if kind == AS_SHOWN:
            self._choose(None, ())

    def _use(self) -> None:
        kind = self.kind.currentIndex()
        if kind == LAYERS:
            chosen = [choice.layer for choice in self.others]
            self._choose(None, tuple(layer for layer in chosen if layer is not None))
        else:
            self._choose(tuple(s.value() for s in self.numbers[: 1 if kind == ONE else 3]), ())
