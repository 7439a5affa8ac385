"""Edge maps of everything, plane by plane, and then as one file an image."""

import hashlib
import io
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.inputs import EDGES
from napari_segany.batch.manifest import (
    Fingerprint,
    PlaneCheckpoint,
    Record,
    Summary,
    describe_output,
    where,
)
from napari_segany.batch.plan import Item, MapFiles
from napari_segany.batch.result_metadata import recipe_with_result
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.errors import SeganyError
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.io.atomic import writing
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.io.write_tiff import save_planes
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack
from napari_segany.zero_shot.edges import EDGE_NMS, EDGE_POINTS, find_edges

Map = NDArray[np.float32]


def edge_params(points_per_side: int = EDGE_POINTS) -> AutomaticParams:
    """What a recipe says of an edge map."""
    return AutomaticParams(
        points_per_side=points_per_side,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.0,
        box_nms_thresh=EDGE_NMS,
        nms="box",
        min_area=0,
        max_area_fraction=1.0,
    )


def edge_files(folder: Path, name: str, thin: bool) -> MapFiles:
    """Where the edge map of an image called ``name`` goes: OME-TIFF, float32, 0..1."""
    main, provenance = folder / f"{name}{EDGES}", folder / f"{name}_edges_recipe.json"
    return MapFiles(main, provenance, name, (("thin", thin),))


@dataclass(frozen=True)
class EdgesProduct:
    """An edge map of every image; see :class:`Product`."""

    thin: bool = True
    name: str = "edges"
    noun: str = ""

    def compute(
        self,
        image: OpenedImage,
        layout: StackLayout,
        recipe: Recipe,
        model: PromptableModel,
        index: tuple[int, ...],
        *,
        region: Any = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """The map of one plane, compressed."""
        found = find_edges(
            model,
            layout.read(image.data, index),
            points_per_side=recipe.point_params().points_per_side,
            thin=self.thin,
            limits=None if isinstance(recipe.normalise, str) else recipe.normalise,
            progress=progress,
            should_stop=should_stop,
        )
        file = io.BytesIO()
        np.savez_compressed(file, edges=found)
        return file.getvalue()

    def decode(self, content: bytes) -> Map:
        """See :class:`Product`."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                found: Map = arrays["edges"]
                return found
        # A damaged zip file fails in many ways.
        except Exception as error:
            raise SeganyError(
                f"A finished plane cannot be read ({error}); it is done again."
            ) from error

    def finish(
        self,
        item: Item,
        recipe: Recipe,
        work: PlaneCheckpoint[Map],
        content: str,
        empty: Container[int],
    ) -> Record:
        """See :class:`Product`; planes that were not asked for are black."""
        files = item.files
        assert isinstance(files, MapFiles)
        with open_image(item.path, axes=recipe.axes) as image:
            stamp = Fingerprint.of(image.files)
            layout, _ = resolve_stack(image.data, recipe)
            chosen = set(layout.chosen())

            def planes() -> Iterator[Map]:
                for index in layout.indices():
                    number = layout.number(index)
                    if index in chosen and number not in empty:
                        yield work.load(number)
                    else:
                        yield np.zeros(layout.labels_shape[-2:], np.float32)

            total = hashlib.sha256()
            for plane in planes():
                total.update(plane.tobytes())
            with writing(files.main) as edges, writing(files.provenance) as provenance:
                save_planes(
                    edges,
                    planes(),
                    layout.labels_axes,
                    layout.labels_shape,
                    np.dtype(np.float32),
                    image.pixel_size,
                    image.name,
                    total.digest(),
                )
                outputs = {files.main.name: describe_output(edges)}
                text = recipe_with_result(recipe, item.path, content, outputs)
                provenance.write_text(text, "utf-8")
            understood = image.describe(layout.axes)
        return Record(
            image=where(item.path),
            content=content,
            stamp=stamp,
            outputs=outputs | {files.provenance.name: describe_output(files.provenance)},
            summary=Summary(understood=understood, planes=layout.chosen_count),
        )
