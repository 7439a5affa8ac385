"""Form for the parameters of automatic segmentation: a preset, and a control for each of them."""

from dataclasses import fields, replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.presets import PRESETS
from napari_segany.plugin.shared.parameter_form import ParameterForm

OWN = "own"

GRID = ("strategy", "points_per_side", "crop_n_layers", "crop_n_points_downscale_factor")
"""Parameters of the regular grid, which point grids take the place of."""

MACHINE = ("points_per_batch",)
"""Parameters that depend on the machine and not on the images; presets leave them alone."""


class GeneratorForm(QWidget):
    """Controls for :class:`AutomaticParams`; what is not touched stays exactly as it was set.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones.
    controls : dict
        The control of each parameter, by its name.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preset = QComboBox()
        self.preset.setToolTip("Sets the controls below; thresholds stay the model's own")
        for name in (*PRESETS, OWN):
            self.preset.addItem(name, name)
        self._form = ParameterForm(AutomaticParams(), "Advanced: finding objects")
        self._form.rows.insertRow(0, "Preset", self.preset)
        self.controls = self._form.controls
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._form)
        self.preset.activated.connect(lambda _: self._on_preset())
        self._form.changed.connect(self._on_change)

    @property
    def points_per_side(self) -> Any:
        """The control of the parameter that is changed most often."""
        return self.controls["points_per_side"]

    @property
    def params(self) -> AutomaticParams:
        """The parameters at which the controls stand."""
        params: AutomaticParams = self._form.params
        return params

    @params.setter
    def params(self, params: AutomaticParams) -> None:
        self._form.set_params(params)
        for name in GRID:
            self.controls[name].setEnabled(params.point_grids is None)
        self._on_change()

    def _on_preset(self) -> None:
        chosen = PRESETS.get(self.preset.currentData())
        if chosen is not None:
            now = self.params
            self.params = replace(chosen, **{name: getattr(now, name) for name in MACHINE})

    def _on_change(self) -> None:
        """Show the preset that has the parameters of the controls."""
        here = self.params

        def same(other: AutomaticParams) -> bool:
            names = [f.name for f in fields(other) if f.name not in MACHINE]
            return all(getattr(here, name) == getattr(other, name) for name in names)

        name = next((name for name, other in PRESETS.items() if same(other)), OWN)
        self.preset.setCurrentIndex(self.preset.findData(name))
        self.changed.emit()
