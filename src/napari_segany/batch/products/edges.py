"""The product of edge maps: one plane at a time, then one file for each image."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.inputs import EDGES
from napari_segany.batch.manifest import Record
from napari_segany.batch.plan import MapFiles
from napari_segany.batch.products.single_file import write_single_file
from napari_segany.batch.protocol import FinishedImage, PlaneInput
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.core.stored_arrays import from_stored, to_stored
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.io.read import OpenedImage
from napari_segany.io.write_tiff import save_planes
from napari_segany.models.protocol import PromptableModel
from napari_segany.zero_shot.edges import EDGE_NMS, EDGE_POINTS, find_edges

Map = NDArray[np.float32]


def edge_params(points_per_side: int = EDGE_POINTS) -> AutomaticParams:
    """Return the parameters that the recipe of an edge map holds."""
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
    """Return the files of an edge map: OME-TIFF, float32, 0..1, and its recipe."""
    main, provenance = folder / f"{name}{EDGES}", folder / f"{name}_edges_recipe.json"
    return MapFiles(main, provenance, name, (("thin", thin),))


@dataclass(frozen=True)
class EdgesProduct:
    """The product that makes an edge map of each image."""

    thin: bool = True
    name: str = "edges"
    noun: str = ""
    tiled: bool = False

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Compute the edge map of one plane; return it compressed."""
        found = find_edges(
            model,
            plane.read(),
            points_per_side=plane.recipe.point_params().points_per_side,
            thin=self.thin,
            limits=plane.limits,
            progress=progress,
            should_stop=should_stop,
        )
        return to_stored({"edges": found})

    def decode(self, content: bytes) -> Map:
        """Decode the edge map of one plane."""
        with from_stored(content) as arrays:
            found: Map = arrays["edges"]
            return found

    def finish(self, image: FinishedImage[Map]) -> Record:
        """Write the edge map of an image; planes that are not selected are black."""

        def write(path: Path, opened: OpenedImage, layout: StackLayout) -> int:
            chosen = set(layout.chosen())

            def planes() -> Iterator[Map]:
                for index in layout.indices():
                    found = image.load(layout.number(index)) if index in chosen else None
                    if found is None:
                        found = np.zeros(layout.labels_shape[-2:], np.float32)
                    yield found

            total = hashlib.sha256()
            for plane in planes():
                total.update(plane.tobytes())
            save_planes(
                path,
                planes(),
                layout.labels_axes,
                layout.labels_shape,
                np.dtype(np.float32),
                opened.pixel_size,
                opened.name,
                total.digest(),
            )
            return 0

        return write_single_file(image, write)
