"""Export of an evaluation: tables, scores, curves and sheets of examples."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segany.batch.plan import ReadOptions, chosen_layout
from napari_segany.core.intensity import to_rgb
from napari_segany.evaluation.binary_truth import prepare_truth
from napari_segany.evaluation.boundary_metrics import best_f
from napari_segany.evaluation.click_metrics import InteractiveModel
from napari_segany.evaluation.edge_detectors import EdgeDetector
from napari_segany.evaluation.kinds import Kinds, kinds_as_text, mean_over_kinds
from napari_segany.evaluation.plots import (
    draw_edge_row,
    draw_example,
    plot_boundaries,
    plot_clicks,
    plot_precision,
    save_sheet,
)
from napari_segany.evaluation.run import PlaneEvaluation
from napari_segany.evaluation.summary import (
    EvaluationSummary,
    as_text,
    counts_from_values,
    objects_csv,
    summarise,
)
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.io.atomic import writing
from napari_segany.io.read import open_image, stem
from napari_segany.io.safe_names import shown

WORST = 12
"""Examples on the sheet of worst objects."""

FILES = (
    *("evaluation.txt", "evaluation.json", "objects.csv", "clicks.png", "precision_recall.png"),
    *("worst.png", "edges.png", "edges_precision_recall.png"),
)
"""Names of all files that an evaluation may write."""

COUNTS = ("planes", "objects", "asked")
"""Values beside the scores of a model that are sums."""

EDGE_ROWS = 6
"""Images on the sheet of edges."""


def as_json(summaries: Mapping[str, EvaluationSummary]) -> dict[str, dict[str, float | None]]:
    """Return all scores as plain values for JSON, None where there was nothing to measure."""
    return {
        predictor: {
            "planes": summary.planes,
            "objects": summary.objects,
            "asked": summary.asked,
            **_known(summary.scores()),
        }
        for predictor, summary in summaries.items()
    }


def kinds_as_json(kinds: Kinds) -> dict[str, Any]:
    """Return scores by kind and their means over kinds as plain values; empty without kinds."""
    if not kinds:
        return {}
    scores = {predictor: as_json(groups) for predictor, groups in kinds.items()}
    means = {
        predictor: mean_over_kinds({kind: _without_counts(each) for kind, each in groups.items()})
        for predictor, groups in scores.items()
    }
    return {
        "kinds": scores,
        "mean_over_kinds": {predictor: _known(mean) for predictor, mean in means.items()},
    }


def planes_as_json(measured: Sequence[PlaneEvaluation]) -> list[dict[str, Any]]:
    """Return a row per plane and model as plain values: its name, and scores that are means."""
    rows = []
    for each in measured:
        (summary,) = summarise([each]).values()
        row: dict[str, Any] = {
            "predictor": each.predictor,
            "image": each.image,
            "plane": list(each.plane),
            "kind": each.kind,
            "objects": summary.objects,
            "asked": summary.asked,
            "seconds": each.values.get("seconds"),
        }
        rows.append(row | _known(summary.mean_scores()))
    return rows


def _without_counts(values: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: math.nan if value is None else value
        for name, value in values.items()
        if name not in COUNTS
    }


def _known(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in scores.items()}


def write_all(
    output: Path,
    summaries: Mapping[str, EvaluationSummary],
    measured: Sequence[PlaneEvaluation],
    settings: EvaluationSettings,
    about: Mapping[str, Any],
    kinds: Kinds,
) -> list[Path]:
    """Write table, scores, objects and curves; return the files.

    ``about`` has further entries of the JSON file. Files of an earlier run in the same folder that
    this run does not write are deleted.
    """
    content = {
        "settings": settings.to_dict(),
        **about,
        "scores": as_json(summaries),
        **kinds_as_json(kinds),
        "planes": planes_as_json(measured),
    }
    text = report_text(summaries, kinds)
    parts: list[tuple[str, Callable[[Path], object]]] = [
        ("evaluation.txt", lambda path: path.write_text(text, "utf-8")),
        (
            "evaluation.json",
            lambda path: path.write_text(
                json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8"
            ),
        ),
    ]
    if any(
        len(s.confident) or len(s.boxes) or s.instances or s.propagated for s in summaries.values()
    ):
        parts.append(("objects.csv", lambda path: path.write_text(objects_csv(measured), "utf-8")))
    if any(len(s.confident) for s in summaries.values()):
        parts.append(("clicks.png", lambda path: plot_clicks(summaries, path)))
    automatic = {predictor: s for predictor, s in summaries.items() if s.instances}
    if automatic:
        parts.append(("precision_recall.png", lambda path: plot_precision(automatic, path)))
    edges = {predictor: s for predictor, s in summaries.items() if s.boundaries}
    if edges:
        parts.append(("edges_precision_recall.png", lambda path: plot_boundaries(edges, path)))
    for name, write in parts:
        with writing(output / name) as temporary:
            write(temporary)
    for name in set(FILES) - {name for name, _ in parts}:
        (output / name).unlink(missing_ok=True)
    return [output / name for name, _ in parts]


def report_text(summaries: Mapping[str, EvaluationSummary], kinds: Kinds) -> str:
    """Format the table of all scores, and one by kind if images have kinds."""
    text = as_text(summaries)
    return f"{text}\n{kinds_as_text(kinds, summaries)}" if kinds else text


def write_worst(
    output: Path,
    measured: Sequence[PlaneEvaluation],
    pairs: Sequence[tuple[Path, Path]],
    model: InteractiveModel,
    options: ReadOptions,
    settings: EvaluationSettings,
    names: Mapping[Path, str] | None = None,
) -> Path | None:
    """Write a sheet of the objects with the worst first click; return None without clicks."""
    rows: list[tuple[float, PlaneEvaluation, Any]] = [
        (one["confident"][0], each, one)
        for each in measured
        if each.predictor == model.name
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
        plane, labels = _read_plane(*files[each.image], each.plane, options)
        mask = prepare_truth(labels, settings.binary_truth)[0] == one["label"]
        model.begin(plane)
        model.begin_object()
        masks, _ = model.click(np.array([one["first"]]), np.array([1]))
        text = f"{each.image} {one['label']}: {score:.2f}"
        examples.append(draw_example(to_rgb(plane), mask, masks[0], tuple(one["first"]), text))
    with writing(output / "worst.png") as temporary:
        save_sheet(examples, temporary)
    return output / "worst.png"


def _by_name(
    pairs: Sequence[tuple[Path, Path]], names: Mapping[Path, str] | None
) -> dict[str, tuple[Path, Path]]:
    """Return image and truth by the image's name."""
    called = names or {}
    return {shown(called.get(image, stem(image))): (image, truth) for image, truth in pairs}


def _read_plane(
    image_path: Path, truth_path: Path, index: tuple[int, ...], options: ReadOptions
) -> tuple[NDArray[np.generic], NDArray[Any]]:
    """Read a plane of an image, and the same plane of its truth."""
    with (
        open_image(image_path, axes=options.axes) as image,
        open_image(truth_path, stored=True) as truth,
    ):
        plane = chosen_layout(image, options).plane(image.data, index)
        return plane, np.asarray(truth.data[index])


def write_edges(
    output: Path,
    measured: Sequence[PlaneEvaluation],
    pairs: Sequence[tuple[Path, Path]],
    detectors: Sequence[EdgeDetector],
    options: ReadOptions,
    names: Mapping[Path, str] | None = None,
) -> Path | None:
    """Write a sheet of edges beside annotations, from best to worst; return None without edges."""
    mine = [
        (best_f(counts_from_values(each.values["edges"])), each)
        for each in measured
        if each.predictor == detectors[0].name and "edges" in each.values
    ]
    if not mine:
        return None
    mine.sort(key=lambda row: -row[0])
    steps = np.linspace(0, len(mine) - 1, min(EDGE_ROWS, len(mine))).round().astype(int)
    files = _by_name(pairs, names)
    cells: list[Image.Image] = []
    for score, each in (mine[k] for k in steps):
        plane, boundaries = _read_plane(*files[each.image], each.plane, options)
        drawn = boundaries > 0
        maps: dict[str, Any] = {
            "annotators": drawn.mean(axis=0) if drawn.ndim == 3 else drawn * 1.0
        }
        maps |= {detector.name: detector.edges(plane) for detector in detectors}
        cells += draw_edge_row(to_rgb(plane), maps, f"{each.image}: F {score:.2f}")
    with writing(output / "edges.png") as temporary:
        save_sheet(cells, temporary, across=len(detectors) + 2)
    return output / "edges.png"
