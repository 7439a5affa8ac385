"""Controls of single parameters, made from their descriptions.

A control holds the exact value that was set until a person changes it, also where it can only show
it rounded: a form changes nothing that was not touched.
"""

import html
from typing import Any, TypeAlias

from qtpy.QtCore import Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
)

from napari_segany.core.parameter_info import ParameterInfo
from napari_segany.plugin.shared.finder_control import FinderControl

DECIMALS = 6
"""Decimals that can be typed."""

SHOWN_CHARACTERS = 8
"""Length of the longest number that is shown in full."""

UNSET = "auto"
"""Text of None; its meaning is in the tooltip."""

LEAST_WIDTH = 110
"""Least width of a control for a number, in pixels; the largest number would need more."""

LARGEST = 2.0**53
"""Largest whole number that a spin box holds exactly."""

SEPARATOR = ";"
"""Character between phrases in a line."""

PHRASES_HINT = "such as: bicycle; traffic light"
"""Text of an empty line for phrases."""

STEP = 0.05
"""Step of the arrows of small floating-point numbers."""

SUFFIXES = {"fraction": "", "points": "", "pixels": "px"}
"""Texts behind numbers, by their unit; labels name points already."""


class NumberControl(QDoubleSpinBox):
    """A spin box for an integer or a floating-point number.

    Its least position stands for None where the parameter may be left unset. Numbers that are too
    long are shown rounded, with a sign for it, and in full in the tooltip.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.

    Attributes
    ----------
    edited : Signal
        Emitted when the value may be another one.
    """

    edited = Signal()

    def __init__(self, info: ParameterInfo) -> None:
        super().__init__()
        self.info = info
        self.setMinimumWidth(LEAST_WIDTH)
        # The exact value, and the position of the control that stands for it.
        self._exact: Any = None
        self._position: float | None = None
        whole = info.kind == "integer"
        self.setDecimals(0 if whole else DECIMALS)
        # No number can be typed between the position of None and the least one.
        unset = (1.0 if whole else 10.0**-DECIMALS) if info.unset else 0.0
        self.setRange(info.low - unset, min(info.high, LARGEST))
        self.setSpecialValueText(UNSET if info.unset else "")
        unit = SUFFIXES.get(info.unit, info.unit)
        if unit:
            self.setSuffix(f" {unit}")
        if whole and info.high > 1e5:
            self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        elif not whole and info.high <= 2:
            self.setSingleStep(STEP)
        self._show_exact()
        self.valueChanged.connect(lambda _: self._on_value())
        self.lineEdit().textEdited.connect(self._on_typed)

    @property
    def parameter(self) -> Any:
        """The value of the parameter."""
        if self.value() == self._position:
            return self._exact
        if self.info.unset and self.value() < self.info.low:
            return None
        return int(self.value()) if self.info.kind == "integer" else self.value()

    def set_parameter(self, value: Any) -> None:
        """Show a value without emitting ``edited``."""
        blocked = self.blockSignals(True)
        # The text of the old value would be kept where the position stays the same.
        self._position = None
        self.setValue(self.minimum() if value is None else value)
        self._exact, self._position = value, self.value()
        # Setting the suffix is the one public way to have the text made anew.
        self.setSuffix(self.suffix())
        self.blockSignals(blocked)
        self._show_exact()

    def textFromValue(self, value: float) -> str:
        """Return the text of a position."""
        if value == self._position and self._exact is not None:
            return self._exact_text
        return self._trimmed(value)

    def valueFromText(self, text: str | None) -> float:
        """Return the position that a text means."""
        if self._position is not None and self._plain(text) == self._exact_text:
            return self._position
        return float(super().valueFromText(text))

    def validate(self, text: str | None, position: int) -> Any:
        """Return whether a text is a number; the text of the exact value is."""
        if self._position is not None and self._plain(text) == self._exact_text:
            return QValidator.State.Acceptable, text, position
        return super().validate(text, position)

    def stepBy(self, steps: int) -> None:
        """Move by some steps; the first one from None leads to the least number."""
        if self.info.unset and steps > 0 and self.value() < self.info.low:
            self.setValue(self.info.low)
            steps -= 1
        if steps:
            super().stepBy(steps)

    @property
    def _exact_text(self) -> str:
        """Text of the exact value."""
        if self._exact is None:
            return UNSET if self.info.unset else ""
        exact = str(self._exact)
        if self.info.kind == "integer":
            return exact
        if len(exact) <= SHOWN_CHARACTERS and self._exact == self._position:
            return self._trimmed(self._exact)
        return f"≈ {self._exact:.4g}"

    def _trimmed(self, value: float) -> str:
        """Return a number in the person's notation, without zeros at its end."""
        text = str(super().textFromValue(value))
        point = str(self.locale().decimalPoint())
        return text.rstrip("0").removesuffix(point) if point in text else text

    def _plain(self, text: str | None) -> str:
        return (text or "").removesuffix(self.suffix()).strip()

    def _on_typed(self, text: str) -> None:
        """Replace an exact number by the rounded one that was typed in its place.

        The position of the control does not change then.
        """
        if self._exact is None or self._plain(text) == self._exact_text:
            return
        state, *_ = super().validate(text, len(text))
        if state == QValidator.State.Acceptable and self.valueFromText(text) == self._position:
            self._position = None
            self._on_value()

    def _on_value(self) -> None:
        self._show_exact()
        self.edited.emit()

    def _show_exact(self) -> None:
        """Name the exact number in the tooltip while it is shown rounded."""
        rounded = self.value() == self._position and self._exact_text.startswith("≈")
        self.setToolTip(tooltip_of(self.info, str(self._exact) if rounded else ""))


class ChoiceControl(QComboBox):
    """A combo box for one of several values.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.

    Attributes
    ----------
    edited : Signal
        Emitted when the value may be another one.
    """

    edited = Signal()

    def __init__(self, info: ParameterInfo) -> None:
        super().__init__()
        for value, label in info.choices:
            self.addItem(label, value)
        # Its entries are known, so that it can be as wide as they need.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setToolTip(tooltip_of(info))
        self.currentIndexChanged.connect(lambda _: self.edited.emit())

    @property
    def parameter(self) -> Any:
        """The value of the parameter."""
        return self.currentData()

    def set_parameter(self, value: Any) -> None:
        """Show a value without emitting ``edited``."""
        blocked = self.blockSignals(True)
        self.setCurrentIndex(self.findData(value))
        self.blockSignals(blocked)


class FlagControl(QCheckBox):
    """A tick box for a boolean.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.

    Attributes
    ----------
    edited : Signal
        Emitted when the value may be another one.
    """

    edited = Signal()

    def __init__(self, info: ParameterInfo) -> None:
        super().__init__()
        self.setToolTip(tooltip_of(info))
        self.toggled.connect(lambda _: self.edited.emit())

    @property
    def parameter(self) -> bool:
        """The value of the parameter."""
        return bool(self.isChecked())

    def set_parameter(self, value: bool) -> None:
        """Show a value without emitting ``edited``."""
        blocked = self.blockSignals(True)
        self.setChecked(value)
        self.blockSignals(blocked)


class TextControl(QLineEdit):
    """A line for a name, or for phrases with semicolons between them.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.

    Attributes
    ----------
    edited : Signal
        Emitted when the value may be another one.
    """

    edited = Signal()

    def __init__(self, info: ParameterInfo) -> None:
        super().__init__()
        self._is_list = info.kind == "phrases"
        self.setPlaceholderText(PHRASES_HINT if self._is_list else info.unset)
        self.setToolTip(tooltip_of(info))
        self.textEdited.connect(lambda _: self.edited.emit())

    @property
    def parameter(self) -> Any:
        """The value of the parameter."""
        if self._is_list:
            parts = (" ".join(part.split()) for part in self.text().split(SEPARATOR))
            return tuple(dict.fromkeys(part for part in parts if part))
        return self.text().strip() or None

    def set_parameter(self, value: Any) -> None:
        """Show a value without emitting ``edited``."""
        self.setText(f"{SEPARATOR} ".join(value) if self._is_list else value or "")


class StructureLine(QLabel):
    """A line that says whether a hash or a nested value is set; it cannot be edited.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.

    Attributes
    ----------
    edited : Signal
        Never emitted.
    """

    edited = Signal()

    def __init__(self, info: ParameterInfo) -> None:
        super().__init__()
        self._unset = info.unset or "none"
        self.setToolTip(tooltip_of(info))
        self.set_parameter(None)

    @property
    def parameter(self) -> Any:
        """The value of the parameter."""
        return self._value

    def set_parameter(self, value: Any) -> None:
        """Show whether there is a value."""
        self._value = value
        said = getattr(value, "summary", "as in the recipe")
        self.setText(self._unset if value is None else said)


Control: TypeAlias = (
    NumberControl | ChoiceControl | FlagControl | FinderControl | TextControl | StructureLine
)


def make_control(info: ParameterInfo) -> Control:
    """Return a new control for a parameter."""
    kinds: dict[str, Any] = {
        "integer": NumberControl,
        "number": NumberControl,
        "choice": ChoiceControl,
        "flag": FlagControl,
        "hash": StructureLine,
        "finder": FinderControl,
        "name": TextControl,
        "phrases": TextControl,
        "structure": StructureLine,
    }
    made: Control = kinds[info.kind](info)
    return made


def tooltip_of(info: ParameterInfo, exact: str = "") -> str:
    """Return the help of a parameter with its range and its name in recipes and in Python.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.
    exact : str
        The exact value where it is shown rounded.
    """
    notes = f" ({info.range})" if info.range else ""
    if info.unset and info.kind in ("integer", "number"):
        notes += f"<br>{UNSET}: {html.escape(info.unset, quote=False)}."
    more = f"<br>Exactly {exact} until it is changed." if exact else ""
    name = f"<br><code>{info.name}</code>" if info.name else ""
    # Only rich text is wrapped.
    return f"<qt>{html.escape(info.help)}{notes}{more}{name}</qt>"
