"""How to search for everything: the usual controls, and the rest folded away."""

from dataclasses import fields, replace
from typing import Any, get_args

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QSpinBox, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_segany.core.parameters import AutomaticParams, Nms, Strategy
from napari_segany.core.presets import PRESETS

OWN = "own"
DECIMALS = 3


class SearchForm(QWidget):
    """Controls that make :class:`AutomaticParams`; what they do not show stays as it was set."""

    def __init__(self) -> None:
        super().__init__()
        self._base = AutomaticParams()
        self.preset = QComboBox()
        self.preset.setToolTip("Sets the controls below; thresholds stay the model's own")
        for name in (*PRESETS, OWN):
            self.preset.addItem(name, name)
        self.strategy = QComboBox()
        self.strategy.setToolTip("Adaptive asks fewer points and is two to four times faster")
        for name in get_args(Strategy):
            self.strategy.addItem(name, name)
        self.points_per_side = spin(1, 256, 32, "Points along each side of the plane")
        self.crop_n_layers = spin(0, 4, 0, "Layers of crops, for small objects in large images")
        self.downscale = spin(1, 16, 1, "Points a side are divided by this with every layer")
        self.points_per_batch = spin(1, 1024, 64, "Points decoded together at most")
        self.min_region = spin(0, 10**6, 0, "Fill holes and drop specks below so many pixels")
        self.nms = QComboBox()
        self.nms.setToolTip("Overlap is measured between masks, or between boxes as the reference")
        for name in get_args(Nms):
            self.nms.addItem(name, name)
        self.fractions = {
            "max_area_fraction": _fraction("Leave out masks that cover more of the plane"),
            "crop_overlap_ratio": _fraction("Overlap of crops, of the plane's short side", 0.9),
            "crop_nms_thresh": _fraction("Overlap above which the mask of the larger crop goes"),
            "stability_score_offset": _fraction("Logits between the masks that are compared", 10),
        }
        for name, box in self.fractions.items():
            box.setValue(getattr(self._base, name))
        form = QFormLayout()
        form.addRow("Preset", self.preset)
        form.addRow("Points a side", self.points_per_side)
        form.addRow("Strategy", self.strategy)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self._advanced())
        self.preset.activated.connect(lambda _: self._on_preset())
        for box in (self.strategy, self.nms):
            box.activated.connect(lambda _: self._on_change())
        for each in (*self._spins().values(), *self.fractions.values()):
            each.valueChanged.connect(lambda _: self._on_change())

    def _spins(self) -> dict[str, QSpinBox]:
        return {
            "points_per_side": self.points_per_side,
            "crop_n_layers": self.crop_n_layers,
            "crop_n_points_downscale_factor": self.downscale,
            "points_per_batch": self.points_per_batch,
            "min_mask_region_area": self.min_region,
        }

    @property
    def params(self) -> AutomaticParams:
        """What the controls say."""
        given: dict[str, Any] = {name: each.value() for name, each in self._spins().items()}
        for name, box in self.fractions.items():
            before = getattr(self._base, name)
            # What is shown is rounded; what was not touched stays as it was.
            given[name] = before if round(before, DECIMALS) == box.value() else box.value()
        given |= {"strategy": self.strategy.currentData(), "nms": self.nms.currentData()}
        return replace(self._base, **given)

    @params.setter
    def params(self, params: AutomaticParams) -> None:
        self._base = params
        each: Any
        for name, each in (*self._spins().items(), *self.fractions.items()):
            each.blockSignals(True)
            each.setValue(getattr(params, name))
            each.blockSignals(False)
        self.strategy.setCurrentIndex(self.strategy.findData(params.strategy))
        self.nms.setCurrentIndex(self.nms.findData(params.nms))
        self._on_change()

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

    def _advanced(self) -> QWidget:
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        for text, part in (
            ("Crop layers", self.crop_n_layers),
            ("Points divided by", self.downscale),
            ("Points a batch", self.points_per_batch),
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


def spin(low: int, high: int, value: int, tip: str) -> QSpinBox:
    """A spin box of whole numbers."""
    made = QSpinBox()
    made.setRange(low, high)
    made.setValue(value)
    made.setToolTip(tip)
    return made


def _fraction(tip: str, most: float = 1.0) -> QDoubleSpinBox:
    made = QDoubleSpinBox()
    made.setDecimals(DECIMALS)
    made.setRange(0, most)
    made.setSingleStep(0.05)
    made.setToolTip(tip)
    return made
