"""A form with a control for every parameter of a dataclass."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_segany.core.parameter_info import ParameterInfo, parameters_of
from napari_segany.plugin.shared.controls import column, form, panel
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.late_controls import adopt, focusable_before
from napari_segany.plugin.shared.parameter_controls import Control, make_control


class ParameterForm(QWidget):
    """Controls for the parameters of a frozen dataclass, the advanced ones folded away.

    A control takes a window about a millisecond, and most are never looked at. The rows are made
    when the form is shown first, the advanced ones when their section is opened first, and either
    when a control is asked for. Before that the form holds the values.

    Parameters
    ----------
    params : dataclass
        The parameters that are shown first.
    fold : str
        Name of the part with the advanced ones.
    rows : QFormLayout, optional
        Rows of a surrounding form, to which those that are not folded away are added.
    shared : mapping, optional
        Controls of the surrounding form for some of the parameters, by their names. The Tab key
        goes from the last of them to the rows.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones; the surrounding form tells of its controls.
    rows : QFormLayout
        The rows that are not folded away.
    fold : Fold
        Section with the advanced ones.
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
        self._infos = parameters_of(type(params))
        self._made: dict[str, Control] = {n: shared[n] for n in self._infos if n in shared}
        self._shared = tuple(self._made)
        self._labels: dict[str, QWidget] = {}
        # Of parameters without a control: what it is going to show, and whether it can be used.
        self._values: dict[str, Any] = {n: None for n in self._infos if n not in shared}
        self._disabled: set[str] = set()
        self._only: Collection[str] = self._infos
        self._is_shown = True
        self.rows = form([]) if rows is None else rows
        self.fold = Fold(fold, self._make_advanced)
        around = column(self.fold) if rows is not None else column(self.rows, self.fold)
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
        self.set_params(params)

    # Values ---------------------------------------------------------------------------------

    @property
    def params(self) -> Any:
        """The parameters at which the controls stand."""
        shared = {name: self._made[name].parameter for name in self._shared}
        return replace(self._base, **shared, **self.values)

    def set_params(self, params: Any) -> None:
        """Show parameters without emitting ``changed``."""
        self._base = params
        self.set_values({name: getattr(params, name) for name in self._infos})

    @property
    def values(self) -> dict[str, Any]:
        """The value of each parameter but those with a control of the surrounding form."""
        return {
            name: self._made[name].parameter if name in self._made else self._values[name]
            for name in self._infos
            if name not in self._shared
        }

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show values of some parameters without emitting ``changed``."""
        for name, value in values.items():
            if name in self._made:
                self._made[name].set_parameter(value)
            else:
                self._values[name] = value

    # Controls -------------------------------------------------------------------------------

    @property
    def controls(self) -> dict[str, Control]:
        """The control of each parameter, by its name; all are made."""
        self.make_rows()
        self.fold.fill()
        return {name: self._made[name] for name in self._infos}

    @property
    def labels(self) -> dict[str, QWidget]:
        """The label beside each control of its own, by its name; all are made."""
        self.make_rows()
        self.fold.fill()
        return dict(self._labels)

    def control(self, name: str) -> Control:
        """Return the control of one parameter."""
        if self._infos[name].advanced:
            self.fold.fill()
        else:
            self.make_rows()
        return self._made[name]

    @property
    def made(self) -> frozenset[str]:
        """Names of the parameters whose controls were made."""
        return frozenset(self._made)

    def make_rows(self) -> None:
        """Make the controls that are not folded away, unless that was done."""
        missing = [n for n, info in self._infos.items() if not info.advanced and self._lacks(n)]
        if missing:
            before = self._made[self._shared[-1]] if self._shared else focusable_before(self)
            made = [part for name in missing for part in self._add(name, self.rows)]
            for part in made:
                part.setVisible(self._is_shown)
            self.show_only(self._only)
            adopt(self.parentWidget() or self, [self._made[name] for name in missing], before)

    def _make_advanced(self) -> QWidget:
        rows = form([])
        made = panel(rows)
        for name, info in self._infos.items():
            if info.advanced and self._lacks(name):
                self._add(name, rows)
        self.show_only(self._only)
        return made

    def _lacks(self, name: str) -> bool:
        return name not in self._made

    def _add(self, name: str, rows: QFormLayout) -> tuple[QWidget, QWidget]:
        """Make the control of a parameter in a row; return its label and the control."""
        info: ParameterInfo = self._infos[name]
        control = make_control(info)
        rows.addRow(info.label, control)
        label: QWidget = rows.labelForField(control)
        control.set_parameter(self._values.pop(name))
        control.setEnabled(name not in self._disabled)
        control.edited.connect(self.changed)
        self._labels[name], self._made[name] = label, control
        return label, control

    def show_only(self, names: Collection[str]) -> None:
        """Show the rows of these parameters only; the others keep what they stand at."""
        self._only = names
        for name, label in self._labels.items():
            # The surrounding form shows and hides its rows, see set_shown.
            if self._is_shown or self._infos[name].advanced:
                label.setVisible(name in names)
                self._made[name].setVisible(name in names)

    def enable(self, names: Iterable[str], enabled: bool) -> None:
        """Enable the controls of some parameters, or disable them."""
        for name in names:
            (self._disabled.discard if enabled else self._disabled.add)(name)
            if name in self._made:
                self._made[name].setEnabled(enabled)

    def set_shown(self, shown: bool) -> None:
        """Show or hide the form, and its rows in the surrounding one."""
        self._is_shown = shown
        if shown:
            self.make_rows()
        for name, label in self._labels.items():
            if not self._infos[name].advanced:
                for part in (label, self._made[name]):
                    part.setVisible(shown and name in self._only)
        self.setVisible(shown)

    def showEvent(self, event: Any) -> None:
        """Make the rows before they are seen."""
        self.make_rows()
        super().showEvent(event)
