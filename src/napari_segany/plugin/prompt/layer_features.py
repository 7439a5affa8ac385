"""Features of prompt layers, and the rows of points and shapes that open objects have there."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.shape_prompts import are_signs
from napari_segany.plugin.layers.transforms import in_layer
from napari_segany.plugin.shared import colours
from napari_segany.session.state import SegmentedObject

POSITIVE, NEGATIVE = "positive", "negative"
SYMBOLS = {POSITIVE: "disc", NEGATIVE: "cross"}
COLOURS = {POSITIVE: colours.POSITIVE, NEGATIVE: colours.NEGATIVE}

SCRIBBLES = ("add_line", "add_path", "add_polyline")
OUTLINES = {
    "add_rectangle": "a box",
    "add_ellipse": "an ellipse",
    "add_polygon_lasso": "an outline",
}
"""Modes of napari's shapes layers."""

NEW = 0
"""Object number of points and shapes that belong to no object yet."""


def sign_column(features: Any) -> Any:
    """Return the feature of another layer that holds the signs of points, None without one."""
    if "sign" in features:
        return features["sign"]
    return features["label"] if "label" in features and are_signs(features["label"]) else None


def column(layer: Any, name: str, default: Any) -> NDArray[Any]:
    """Return a feature of each point or shape of a layer."""
    if name in layer.features and len(layer.features) == len(layer.data):
        values = layer.features[name]
        return np.asarray(values.where(values.notna(), default))
    return np.array([default] * len(layer.data), object)


def no_rows() -> dict[str, NDArray[Any]]:
    """Return the features of a prompt layer without points or shapes."""
    return {"object": np.zeros(0, int), "sign": np.zeros(0, object)}


def rows_of_points(
    objects: Iterable[SegmentedObject],
) -> tuple[NDArray[np.float64] | None, dict[str, list[Any]]]:
    """Return coordinates and features of the points of open objects; None without a point."""
    data: list[NDArray[np.float64]] = []
    features: dict[str, list[Any]] = {"object": [], "sign": []}
    for each in objects:
        prompt = each.prompt
        if prompt.points is not None and prompt.labels is not None:
            data.append(in_layer(each.plane, prompt.points))
            features["object"] += [each.id] * len(prompt.points)
            features["sign"] += [POSITIVE if on else NEGATIVE for on in prompt.labels]
    return (np.concatenate(data) if data else None), features


def rows_of_boxes(
    objects: Iterable[SegmentedObject],
) -> tuple[list[NDArray[np.float64]], dict[str, list[Any]]]:
    """Return corners and features of the boxes of open objects."""
    data: list[NDArray[np.float64]] = []
    features: dict[str, list[Any]] = {"object": [], "sign": []}
    for each in objects:
        if each.prompt.box is not None:
            a, b, c, d = each.prompt.box
            data.append(in_layer(each.plane, [[a, b], [a, d], [c, d], [c, b]]))
            features["object"].append(each.id)
            features["sign"].append(POSITIVE)
    return data, features
