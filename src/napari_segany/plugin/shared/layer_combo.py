"""A combo box of layers that keeps its choice when layers come and go."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import QComboBox

from napari_segany.plugin.layers.metadata import OWN_NAMES


class LayerCombo(QComboBox):
    """Layers of some types, and one entry for none.

    Parameters
    ----------
    kinds : sequence of type
        Types of layers, exactly.
    none : str
        What the entry for none says.
    tip : str
        Tooltip.
    """

    def __init__(self, kinds: Sequence[type], none: str, tip: str) -> None:
        super().__init__()
        self.kinds, self.none = tuple(kinds), none
        self.setToolTip(tip)
        self.fill([])

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self.currentData()

    def fill(self, layers: Sequence[Any]) -> None:
        """Offer these layers, except our own."""
        chosen = self.layer
        self.blockSignals(True)
        self.clear()
        self.addItem(self.none, None)
        for layer in layers:
            if type(layer) in self.kinds and layer.name not in OWN_NAMES:
                self.addItem(layer.name, layer)
        self.choose(chosen)
        self.blockSignals(False)

    def choose(self, layer: Any) -> None:
        """Choose a layer that is offered, else none."""
        found = [i for i in range(self.count()) if self.itemData(i) is layer]
        self.setCurrentIndex(found[0] if found else 0)
