"""Recipe files, and segmentation of an image by a recipe: the command line's labels in Python."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import axes_fit, guess_axes
from napari_segany.core.sequences import as_array
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.read import open_image
from napari_segany.models.device import choose_device
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.registry import load_model
from napari_segany.recipe import Recipe
from napari_segany.segmentation import label_everything


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe from its file.

    Raises
    ------
    InputError
        If the file cannot be read, or is no recipe.
    """
    try:
        return Recipe.from_json(Path(path).read_bytes())
    except OSError as error:
        raise InputError(
            f"The recipe {path} cannot be read ({error.strerror or error})."
        ) from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def device_of(recipe: Recipe) -> str:
    """Return a device of the recipe's kind, or "auto" if there is none."""
    try:
        return str(choose_device(recipe.device_kind))
    except InputError:
        return "auto"


def run_recipe(
    recipe: Recipe | str | os.PathLike[str],
    image: ArrayLike | str | os.PathLike[str],
    *,
    axes: str | None = None,
    model: PromptableModel | None = None,
    region: ArrayLike | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.int32]:
    """Segment an image by a recipe, as ``napari-segany segment --recipe`` does.

    Parameters
    ----------
    recipe : Recipe or path
        Recipe of labels, or its file, such as the ``NAME_recipe.json`` beside every result.
    image : array_like or path
        An image file, or an array: numpy, dask or zarr, read plane by plane. An iterable of planes
        is put together.
    axes : str, optional
        One letter per dimension. By default the recipe's, if they fit; else the file's own, or for
        an array those guessed from its shape.
    model : PromptableModel, optional
        A loaded model with the recipe's weights, to save loading it.
    region, progress, should_stop : optional
        As for :func:`napari_segany.segment_everything`.

    Returns
    -------
    ndarray
        Labels as of :func:`napari_segany.segment_everything`; :func:`napari_segany.save_labels`
        writes them to the file that the command line writes.

    Raises
    ------
    InputError
        If the recipe is invalid, is not one of labels or needs other weights, or the image cannot
        be used.

    Examples
    --------
    >>> labels = run_recipe("results/cells_recipe.json", "more.tif")  # doctest: +SKIP
    """
    settled = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    settled.check_product("labels")

    def label(data: Any, own_axes: str, pixel_size: PixelSize) -> NDArray[np.int32]:
        usual = settled.axes if axes_fit(settled.axes, own_axes) else own_axes
        precision: Any = settled.precision
        used = model or load_model(settled.model, device=device_of(settled), precision=precision)
        settled.check_weights(used.id, used.weights.sha256)
        return label_everything(
            data,
            settled,
            used,
            axes=axes or usual,
            region=region,
            pixel_size=pixel_size,
            progress=progress,
            should_stop=should_stop,
        )

    if isinstance(image, (str, os.PathLike)):
        with open_image(Path(image)) as opened:
            return label(opened.data, opened.axes, opened.pixel_size)
    array = as_array(image)
    return label(array, guess_axes(tuple(int(n) for n in array.shape)), {})
