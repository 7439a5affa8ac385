"""How to search for everything: the usual controls, and the rest folded away."""

from dataclasses import fields, replace
from typing import Any, get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QSpinBox, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_segany.core.overlap import Nms
from napari_segany.generators.parameters import RANGES, AutomaticParams, Strategy
from napari_segany.generators.presets import PRESETS

OWN = "own"
DECIMALS = 3
MODELS_OWN = -1
"""What the control of the smallest mask holds while that is left to the model."""

GRID = ("strategy", "points_per_side", "crop_n_layers", "crop_n_points_downscale_factor")
"""Parameters that mean nothing, or nothing else, beside points of one's own."""


class GeneratorForm(QWidget):
    """Controls that make :class:`AutomaticParams`; what they do not show stays as it was set.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._base = AutomaticParams()
        # Where each control was put for a parameter of the base; it means that until it is moved.
        self._put: dict[str, Any] = {}
        self.preset = QComboBox()
        self.preset.setToolTip("Sets the controls below; thresholds stay the model's own")
        for name in (*PRESETS, OWN):
            self.preset.addItem(name, name)
        self.strategy = _choice(
            Strategy, "Adaptive asks fewer points and is two to four times faster"
        )
        self.points_per_side = _whole("points_per_side", "Points along each side of the plane")
        self.crop_n_layers = _whole("crop_n_layers", "Layers of crops, for small objects")
        self.downscale = _whole(
            "crop_n_points_downscale_factor", "Points a side are divided by this with every layer"
        )
        self.points_per_batch = _whole("points_per_batch", "Points decoded together at most")
        self.min_region = pixels("Fill holes and drop specks below so many pixels")
        self.min_mask = pixels("Leave out masks with fewer pixels", MODELS_OWN)
        self.min_mask.setSpecialValueText("the model's own")
        self.nms = _choice(
            Nms, "Overlap is measured between masks, or between boxes as the reference"
        )
        self.fractions = {
            name: _number(name, tip)
            for name, tip in (
                ("max_area_fraction", "Leave out masks that cover more of the plane"),
                ("crop_overlap_ratio", "Overlap of crops, of the plane's short side"),
                ("crop_nms_thresh", "Overlap above which the mask of the larger crop goes"),
                ("stability_score_offset", "Logits between the masks that are compared"),
            )
        }
        form = QFormLayout()
        form.addRow("Preset", self.preset)
        form.addRow("Points a side", self.points_per_side)
        form.addRow("Strategy", self.strategy)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self._advanced())
        self._show(self._base)
        self.preset.activated.connect(lambda _: self._on_preset())
        for box in (self.strategy, self.nms):
            box.activated.connect(lambda _: self._on_change())
        for each in (*self._spins.values(), *self.fractions.values()):
            each.valueChanged.connect(lambda _: self._on_change())

    @property
    def _spins(self) -> dict[str, QSpinBox | QDoubleSpinBox]:
        """Controls of whole numbers."""
        return {
            "points_per_side": self.points_per_side,
            "crop_n_layers": self.crop_n_layers,
            "crop_n_points_downscale_factor": self.downscale,
            "points_per_batch": self.points_per_batch,
            "min_mask_region_area": self.min_region,
            "min_area": self.min_mask,
        }

    def _shown(self) -> dict[str, Any]:
        """The values at which the controls stand."""
        shown: dict[str, Any] = {name: int(each.value()) for name, each in self._spins.items()}
        shown |= {name: each.value() for name, each in self.fractions.items()}
        if shown["min_area"] == MODELS_OWN:
            shown["min_area"] = None
        return shown | {"strategy": self.strategy.currentData(), "nms": self.nms.currentData()}

    @property
    def params(self) -> AutomaticParams:
        """What the controls say."""
        # What is shown may be rounded; what was not moved stays as it was.
        moved = {name: each for name, each in self._shown().items() if each != self._put[name]}
        return replace(self._base, **moved)

    @params.setter
    def params(self, params: AutomaticParams) -> None:
        self._show(params)
        self._on_change()

    def _show(self, params: AutomaticParams) -> None:
        self._base = params
        each: Any
        for name, each in (*self._spins.items(), *self.fractions.items()):
            value = getattr(params, name)
            each.blockSignals(True)
            each.setValue(MODELS_OWN if value is None else value)
            each.blockSignals(False)
        for name, box in (("strategy", self.strategy), ("nms", self.nms)):
            box.setCurrentIndex(box.findData(getattr(params, name)))
        for name, each in {**self._spins, "strategy": self.strategy}.items():
            each.setEnabled(params.point_grids is None or name not in GRID)
        self._put = self._shown()

    def _on_preset(self) -> None:
        chosen = PRESETS.get(self.preset.currentData())
        if chosen is not None:
            own = {"points_per_batch": self.points_per_batch.value()}
            self.params = replace(chosen, **own)

    def _on_change(self) -> None:
        """Show which preset the controls amount to."""
        here = self.params

        def same(other: AutomaticParams) -> bool:
            names = [f.name for f in fields(other) if f.name != "points_per_batch"]
            return all(getattr(here, name) == getattr(other, name) for name in names)

        name = next((name for name, other in PRESETS.items() if same(other)), OWN)
        self.preset.setCurrentIndex(self.preset.findData(name))
        self.changed.emit()

    def _advanced(self) -> QWidget:
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        for text, part in (
            ("Crop layers", self.crop_n_layers),
            ("Points divided by", self.downscale),
            ("Points a batch", self.points_per_batch),
            ("Smallest mask", self.min_mask),
            ("Holes and specks", self.min_region),
            ("Overlap of", self.nms),
            ("Largest mask", self.fractions["max_area_fraction"]),
            ("Crop overlap", self.fractions["crop_overlap_ratio"]),
            ("Between crops", self.fractions["crop_nms_thresh"]),
            ("Stability offset", self.fractions["stability_score_offset"]),
        ):
            form.addRow(text, part)
        fold = QCollapsible("Advanced")
        fold.addWidget(inside)
        return fold


def pixels(tip: str, least: int = 0) -> QDoubleSpinBox:
    """A spin box of pixels, of which there can be more than a whole number of Qt's holds."""
    made = QDoubleSpinBox()
    made.setDecimals(0)
    made.setRange(least, 2.0**53)
    made.setToolTip(tip)
    return made


def _whole(name: str, tip: str) -> QSpinBox:
    """A spin box for a parameter that is a whole number, with its range."""
    made = QSpinBox()
    _, low, high = RANGES[name]
    made.setRange(int(low), int(high))
    made.setToolTip(tip)
    return made


def _number(name: str, tip: str) -> QDoubleSpinBox:
    """The same for other numbers."""
    made = QDoubleSpinBox()
    made.setDecimals(DECIMALS)
    _, low, high = RANGES[name]
    made.setRange(low, high)
    made.setSingleStep(0.05)
    made.setToolTip(tip)
    return made


def _choice(kind: Any, tip: str) -> QComboBox:
    made = QComboBox()
    made.setToolTip(tip)
    for name in get_args(kind):
        made.addItem(name, name)
    return made
