"""Images of a project, and labels that the finder in use proposes for them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.rasterize import paint
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams, require_finder
from napari_segany.generators.generate import generate_masks
from napari_segany.io.read import SUFFIXES
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import LabelParams
from napari_segany.training.project import LearnProject, doubt_of

Result = dict[str, Any]
"""What a training printed at its end: scores, hash, picture."""


def image_files(paths: list[Path]) -> list[Path]:
    """Return files, and the image files in folders; raise InputError if there is none."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [each for each in inside if each.suffix.casefold() in SUFFIXES]
    if not found:
        raise InputError("No image file was found there.")
    return found


def propose(
    model: PromptableModel, project: LearnProject, name: str, should_stop: ShouldStop
) -> tuple[NDArray[np.integer], float]:
    """Return labels that the finder in use proposes for an image, and the doubt about them."""
    params = FinderParams(finder=project.record.finder)
    require_finder(model, params.finder)
    rgb = project.read_image(name)
    masks = generate_masks(model, rgb, params, should_stop=should_stop, refilter=False)
    labels, _ = paint(masks, **asdict(LabelParams()))
    return labels, doubt_of(masks.predicted_iou)


def describe_result(result: Result) -> str:
    """Return the result of a training in a sentence or two."""
    if "msa_after" not in result:
        return "Trained. Too few objects are labelled to hold some back; look at new proposals."
    before, after = result["msa_before"], result["msa_after"]
    better = "better" if after > before else "not better; rather discard it"
    return (
        f"Trained in {result['seconds'] / 60:.1f} min. mSA on what was held back: {before:.2f} "
        f"before, {after:.2f} after: {better}."
    )
