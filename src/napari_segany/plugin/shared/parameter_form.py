"""A form with a control for every parameter of a dataclass."""

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_segany.core.parameter_info import parameters_of
from napari_segany.plugin.shared.parameter_controls import Control, make_control


class ParameterForm(QWidget):
    """Controls for the parameters of a frozen dataclass, the advanced ones folded away.

    Parameters
    ----------
    params : dataclass
        The parameters that are shown first.
    fold : str
        Name of the part with the advanced ones.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones.
    rows : QFormLayout
        The rows that are not folded away.
    controls : dict
        The control of each parameter, by its name.
    """

    changed = Signal()

    def __init__(self, params: Any, fold: str) -> None:
        super().__init__()
        self._base = params
        self.controls: dict[str, Control] = {}
        self.rows = QFormLayout()
        inside = QWidget()
        advanced = QFormLayout(inside)
        advanced.setContentsMargins(0, 0, 0, 0)
        for name, info in parameters_of(type(params)).items():
            control = make_control(info)
            (advanced if info.advanced else self.rows).addRow(info.label, control)
            control.edited.connect(self.changed)
            self.controls[name] = control
        self.fold = QCollapsible(fold)
        self.fold.addWidget(inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.rows)
        column.addWidget(self.fold)
        self.set_params(params)

    @property
    def params(self) -> Any:
        """The parameters at which the controls stand."""
        shown = {name: control.parameter for name, control in self.controls.items()}
        return replace(self._base, **shown)

    def set_params(self, params: Any) -> None:
        """Show parameters without emitting ``changed``."""
        self._base = params
        for name, control in self.controls.items():
            control.set_parameter(getattr(params, name))
