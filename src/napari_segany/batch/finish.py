"""From the finished planes of an image to its files, and to what the report says of it."""

import base64
import io
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from napari_segany.batch.plan import Item
from napari_segany.batch.records import Record, Stamp, Summary, Work, describe_output
from napari_segany.everything import resolve_stack
from napari_segany.io.read import open_image
from napari_segany.io.results import MeasuredPlane, ResultWriter
from napari_segany.recipe import Recipe

THUMBNAIL = 320
"""Pixels of a thumbnail's longer side."""

SCORE_BIN = 0.02


def finish(item: Item, recipe: Recipe, work: Work) -> Record:
    """Write the results of an image whose planes are all there; key and content stay empty.

    Planes are read one at a time, so memory does not grow with the stack.

    Raises
    ------
    SeganyError
        If a file cannot be written.
    """
    areas: Counter[int] = Counter()
    scores: Counter[int] = Counter()
    per_plane = []
    with open_image(item.path) as image:
        stamp = Stamp.of(image.files)
        layout, _ = resolve_stack(image.data, recipe)
        limits = None if isinstance(recipe.normalise, str) else recipe.normalise
        with ResultWriter(item.files, image.name, layout, image.pixel_size, limits) as writer:
            for index in layout.chosen():
                plane = work.load(layout.number(index))
                writer.add(plane, partial(layout.plane, image.data, index))
                _count(plane, areas, scores)
                per_plane.append(len(plane.masks))
            writer.save(recipe.to_json())
        summary = Summary(
            understood=image.describe(layout.axes),
            objects=writer.object_count,
            planes=layout.chosen_count,
            pictured=writer.pictured,
            area_histogram={str(2**n): areas[n] for n in sorted(areas)},
            score_histogram={f"{n * SCORE_BIN:.2f}": scores[n] for n in sorted(scores)},
            per_plane=per_plane,
        )
    return Record(
        image=str(item.path),
        stamp=asdict(stamp),
        outputs={path.name: describe_output(path) for path in item.files.all()},
        summary=summary,
        thumbnail=_thumbnail(item.files.overlay),
    )


def _count(plane: MeasuredPlane, areas: Counter[int], scores: Counter[int]) -> None:
    area = np.asarray(plane.columns["area"], float)
    areas.update(np.floor(np.log2(np.maximum(area, 1))).astype(int).tolist())
    iou = np.asarray(plane.masks.predicted_iou, float)
    scores.update(np.floor(np.nan_to_num(iou) / SCORE_BIN + 1e-6).astype(int).tolist())


def _thumbnail(overlay: Path) -> str:
    with Image.open(overlay) as picture:
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    small.save(file, format="JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
