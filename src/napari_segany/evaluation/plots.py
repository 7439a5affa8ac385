"""Plots of an evaluation's curves, and images of its worst examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from scipy import ndimage

from napari_segany.errors import InputError
from napari_segany.evaluation.boundary_metrics import precision_recall_curve
from napari_segany.evaluation.summary import EvaluationSummary
from napari_segany.io.overlay import COLOURS

SIDE = 220
"""Pixels along the side of each example."""

ACROSS = 6
"""Examples in a row of the sheet."""

TRUE, ANSWERED = tuple(COLOURS[3].tolist()), tuple(COLOURS[0].tolist())
"""Colours of the true outline and of the predicted one."""


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError('Plots need matplotlib: pip install "napari-segany[evaluate]".') from error
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y, ylim=(0, 1))
    axes.grid(alpha=0.3)
    return figure, axes


def plot_clicks(summaries: Mapping[str, EvaluationSummary], path: Path) -> None:
    """Plot mean IoU over clicks, of the confident mask and of the best mask."""
    figure, axes = _axes("Clicks", "clicks", "mean IoU")
    for number, (predictor, summary) in enumerate(summaries.items()):
        if not len(summary.confident):
            continue
        clicks = np.arange(1, summary.confident.shape[1] + 1)
        colour = COLOURS[number % len(COLOURS)] / 255
        axes.plot(clicks, summary.confident.mean(axis=0), color=colour, marker="o", label=predictor)
        axes.plot(
            clicks, summary.oracle.mean(axis=0), color=colour, ls=":", label=f"{predictor}, oracle"
        )
    axes.legend()
    figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def plot_precision(summaries: Mapping[str, EvaluationSummary], path: Path) -> None:
    """Plot precision over recall at an IoU of 0.5, over the ranking of all masks."""
    figure, axes = _axes("Everything", "recall", "precision")
    for number, (predictor, summary) in enumerate(summaries.items()):
        recall, precision = summary.detections.curve()
        axes.plot(recall, precision, color=COLOURS[number % len(COLOURS)] / 255, label=predictor)
    axes.set_xlim(0, 1)
    axes.legend()
    figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def plot_boundaries(summaries: Mapping[str, EvaluationSummary], path: Path) -> None:
    """Plot precision over recall of edges, a point per threshold."""
    figure, axes = _axes("Edges", "recall", "precision")
    for number, (predictor, summary) in enumerate(summaries.items()):
        precision, recall = precision_recall_curve(summary.boundaries)
        axes.plot(recall, precision, color=COLOURS[number % len(COLOURS)] / 255, label=predictor)
    axes.set_xlim(0, 1)
    axes.legend()
    figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def draw_edge_row(
    rgb: NDArray[np.uint8], maps: Mapping[str, NDArray[np.floating]], text: str
) -> list[Image.Image]:
    """Draw a row of the sheet of edges: the image, and the edge maps in 0..1."""
    pictures = [(text, Image.fromarray(np.ascontiguousarray(rgb)))]
    for name, strength in maps.items():
        # Lines as wide as a pixel would vanish in a smaller picture.
        wide = ndimage.grey_dilation(strength, size=(2, 2))
        pictures.append((name, Image.fromarray((255 * (1 - wide)).astype(np.uint8))))
    out = []
    for name, picture in pictures:
        picture = ImageOps.contain(picture, (SIDE, SIDE))
        cell = Image.new("RGB", (SIDE, picture.height + 16), "#202020")
        cell.paste(picture.convert("RGB"), (0, 0))
        ImageDraw.Draw(cell).text((3, picture.height + 2), name, fill="white")
        out.append(cell)
    return out


def draw_example(
    rgb: NDArray[np.uint8],
    truth: NDArray[np.bool_],
    answer: NDArray[np.bool_],
    point: tuple[float, float],
    text: str,
) -> Image.Image:
    """Draw a crop around an object with its true and predicted outline, the click and a text."""
    rows, cols = np.nonzero(truth)
    reach = int(max(np.ptp(rows), np.ptp(cols)) * 0.8) + 8
    middle = int(rows.mean()), int(cols.mean())
    top, left = max(middle[0] - reach, 0), max(middle[1] - reach, 0)
    part = np.s_[top : middle[0] + reach, left : middle[1] + reach]
    factor = SIDE / max(rgb[part].shape[:2])
    size = [max(1, round(n * factor)) for n in rgb[part].shape[:2]]
    picture = np.asarray(
        Image.fromarray(np.ascontiguousarray(rgb[part])).resize((size[1], size[0]))
    ).copy()
    at_rows = np.minimum((np.arange(size[0]) / factor).astype(int), rgb[part].shape[0] - 1)
    at_cols = np.minimum((np.arange(size[1]) / factor).astype(int), rgb[part].shape[1] - 1)
    for mask, colour in ((answer, ANSWERED), (truth, TRUE)):
        enlarged = mask[part][np.ix_(at_rows, at_cols)]
        edge = enlarged & ~ndimage.binary_erosion(enlarged, iterations=2)
        picture[edge] = colour
    out = Image.new("RGB", (SIDE, SIDE + 16), "black")
    out.paste(Image.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(out)
    row, col = (point[0] - top) * factor, (point[1] - left) * factor
    draw.ellipse([col - 4, row - 4, col + 4, row + 4], outline="white", width=2)
    draw.text((3, SIDE + 2), text, fill="white")
    return out


def save_sheet(examples: Sequence[Image.Image], path: Path, across: int = ACROSS) -> None:
    """Save all examples on one sheet, a number of them in a row."""
    across = min(across, max(len(examples), 1))
    rows = [examples[n : n + across] for n in range(0, len(examples), across)]
    heights = [max(each.height for each in row) + 4 for row in rows]
    whole = Image.new("RGB", (across * (SIDE + 4), sum(heights) or 1), "#202020")
    for number, row in enumerate(rows):
        for n, each in enumerate(row):
            whole.paste(each, (n * (SIDE + 4), sum(heights[:number])))
    whole.save(path, format="PNG")
