"""Combo box of layers that keeps its choice when layers are added or removed."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import QComboBox

from napari_segany.plugin.layers.metadata import OWN_NAMES


class LayerCombo(QComboBox):
    """Combo box of layers of some types, with an entry for no layer.

    Parameters
    ----------
    kinds : sequence of type
        Types of layers; subclasses are excluded.
    none : str
        Text of the entry for no layer.
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
        """Offer layers, except those that the plugin adds for its own use."""
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
        """Choose a layer; if it is not offered, choose none."""
        found = [i for i in range(self.count()) if self.itemData(i) is layer]
        self.setCurrentIndex(found[0] if found else 0)
