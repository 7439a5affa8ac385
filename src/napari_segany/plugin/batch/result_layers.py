"""Layers of a batch's images and labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari.layers import Layer

from napari_segany.batch.plan import Outcome
from napari_segany.errors import InputError
from napari_segany.plugin.layers.reader_writer import read, read_images


def result_layers(path: Path, outcomes: Sequence[Outcome]) -> list[Any]:
    """Return layers of an image and of its labels.

    Parameters
    ----------
    path : Path
        The image.
    outcomes : sequence of Outcome
        Outcomes of a batch, that of the image among them.

    Raises
    ------
    InputError
        If the image has no labels yet.
    """
    outcome = next((each for each in outcomes if each.path == path), None)
    if outcome is None or outcome.files is None or not outcome.files.all()[0].exists():
        raise InputError(f"{path.name} has no labels yet.")
    # napari's own reader ignores the pixel size.
    described = (*read_images(path), *read(str(outcome.files.all()[0])))
    return [Layer.create(values, given, kind) for values, given, kind in described]
