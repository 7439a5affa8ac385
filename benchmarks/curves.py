"""How the seconds of an automatic run grow with its points and with its image."""

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from napari_segany import AutomaticParams
from napari_segany.generators.generate import generate_masks
from napari_segany.models.protocol import Embedding
from napari_segany.models.sam.model import SamModel
from stages import DECODING, DRAWING, Stopwatch

PER_SIDE = (8, 11, 16, 23, 32)
"""Grids nearest to 64, 128, 256, 512 and 1024 points."""

SIDES = (256, 512, 1024, 2048, 4096)
SIDES_AT = 16
"""Points a side on images of all sizes."""

Row = dict[str, Any]


def _split(model: SamModel, rgb: np.ndarray, params: AutomaticParams, embedding: Embedding) -> Row:
    """Seconds of one run, and how many went into decoding and drawing."""
    with Stopwatch(model.device) as watch:
        found = generate_masks(model, rgb, params, embedding=embedding, refilter=False)
    elapsed = watch.elapsed()
    return {
        "points": found.prompts_asked,
        "side": rgb.shape[0],
        "masks": len(found),
        "seconds": watch.seconds,
        "decoding": sum(elapsed.get(stage, 0) for stage in DECODING),
        "drawing": sum(elapsed.get(stage, 0) for stage in DRAWING),
    }


def _print(row: Row) -> Row:
    print(
        f"  {row['points']:5} points, {row['side']:4} rows, {row['masks']:4} masks: "
        f"{row['seconds']:8.4f} s, decoding {row['decoding']:8.4f} s, "
        f"drawing {row['drawing']:8.4f} s",
        flush=True,
    )
    return row


def straightness(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Slope, intercept and R^2 of a straight line through some points."""
    slope, intercept = np.polyfit(x, y, 1)
    left = y - (slope * x + intercept)
    spread = ((y - y.mean()) ** 2).sum()
    return float(slope), float(intercept), float(1 - (left**2).sum() / spread)


def by_points(model: SamModel, rgb: np.ndarray, params: AutomaticParams) -> Row:
    """Grids up to that of ``params`` on one embedded image."""
    embedding = model.embed(rgb)
    grids = [n for n in PER_SIDE if n <= params.points_per_side] or [2, 3, params.points_per_side]
    _split(model, rgb, replace(params, points_per_side=4), embedding)
    rows = [
        _print(_split(model, rgb, replace(params, points_per_side=n), embedding)) for n in grids
    ]
    x, y = (np.array([row[name] for row in rows], float) for name in ("points", "seconds"))
    fit: Row = {}
    if len(rows) > 2:
        fit = dict(zip(("slope", "intercept", "r2"), straightness(x, y), strict=True))
        print(
            f"  straight line: {1000 * fit['slope']:.3f} ms a point and {fit['intercept']:.4f} s, "
            f"R^2 {fit['r2']:.5f}"
        )
    return {"rows": rows, "fit": fit}


def by_side(model: SamModel, rgb: np.ndarray, params: AutomaticParams) -> list[Row]:
    """One image resized to squares, each embedded before."""
    few = replace(params, points_per_side=min(SIDES_AT, params.points_per_side))
    rows = []
    for side in SIDES:
        square = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC))
        embedding = model.embed(square)
        # What prompts share is computed before the clock starts.
        _split(model, square, replace(few, points_per_side=1), embedding)
        rows.append(_print(_split(model, square, few, embedding)))
    return rows
