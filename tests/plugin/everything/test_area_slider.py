"""The slider of areas: logarithmic, in units, and exact in pixels."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_segany.plugin.everything.area_slider import STEPS, AreaSlider
from napari_segany.plugin.everything.histogram import BINS, Histogram
from napari_segany.plugin.everything.pixel_area import PixelArea, pixel_area
from napari_segany.plugin.layers.image_view import LayerView

pytestmark = pytest.mark.gui

HALF = PixelArea(0.25, "µm²")


@pytest.fixture
def slider(qtbot: Any) -> AreaSlider:
    made = AreaSlider()
    qtbot.addWidget(made)
    made.setMaximum(10_000)
    made.setValue((0, 10_000))
    return made


def test_equal_distances_are_equal_ratios(slider: AreaSlider) -> None:
    edges = slider.edges
    assert (edges[0], edges[-1], len(edges)) == (0, 10_000, BINS + 1)
    ratios = (edges[21:] + 1) / (edges[20:-1] + 1)
    assert np.allclose(ratios, ratios[0])
    slider._slider.setValue((STEPS // 2, STEPS))
    assert slider.value() == (99, 10_000)


def test_bounds_are_typed_in_units_and_kept_in_pixels(slider: AreaSlider, qtbot: Any) -> None:
    slider.set_pixel_area(HALF)
    assert (slider.unit.text(), slider.high.value()) == ("µm²", 2500)
    with qtbot.waitSignal(slider.valueChanged) as moved:
        slider.low.setValue(10.25)
    assert moved.args == [(41, 10_000)]
    slider.setValue((41, 777))
    assert slider.low.value() == 10.25
    assert slider.high.value() == pytest.approx(194.25)
    slider.high.setValue(100)
    assert slider.value() == (41, 400), "the other bound stays exact"


@pytest.mark.parametrize("size", [1e-6, 0.0107, 0.25, 3.0, 4.2e5])
def test_showing_bounds_does_not_move_them(slider: AreaSlider, size: float) -> None:
    slider.set_pixel_area(PixelArea(size, "µm²"))
    for bounds in ((3, 9_999), (0, 10_000), (17, 17), (1, 2)):
        slider.setValue(bounds)
        slider._on_typed(0.0)
        slider._on_moved(slider._slider.value())
        assert slider.value() == bounds


def test_bounds_stay_within_the_ends(slider: AreaSlider) -> None:
    slider.setValue((20_000, 30_000))
    assert slider.value() == (10_000, 10_000)
    slider.setMaximum(50)
    assert slider.value() == (50, 50)
    slider.setMaximum(0)
    assert slider.maximum() == 1


def test_the_histogram_has_the_axis_of_the_slider(slider: AreaSlider, qtbot: Any) -> None:
    histogram = Histogram(slider)
    qtbot.addWidget(histogram)
    histogram.show_values([1, 5, 99, 10_000], slider.edges)
    assert histogram.counts.sum() == 4
    slider.setValue((90, 7_000))
    assert histogram.counts[histogram.passing].sum() == 1


@pytest.mark.parametrize(
    ("kind", "plane", "wanted"),
    [
        ({}, (0, None, None), PixelArea()),
        ({"scale": (2, 3, 4)}, (0, None, None), PixelArea()),
        (
            {"scale": (2, 0.5, 0.25), "units": ("um", "um", "um")},
            (0, None, None),
            PixelArea(0.125, "µm²"),
        ),
        (
            {"scale": (2, 500, 0.25), "units": ("um", "nm", "um")},
            (0, None, None),
            PixelArea(125_000, "nm²"),
        ),
        (
            {"scale": (2, 0.5, 0.25), "units": ("um", "um", "um")},
            (None, 0, None),
            PixelArea(0.5, "µm²"),
        ),
    ],
)
def test_the_area_of_a_pixel(kind: Any, plane: Any, wanted: PixelArea) -> None:
    view = LayerView(Image(np.zeros((4, 5, 6), np.uint8), **kind))
    found = pixel_area(view, plane)
    assert (found.unit, found.size) == (wanted.unit, pytest.approx(wanted.size))
