"""Labelled planes of image files and of the label images that belong to them."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_segany.batch.inputs import find_inputs
from napari_segany.batch.plan import ReadOptions, chosen_layout
from napari_segany.core.intensity import to_rgb
from napari_segany.core.notes import note
from napari_segany.errors import InputError
from napari_segany.evaluation.run import EvaluationFailure, pair_files
from napari_segany.io.read import open_image
from napari_segany.training.labelled_planes import LabelledPlane, label_plane

logger = logging.getLogger(__name__)


def read_labelled(
    inputs: Sequence[str], truth: Path, options: ReadOptions | None = None
) -> list[LabelledPlane]:
    """Read all planes of images whose labels have an object.

    Planes without one are left out, as in a stack of which a few planes are labelled; a note says
    so.

    Parameters
    ----------
    inputs : sequence of str
        Image files, folders and patterns.
    truth : Path
        A label image, or the folder of those of the same names. Negative labels are unknown.
    options : ReadOptions, optional
        Options of reading images.

    Raises
    ------
    InputError
        If an image has no labels, labels do not fit, or nothing is labelled.
    """
    if not truth.exists():
        raise InputError(f"There is no file or folder {truth}.")
    options = options or ReadOptions()
    planes: list[LabelledPlane] = []
    empty = 0
    for pair in pair_files(find_inputs(inputs, apart=[truth]), truth):
        if isinstance(pair, EvaluationFailure):
            raise InputError(pair.error)
        with (
            open_image(pair[0], axes=options.axes) as image,
            open_image(pair[1], stored=True) as ids,
        ):
            layout = chosen_layout(image, options)
            if ids.shape != layout.labels_shape or ids.dtype.kind not in "iub":
                raise InputError(
                    f"{ids.path} is {ids.dtype.name} of shape {ids.shape}; the labels of "
                    f"{image.path.name} are whole numbers of shape {layout.labels_shape}."
                )
            for index in layout.chosen():
                labels = np.asarray(ids.data[index]).astype(np.int64)
                if not (labels > 0).any():
                    empty += 1
                    continue
                place = "".join(f" {n}" for n in index)
                rgb = to_rgb(layout.read(image.data, index))
                planes.append(label_plane(f"{pair[0].name}{place}", rgb, labels))
    if not planes:
        raise InputError(f"No object is labelled in {truth}: all labels are 0 or negative.")
    if empty:
        note(logger, f"{empty} planes without a labelled object are left out.")
    return planes
