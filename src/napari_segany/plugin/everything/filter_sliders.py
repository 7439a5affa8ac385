"""Sliders that filter the masks that were found, with histograms of the candidates."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_segany.core.masks import MaskSet
from napari_segany.core.parameter_info import ParameterInfo, parameters_of
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.plugin.everything.area_slider import AreaSlider
from napari_segany.plugin.everything.filters import PAINTING, Filters
from napari_segany.plugin.everything.histogram import Histogram, even_edges
from napari_segany.plugin.everything.pixel_area import PixelArea
from napari_segany.plugin.everything.search_again import SearchAgain
from napari_segany.plugin.shared.controls import button, form, panel, row, tick_box, with_tip
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.parameter_controls import ChoiceControl, make_control, tooltip_of
from napari_segany.recipe import LabelParams

DECIMALS = 3
"""Decimals that the sliders show."""

PAINTING_TITLE = "Advanced: masks to labels"
"""Title of the rules by which masks become labels."""

BACKGROUND = 0.5
"""Part of the plane above which a mask is taken for the background."""


class FilterSliders(QWidget):
    """Controls of the filters that need no model.

    Attributes
    ----------
    again : SearchAgain
        Other searches, offered where nothing that was found is good enough.
    """

    changed = Signal(object)
    """Emitted with new :class:`Filters`."""

    def __init__(self) -> None:
        super().__init__()
        sliders = form([])
        sliders.setContentsMargins(0, 0, 0, 0)
        self.setLayout(sliders)
        self._infos = infos = parameters_of(AutomaticParams)
        self.iou = _slider(infos["pred_iou_thresh"])
        self.stability = _slider(infos["stability_score_thresh"])
        self.nms = _slider(infos["box_nms_thresh"])
        self.solidity = _slider(infos["min_solidity"])
        self.area = with_tip(AreaSlider(), "Leave out masks and objects that are smaller or larger")
        self.background = tick_box("No background")
        self.largest_button = button(
            "Without the largest", self.leave_out_largest, "Leave out the largest object shown"
        )
        self.border = tick_box(infos["exclude_border"].label)
        self.border.setToolTip(infos["exclude_border"].help)
        of = {"iou": self.iou, "stability": self.stability, "area": self.area}
        self.histograms = {name: Histogram(slider) for name, slider in of.items()}
        rules = parameters_of(LabelParams)
        self.overlap = ChoiceControl(rules["overlap"])
        for text, part, histogram in (
            (infos["pred_iou_thresh"].label, self.iou, "iou"),
            (infos["stability_score_thresh"].label, self.stability, "stability"),
            (infos["box_nms_thresh"].label, self.nms, ""),
            ("Area", self.largest_button, ""),
            ("", self.area, "area"),
            (infos["min_solidity"].label, self.solidity, ""),
        ):
            sliders.addRow(text, field := _above(self.histograms.get(histogram), part))
            if part is self.stability:
                self._stability_row = sliders.labelForField(field), field
            if part is self.iou:
                self._iou_label: Any = sliders.labelForField(field)
            if part is not self.largest_button:
                part.valueChanged.connect(self._emit)
        sliders.addRow(row(self.border, self.background))
        sliders.addRow(rules["overlap"].label, self.overlap)
        least = replace(rules["min_area"], unset="as the masks")
        painting = {"min_object_area": least, **{name: rules[name] for name in PAINTING}}
        self.painting = {name: make_control(info) for name, info in painting.items()}
        rows = form([])
        for name, info in painting.items():
            rows.addRow(info.label, self.painting[name])
            self.painting[name].edited.connect(self._emit)
        self.count = QLabel("")
        self.count.setWordWrap(True)
        self.loosen_button = button(
            "Loosen until most pass", self.loosen, "Move the filters to let nine of ten pass"
        )
        self.again = SearchAgain()
        sliders.insertRow(0, self.count)
        # Below what is dragged, so that nothing moves under the mouse when they appear.
        for part in (self.loosen_button, self.again, Fold(PAINTING_TITLE, panel(rows))):
            sliders.addRow(part)
        # All candidates of the plane that is shown.
        self._every: MaskSet | None = None
        # Those that pass, and the pixels of the plane.
        self._passing: MaskSet | None = None
        self._pixels = 1
        self.background.clicked.connect(self._on_background)
        self.border.toggled.connect(self._emit)
        self.overlap.edited.connect(self._emit)
        # For each bound, the position at which its control was put and the value that this
        # position stands for; None is the bound of the search.
        self._put: dict[str, tuple[Any, Any]] = {}
        # The bounds of the search, and the bounds that the controls were put at.
        self._of_search: dict[str, Any] = {}
        self._wanted: dict[str, Any] = {}
        self.setEnabled(False)

    def begin(
        self,
        found: MaskSet,
        params: FilterRules,
        filters: Filters,
        pixel: PixelArea | None = None,
    ) -> None:
        """Show what was found in a plane.

        Parameters
        ----------
        found : MaskSet
            Masks with all candidates.
        params : FilterRules
            The bounds with which they were found.
        filters : Filters
            The current filters.
        pixel : PixelArea, optional
            Area of a pixel; by default areas are in pixels.
        """
        pixels = self._pixels = found.shape[0] * found.shape[1]
        self._infos = parameters_of(type(params))
        # Of objects like examples the score says how alike they are.
        self._iou_label.setText(self._infos["pred_iou_thresh"].label)
        every = self._every = found.all_candidates
        iou, stability = found.loosest
        largest = max(min(params.largest(pixels), int(every.area.max(initial=1))), 1)
        self.blockSignals(True)
        for slider, low in ((self.iou, iou), (self.stability, stability)):
            # A slider rounds its ends to the decimals of its label.
            slider.setRange(min(np.ceil(low * 10**DECIMALS) / 10**DECIMALS, 1.0), 1.0)
        self.area.setMaximum(largest)
        self.area.set_pixel_area(pixel or PixelArea())
        self.histograms["iou"].show_values(every.predicted_iou, even_edges(iou, 1))
        self.histograms["stability"].show_values(every.stability_score, even_edges(stability, 1))
        self._show_background()
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

    def show_passing(self, shown: MaskSet | None, found: int) -> None:
        """Show the number of masks that pass the filters, see :meth:`show_count`.

        Parameters
        ----------
        shown : MaskSet or None
            The masks that pass, None before a search.
        found : int
            All candidates.
        """
        self._passing = shown
        passing = 0 if shown is None else len(shown)
        self.largest_button.setEnabled(passing > 1)
        self.show_count(passing, found)
        if shown is not None and not found:
            self.count.setText("Nothing was found.")

    def show_count(self, passing: int, found: int) -> None:
        """Show how many candidates pass; if none does, offer to loosen the filters.

        Parameters
        ----------
        passing, found : int
            Candidates that pass, and all of them; 0 before a search.
        """
        text = f"{passing} shown of {found} found" if found else ""
        none = found > 0 and passing == 0
        self.count.setText(f"None of {found} found passes the filters." if none else text)
        self.loosen_button.setVisible(none)

    def loosen(self) -> None:
        """Move the filters to let most candidates pass: nine of ten by each score, of any size."""
        if self._every is None or not len(self._every):
            return
        iou, stability = (
            float(np.floor(np.quantile(scores, 0.1) * 10**DECIMALS) / 10**DECIMALS)
            for scores in (self._every.predicted_iou, self._every.stability_score)
        )
        self.blockSignals(True)
        self.iou.setValue(min(iou, self.iou.value()))
        self.stability.setValue(min(stability, self.stability.value()))
        self.solidity.setValue(0)
        self.area.setValue((0, self.area.maximum()))
        self.border.setChecked(False)
        self.blockSignals(False)
        self._emit()

    def leave_out_largest(self) -> None:
        """Lower the largest area to just below that of the largest mask that passes."""
        if self._passing is not None and len(self._passing):
            low, _ = self.area.value()
            largest = int(self._passing.area.max()) - 1
            self.area.setValue((min(low, largest), largest))

    @property
    def _background_area(self) -> int:
        """The largest area of a mask that is no background, in pixels."""
        return int(BACKGROUND * self._pixels)

    def _on_background(self, left_out: bool) -> None:
        low, high = self.area.value()
        most = self._background_area
        high = min(high, most) if left_out else self.area.maximum()
        self.area.setValue((min(low, high), high))

    def _show_background(self) -> None:
        """Show whether the background is left out, and whether there is any."""
        there = self.area.maximum() > self._background_area
        self.background.setEnabled(there)
        self.background.setChecked(not there or self.area.value()[1] <= self._background_area)
        self.background.setToolTip(
            "Leave out masks of more than half of the plane"
            if there
            else "No mask that was found covers more than half of the plane"
        )

    def show_filters(self, filters: Filters) -> None:
        """Move the controls to filters.

        A control that is not moved afterwards keeps its exact value, also where a slider rounds it.
        """
        meant = asdict(filters)
        overlap = meant.pop("overlap")
        painting = {name: meant.pop(name) for name in self.painting}
        wanted = {
            name: self._of_search[name] if value is None else value for name, value in meant.items()
        }
        self.blockSignals(True)
        for name, slider in self._sliders.items():
            # Bounds beyond the candidates are shown, too: they leave out everything.
            slider.setMaximum(max(slider.maximum(), wanted[name]))
            slider.setValue(wanted[name])
        self.area.setMaximum(max(self.area.maximum(), wanted["min_area"]))
        self.area.setValue((wanted["min_area"], max(wanted["min_area"], wanted["max_area"])))
        self.border.setChecked(wanted["exclude_border"])
        self.overlap.set_parameter(overlap)
        for name, value in painting.items():
            self.painting[name].set_parameter(value)
        self.blockSignals(False)
        if self._every is not None:
            # Bounds beyond the candidates have made the axis longer.
            self.histograms["area"].show_values(self._every.area, self.area.edges)
        self._show_background()
        self._show_stability(wanted["stability_score_thresh"])
        self._put = {name: (value, meant[name]) for name, value in self._shown().items()}
        self._wanted = wanted
        self._show_exact()

    def _show_stability(self, bound: float) -> None:
        """Show the stability only where it tells masks apart; those of the finder all have 1."""
        scores = None if self._every is None else self._every.stability_score
        same = scores is not None and (scores == scores[:1]).all() and (scores >= bound).all()
        for part in self._stability_row:
            if part is not None:
                part.setVisible(not same)

    def _show_exact(self) -> None:
        """Name exact bounds in the tooltips of sliders that stand where they round them."""
        if not self._put:
            return
        for name, slider in self._sliders.items():
            put, exact = self._put[name][0], self._wanted[name]
            rounded = ""
            if slider.value() == put and round(exact, DECIMALS) != exact:
                rounded = repr(exact)
            slider.setToolTip(tooltip_of(self._infos[name], rounded))

    @property
    def _sliders(self) -> dict[str, Any]:
        """The sliders of one bound, by the name of their parameter."""
        return {
            "pred_iou_thresh": self.iou,
            "stability_score_thresh": self.stability,
            "box_nms_thresh": self.nms,
            "min_solidity": self.solidity,
        }

    def _shown(self) -> dict[str, Any]:
        """Return the positions of the controls of bounds."""
        low, high = self.area.value()
        return {
            **{name: slider.value() for name, slider in self._sliders.items()},
            "min_area": int(low),
            "max_area": int(high),
            "exclude_border": self.border.isChecked(),
        }

    @property
    def filters(self) -> Filters:
        """The filters at which the controls stand."""
        bounds: dict[str, Any] = {}
        for name, value in self._shown().items():
            put, meant = self._put.get(name, (None, None))
            if value == put:
                bounds[name] = meant
            elif name == "max_area" and value >= self.area.maximum():
                # At its end the slider lets everything through that the search did.
                bounds[name] = None
            else:
                bounds[name] = value
        painting: dict[str, Any] = {n: each.parameter for n, each in self.painting.items()}
        return Filters(**bounds, overlap=self.overlap.currentData(), **painting)

    def _emit(self, *_: Any) -> None:
        # The controls tell of their moves, too, while filters are being shown.
        if not self.signalsBlocked():
            self._show_exact()
            self._show_background()
            self.changed.emit(self.filters)


def _slider(info: ParameterInfo) -> Any:
    """Return a slider over the shares from 0 to 1 that a parameter can be."""
    slider: Any = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(info.low, min(info.high, 1.0))
    slider.setDecimals(DECIMALS)
    slider.setSingleStep(0.01)
    slider.setToolTip(tooltip_of(info))
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
