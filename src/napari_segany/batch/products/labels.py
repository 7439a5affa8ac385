"""The product of labels: one plane at a time, then the result files and their summary."""

import base64
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from napari_segany.batch.manifest import (
    Fingerprint,
    Output,
    Record,
    Summary,
    describe_output,
    image_location,
)
from napari_segany.batch.plane_codec import from_bytes, to_bytes
from napari_segany.batch.protocol import FinishedImage, PlaneInput
from napari_segany.batch.result_metadata import recipe_with_result
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.io.read import open_image
from napari_segany.io.result_files import MeasuredPlane, ResultFiles, ResultWriter, measure_result
from napari_segany.models.protocol import PromptableModel
from napari_segany.segmentation import resolve_stack, segment_plane

THUMBNAIL = 320
"""Length of a thumbnail's longer side in pixels."""

SCORE_BIN = 0.02
"""Width of the bins of predicted IoU in the report."""


@dataclass(frozen=True)
class LabelsProduct:
    """The product that makes a label image, table, overlay and recipe of each image."""

    name: str = ""
    noun: str = "object"

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Segment and measure one plane; return it as :mod:`.plane_codec` encodes it."""
        image, layout = plane.image, plane.layout
        found = segment_plane(
            image.data,
            layout,
            plane.recipe,
            model,
            plane.index,
            region=plane.region,
            progress=progress,
            should_stop=should_stop,
        )
        planes = found.index, found.image, found.labels, found.masks
        kept = measure_result(*planes, image.pixel_size, layout.channels)
        # The image is not needed any more, and packing the rest takes as much memory.
        del found, planes
        return to_bytes(kept)

    def decode(self, content: bytes) -> MeasuredPlane:
        """Decode one measured plane."""
        return from_bytes(content)

    def finish(self, image: FinishedImage[MeasuredPlane]) -> Record:
        """Write the results of an image; planes are read one at a time to limit memory."""
        return _finish(image)


LABELS_PRODUCT = LabelsProduct()


def _finish(finished: FinishedImage[MeasuredPlane]) -> Record:
    item, recipe, content = finished.item, finished.recipe, finished.content
    files = item.files
    assert isinstance(files, ResultFiles)
    areas: Counter[int] = Counter()
    scores: Counter[int] = Counter()
    per_plane = []
    outputs: dict[str, Output] = {}

    def provenance(others: Mapping[Path, Path]) -> str:
        # Before they get their names, which does not change them: each is read once.
        outputs.update({path.name: describe_output(at) for path, at in others.items()})
        return recipe_with_result(recipe, item.path, content, outputs)

    with open_image(item.path, axes=recipe.axes) as image:
        fingerprint = Fingerprint.of(image.files)
        layout, _ = resolve_stack(image.data, recipe)
        limits = None if isinstance(recipe.normalise, str) else recipe.normalise
        about = image.name, layout, image.pixel_size, limits, image.path.name
        with ResultWriter(files, *about) as writer:
            for index in layout.chosen():
                plane = finished.load(layout.number(index))
                if plane is None:
                    per_plane.append(0)
                    continue
                writer.add(plane, partial(layout.plane, image.data, index))
                _count(plane, areas, scores)
                per_plane.append(len(plane.masks))
                # Only the writer knows whether its labels are still needed.
                del plane
            writer.save(provenance)
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
        image=image_location(item.path),
        content=content,
        stamp=fingerprint,
        outputs=outputs | {files.provenance.name: describe_output(files.provenance)},
        summary=summary,
        thumbnail=_thumbnail(files.overlay),
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
