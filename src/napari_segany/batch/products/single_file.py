"""Result files of products that write one file for each image: edge maps and proposals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_segany.batch.manifest import (
    Fingerprint,
    Record,
    Summary,
    describe_output,
    image_location,
)
from napari_segany.batch.plan import MapFiles
from napari_segany.batch.protocol import FinishedImage
from napari_segany.batch.result_metadata import recipe_with_result
from napari_segany.core.planes import StackLayout
from napari_segany.io.atomic import writing
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.segmentation import resolve_stack

WriteResult = Callable[[Path, OpenedImage, StackLayout], int]
"""Writes the result of an image to a path; returns the number of objects."""


def write_single_file(finished: FinishedImage[Any], write_result: WriteResult) -> Record:
    """Write the result of an image and its recipe; return the record, whose key is empty."""
    item, recipe, files = finished.item, finished.recipe, finished.item.files
    assert isinstance(files, MapFiles)
    with open_image(item.path, axes=recipe.axes) as image:
        fingerprint = Fingerprint.of(image.files)
        layout, _ = resolve_stack(image.data, recipe)
        with writing(files.main) as main, writing(files.provenance) as provenance:
            objects = write_result(main, image, layout)
            outputs = {files.main.name: describe_output(main)}
            text = recipe_with_result(recipe, item.path, finished.content, outputs)
            provenance.write_text(text, "utf-8")
        understood = image.describe(layout.axes)
    return Record(
        image=image_location(item.path),
        content=finished.content,
        stamp=fingerprint,
        outputs=outputs | {files.provenance.name: describe_output(files.provenance)},
        summary=Summary(understood=understood, objects=objects, planes=layout.chosen_count),
    )
