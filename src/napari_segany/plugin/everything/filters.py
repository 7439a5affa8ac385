"""Sliders for what is kept of everything that was found, with histograms above them."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider, QLabeledRangeSlider

from napari_segany.core.masks import MaskSet
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.plugin.everything.found_masks import Filters

BINS = 40


class Histogram(QWidget):
    """How many candidates there are along a slider."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: NDArray[np.integer] = np.zeros(BINS, np.int64)
        self.setFixedHeight(18)

    def show_values(self, values: NDArray[Any], low: float, high: float) -> None:
        """Count values between two ends."""
        self.counts = np.histogram(values, BINS, (low, max(high, low + 1e-6)))[0]
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the bars."""
        painter = QPainter(self)
        colour = self.palette().highlight().color()
        width, height = self.width() / BINS, self.height()
        for i, count in enumerate(self.counts / max(int(self.counts.max()), 1)):
            bar = QRectF(i * width, height * (1 - count), max(width - 1, 1), height * count)
            painter.fillRect(bar, colour)
        painter.end()


class FilterSliders(QWidget):
    """Everything that can be changed without the model."""

    changed = Signal(object)
    """Emitted with new :class:`Filters`."""

    def __init__(self) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self.histograms = {name: Histogram() for name in ("iou", "stability", "area")}
        self.iou = _slider("Masks with a lower predicted IoU are left out")
        self.stability = _slider("Less stable masks are left out")
        self.nms = _slider("Of masks that overlap more than this (IoU) the best is kept")
        self.solidity = _slider("Masks that fill less of their convex hull are left out")
        self.area = QLabeledRangeSlider(Qt.Orientation.Horizontal)
        self.area.setToolTip("Smaller and larger masks are left out, in pixels")
        self.border = QCheckBox("leave out what touches the border")
        self.overlap = QComboBox()
        self.overlap.setToolTip("Who owns pixels that several masks claim")
        for text, value in (
            ("small objects on top", "small_on_top"),
            ("large objects on top", "large_on_top"),
            ("best objects on top", "best_on_top"),
        ):
            self.overlap.addItem(text, value)
        for text, part, histogram in (
            ("predicted IoU", self.iou, "iou"),
            ("stability", self.stability, "stability"),
            ("overlap (NMS)", self.nms, ""),
            ("area", self.area, "area"),
            ("solidity", self.solidity, ""),
        ):
            form.addRow(text, _above(self.histograms.get(histogram), part))
            part.valueChanged.connect(self._emit)
        form.addRow("", self.border)
        form.addRow("On overlap", self.overlap)
        self.count = QLabel("")
        form.addRow("", self.count)
        self.border.toggled.connect(self._emit)
        self.overlap.activated.connect(self._emit)
        # What each control means while it stands where it was put: None is the bound of the search.
        self._put: dict[str, tuple[Any, Any]] = {}
        self._of_search: dict[str, Any] = {}
        self.setEnabled(False)

    def begin(self, found: MaskSet, params: AutomaticParams, filters: Filters) -> None:
        """Show what was found, the bounds with which it was, and the filters that hold."""
        pixels = found.shape[0] * found.shape[1]
        every = found.all_candidates
        iou, stability = found.loosest
        largest = max(min(params.largest(pixels), int(every.area.max(initial=1))), 1)
        self.blockSignals(True)
        for slider, low in ((self.iou, iou), (self.stability, stability)):
            # A slider rounds its ends to what its label shows.
            slider.setRange(min(np.ceil(low * 1000) / 1000, 1.0), 1.0)
        self.area.setRange(0, largest)
        self.histograms["iou"].show_values(every.predicted_iou, iou, 1)
        self.histograms["stability"].show_values(every.stability_score, stability, 1)
        self.histograms["area"].show_values(every.area, 0, largest)
        self._of_search = {
            "pred_iou_thresh": params.pred_iou_thresh or 0.0,
            "stability_score_thresh": params.stability_score_thresh or 0.0,
            "box_nms_thresh": params.box_nms_thresh,
            "min_area": params.min_area or 0,
            "max_area": largest,
            "min_solidity": params.min_solidity,
            "exclude_border": params.exclude_border,
        }
        self.blockSignals(False)
        self.show_filters(filters)
        self.setEnabled(True)

    def show_filters(self, filters: Filters) -> None:
        """Put the controls where filters say.

        One that is not moved afterwards means what was put, not what a slider can show of it.
        """
        meant = asdict(filters)
        overlap = meant.pop("overlap")
        wanted = {
            name: self._of_search[name] if value is None else value for name, value in meant.items()
        }
        self.blockSignals(True)
        self.iou.setValue(wanted["pred_iou_thresh"])
        self.stability.setValue(wanted["stability_score_thresh"])
        self.nms.setValue(wanted["box_nms_thresh"])
        self.solidity.setValue(wanted["min_solidity"])
        self.area.setValue((wanted["min_area"], wanted["max_area"]))
        self.border.setChecked(wanted["exclude_border"])
        self.overlap.setCurrentIndex(self.overlap.findData(overlap))
        self.blockSignals(False)
        self._put = {name: (value, meant[name]) for name, value in self._shown().items()}

    def _shown(self) -> dict[str, Any]:
        """The numbers at which the controls of bounds stand."""
        low, high = self.area.value()
        return {
            "pred_iou_thresh": self.iou.value(),
            "stability_score_thresh": self.stability.value(),
            "box_nms_thresh": self.nms.value(),
            "min_area": int(low),
            "max_area": int(high),
            "min_solidity": self.solidity.value(),
            "exclude_border": self.border.isChecked(),
        }

    @property
    def filters(self) -> Filters:
        """What the controls say."""
        said: dict[str, Any] = {}
        for name, value in self._shown().items():
            put, meant = self._put.get(name, (None, None))
            said[name] = meant if value == put else value
        if self.area.value()[1] >= self.area.maximum():
            # At its end the slider lets everything through that the search did.
            said["max_area"] = None
        return Filters(**said, overlap=self.overlap.currentData())

    def _emit(self, *_: Any) -> None:
        self.changed.emit(self.filters)


def _slider(tip: str) -> Any:
    slider: Any = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 1)
    slider.setDecimals(3)
    slider.setSingleStep(0.01)
    slider.setToolTip(tip)
    return slider


def _above(histogram: QWidget | None, part: QWidget) -> QWidget:
    if histogram is None:
        return part
    both = QWidget()
    column = QVBoxLayout(both)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(histogram)
    column.addWidget(part)
    return both
