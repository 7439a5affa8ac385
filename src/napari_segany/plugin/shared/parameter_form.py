"""A form with a control for every parameter of a dataclass."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_segany.core.parameter_info import parameters_of
from napari_segany.plugin.shared.controls import column, form, panel
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.parameter_controls import Control, make_control


class ParameterForm(QWidget):
    """Controls for the parameters of a frozen dataclass, the advanced ones folded away.

    Parameters
    ----------
    params : dataclass
        The parameters that are shown first.
    fold : str
        Name of the part with the advanced ones.
    rows : QFormLayout, optional
        Rows of a surrounding form, to which those that are not folded away are added.
    shared : mapping, optional
        Controls of the surrounding form for some of the parameters, by their names.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones; the surrounding form tells of its controls.
    rows : QFormLayout
        The rows that are not folded away.
    controls : dict
        The control of each parameter, by its name.
    labels : dict
        The label beside each control of its own.
    """

    changed = Signal()

    def __init__(
        self,
        params: Any,
        fold: str,
        rows: QFormLayout | None = None,
        shared: Mapping[str, Control] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._base = params
        self.controls: dict[str, Control] = {}
        self.rows = form([]) if rows is None else rows
        self._own_rows: list[QWidget] = []
        self.labels: dict[str, QWidget] = {}
        advanced = form([])
        for name, info in parameters_of(type(params)).items():
            if name in shared:
                self.controls[name] = shared[name]
                continue
            control = make_control(info)
            rows_of = advanced if info.advanced else self.rows
            rows_of.addRow(info.label, control)
            self.labels[name] = rows_of.labelForField(control)
            if not info.advanced:
                self._own_rows += [self.rows.labelForField(control), control]
            control.edited.connect(self.changed)
            self.controls[name] = control
        self.fold = Fold(fold, panel(advanced))
        around = column(self.fold) if rows is not None else column(self.rows, self.fold)
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
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

    def show_only(self, names: Collection[str]) -> None:
        """Show the rows of these parameters only; the others keep what they stand at."""
        for name, label in self.labels.items():
            label.setVisible(name in names)
            self.controls[name].setVisible(name in names)

    def set_shown(self, shown: bool) -> None:
        """Show or hide the form, and its rows in the surrounding one."""
        for part in (*self._own_rows, self):
            part.setVisible(shown)
