"""Addition of layers, and the tools that draw into labels, which napari makes when needed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Points
from tests.plugin.windows import click, drag, needs_a_display

from napari_segany.plugin.layers.adding import DRAWING_TOOLS, add_layer

TRIANGLE = ((20, 30), (60, 90), (90, 40))


def names(viewer: Any) -> list[str]:
    return [each.name for each in viewer.layers]


def make_labels(name: str) -> Labels:
    return Labels(np.zeros((120, 160), np.int32), name=name)


def tools_of(layer: Any) -> list[bool]:
    return [layer._overlays[name].visible for name in DRAWING_TOOLS]


def test_a_layer_comes_above_all_others_and_is_selected(viewer: Any) -> None:
    image = add_layer(viewer, Image(np.zeros((120, 160)), name="image"))
    labels = add_layer(viewer, make_labels("labels"))
    assert names(viewer) == ["image", "labels"]
    assert viewer.layers.selection.active is labels
    # What napari does anyway.
    viewer.layers.selection = {image}
    plain = viewer.add_layer(make_labels("plain"))
    assert viewer.layers.selection == {plain}


def test_a_layer_has_its_place_and_the_selection_stays(viewer: Any) -> None:
    image = add_layer(viewer, Image(np.zeros((120, 160)), name="image"), activate=False)
    assert viewer.layers.selection.active is None
    points = add_layer(viewer, Points(ndim=2, name="points"))
    seen: list[Any] = []
    viewer.layers.selection.events.active.connect(lambda event: seen.append(event.value))
    add_layer(viewer, make_labels("labels"), 1, activate=False)
    assert names(viewer) == ["image", "labels", "points"]
    assert viewer.layers.selection.active is points
    assert not seen
    viewer.layers.selection = {image, points}
    add_layer(viewer, make_labels("more"), activate=False)
    assert viewer.layers.selection == {image, points}
    # Layers that others add are selected as before.
    added = viewer.add_layer(make_labels("others"))
    assert viewer.layers.selection.active is added


def test_without_napari_s_switch_the_selection_is_restored() -> None:
    """A version of napari that always selects a new layer."""
    selection = SimpleNamespace(active="image")

    class Layers(list[str]):
        def insert(self, index: Any, value: str) -> None:
            super().insert(index, value)
            selection.active = value

    layers = Layers(["image"])
    layers.selection = selection  # type: ignore[attr-defined]
    add_layer(SimpleNamespace(layers=layers), "labels", activate=False)
    assert layers == ["image", "labels"]
    assert selection.active == "image"


@pytest.mark.parametrize(("mode", "shown"), [("polygon", [True, False]), ("paint", [False, True])])
def test_a_tool_is_shown_once_its_mode_is_chosen(viewer: Any, mode: str, shown: list[bool]) -> None:
    layer = add_layer(viewer, make_labels("labels"))
    assert tools_of(layer) == [False, False]
    for other in ("erase", "fill", "pick", "pan_zoom"):
        layer.mode = other
    assert tools_of(layer) == [False, False]
    layer.mode = mode
    assert tools_of(layer) == shown
    layer.mode = "pan_zoom"
    assert tools_of(layer) == shown
    layer.mode = "paint" if mode == "polygon" else "polygon"
    assert tools_of(layer) == [True, True]


def test_a_mode_that_was_chosen_before_keeps_its_tool(viewer: Any) -> None:
    layer = make_labels("labels")
    layer.mode = "polygon"
    add_layer(viewer, layer)
    assert tools_of(layer) == [True, False]


@pytest.mark.gui
@needs_a_display
def test_tools_draw_as_in_a_layer_of_napari(window: Any, qtbot: Any) -> None:
    viewer = window
    viewer.add_image(np.zeros((120, 160)))
    ours = add_layer(viewer, make_labels("ours"))
    visuals = viewer.window._qt_viewer.canvas._layer_overlay_to_visual
    made = [type(each).__name__ for each in visuals[ours]]
    assert not [name for name in made if name.startswith("Labels")]
    theirs = viewer.add_labels(np.zeros((120, 160), np.int32))
    drawn = {}
    for layer in (ours, theirs):
        viewer.layers.selection.active = layer
        layer.mode = "polygon"
        for row, col in TRIANGLE:
            click(qtbot, viewer, row, col)
        layer._overlays["polygon"].add_polygon_to_labels(layer)
        layer.mode, layer.brush_size = "paint", 6
        drag(qtbot, viewer, (100, 20), (100, 60), (110, 90))
        drawn[layer] = layer.data.copy()
    assert drawn[ours].sum() > 1000
    assert np.array_equal(drawn[ours], drawn[theirs])
    made = sorted(type(each).__name__ for each in visuals[ours])
    assert made == ["LabelsBrushStrokeOverlay", "LabelsPolygonOverlay"]
