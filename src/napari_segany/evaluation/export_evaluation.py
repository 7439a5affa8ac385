"""The files of an evaluation."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_segany.batch.plan import ReadOptions, chosen_layout
from napari_segany.core.intensity import to_rgb
from napari_segany.evaluation.binary_truth import taken_apart
from napari_segany.evaluation.boundary_metrics import best_f
from napari_segany.evaluation.click_metrics import Clicker
from napari_segany.evaluation.edge_detectors import EdgeFinder
from napari_segany.evaluation.plots import (
    edge_row,
    example,
    plot_boundaries,
    plot_clicks,
    plot_precision,
    sheet,
)
from napari_segany.evaluation.run import Measured
from napari_segany.evaluation.summary import Summary, as_counts, as_text, objects_csv
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.io.atomic import writing
from napari_segany.io.read import open_image, stem
from napari_segany.io.safe_names import shown

WORST = 12
"""Examples on the sheet."""

FILES = (
    *("evaluation.txt", "evaluation.json", "objects.csv", "clicks.png", "precision_recall.png"),
    *("worst.png", "edges.png", "edges_precision_recall.png"),
)
"""Everything that an evaluation may write."""

EDGE_ROWS = 6
"""Images on the sheet of edges."""


def as_json(summaries: Mapping[str, Summary]) -> dict[str, dict[str, float | None]]:
    """All scores as JSON has them; where there was nothing to measure there is no number."""
    return {
        who: {
            "planes": summary.planes,
            "objects": summary.objects,
            "asked": summary.asked,
            **{k: None if math.isnan(v) else v for k, v in summary.figures().items()},
        }
        for who, summary in summaries.items()
    }


def write_all(
    output: Path,
    summaries: Mapping[str, Summary],
    measured: Sequence[Measured],
    settings: EvaluationSettings,
    about: Mapping[str, Any],
) -> list[Path]:
    """Table, scores, objects and curves; returns what was written.

    ``about`` is what else is to be told of the run. Files of an earlier run in the same folder that
    this one does not write are deleted, as they are about something else.
    """
    content = {"settings": asdict(settings), **about, "scores": as_json(summaries)}
    parts: list[tuple[str, Callable[[Path], object]]] = [
        ("evaluation.txt", lambda path: path.write_text(as_text(summaries), "utf-8")),
        (
            "evaluation.json",
            lambda path: path.write_text(
                json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8"
            ),
        ),
    ]
    if any(len(s.confident) or len(s.boxes) for s in summaries.values()):
        parts.append(("objects.csv", lambda path: path.write_text(objects_csv(measured), "utf-8")))
    if any(len(s.confident) for s in summaries.values()):
        parts.append(("clicks.png", lambda path: plot_clicks(summaries, path)))
    automatic = {who: s for who, s in summaries.items() if s.instances}
    if automatic:
        parts.append(("precision_recall.png", lambda path: plot_precision(automatic, path)))
    edges = {who: s for who, s in summaries.items() if s.boundaries}
    if edges:
        parts.append(("edges_precision_recall.png", lambda path: plot_boundaries(edges, path)))
    for name, write in parts:
        with writing(output / name) as temporary:
            write(temporary)
    for name in set(FILES) - {name for name, _ in parts}:
        (output / name).unlink(missing_ok=True)
    return [output / name for name, _ in parts]


def write_worst(
    output: Path,
    measured: Sequence[Measured],
    pairs: Sequence[tuple[Path, Path]],
    clicker: Clicker,
    reading: ReadOptions,
    settings: EvaluationSettings,
    names: Mapping[Path, str] | None = None,
) -> Path | None:
    """A sheet of the objects that one click finds worst; None if nothing was clicked at."""
    rows: list[tuple[float, Measured, Any]] = [
        (one["confident"][0], each, one)
        for each in measured
        if each.who == clicker.name
        for one in each.values.get("clicks", ())
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: row[0])
    files = _by_name(pairs, names)
    examples: list[Image.Image] = []
    # An object of each plane first, so that one bad image is not the whole sheet.
    worst = {(row[1].image, row[1].plane): row for row in reversed(rows)}
    taken = {id(row) for row in worst.values()}
    first = [row for row in rows if id(row) in taken]
    rest = [row for row in rows if id(row) not in taken]
    for score, each, one in [*first, *rest][:WORST]:
        image_path, truth_path = files[each.image]
        with (
            open_image(image_path, axes=reading.axes) as image,
            open_image(truth_path, stored=True) as truth,
        ):
            layout = chosen_layout(image, reading)
            plane = layout.plane(image.data, each.plane)
            labels = np.asarray(truth.data[each.plane])
        mask = taken_apart(labels, settings.binary_truth)[0] == one["label"]
        clicker.begin(plane)
        clicker.begin_object()
        masks, _ = clicker.click(np.array([one["first"]]), np.array([1]))
        text = f"{each.image} {one['label']}: {score:.2f}"
        examples.append(example(to_rgb(plane), mask, masks[0], tuple(one["first"]), text))
    with writing(output / "worst.png") as temporary:
        sheet(examples, temporary)
    return output / "worst.png"


def _by_name(
    pairs: Sequence[tuple[Path, Path]], names: Mapping[Path, str] | None
) -> dict[str, tuple[Path, Path]]:
    """Image and truth by what the image is called."""
    called = names or {}
    return {shown(called.get(image, stem(image))): (image, truth) for image, truth in pairs}


def write_edges(
    output: Path,
    measured: Sequence[Measured],
    pairs: Sequence[tuple[Path, Path]],
    finders: Sequence[EdgeFinder],
    reading: ReadOptions,
    names: Mapping[Path, str] | None = None,
) -> Path | None:
    """A sheet of edges beside those that people drew, from best to worst; None without edges."""
    mine = [
        (best_f(as_counts(each.values["edges"])), each)
        for each in measured
        if each.who == finders[0].name and "edges" in each.values
    ]
    if not mine:
        return None
    mine.sort(key=lambda row: -row[0])
    steps = np.linspace(0, len(mine) - 1, min(EDGE_ROWS, len(mine))).round().astype(int)
    files = _by_name(pairs, names)
    cells: list[Image.Image] = []
    for score, each in (mine[k] for k in steps):
        image_path, truth_path = files[each.image]
        with (
            open_image(image_path, axes=reading.axes) as image,
            open_image(truth_path, stored=True) as truth,
        ):
            layout = chosen_layout(image, reading)
            plane = layout.plane(image.data, each.plane)
            drawn = np.asarray(truth.data[each.plane]) > 0
        maps: dict[str, Any] = {
            "annotators": drawn.mean(axis=0) if drawn.ndim == 3 else drawn * 1.0
        }
        maps |= {finder.name: finder.edges(plane) for finder in finders}
        cells += edge_row(to_rgb(plane), maps, f"{each.image}: F {score:.2f}")
    with writing(output / "edges.png") as temporary:
        sheet(cells, temporary, across=len(finders) + 2)
    return output / "edges.png"
