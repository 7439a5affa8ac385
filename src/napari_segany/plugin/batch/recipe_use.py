"""Use of a recipe in the Batch dock: its model, and whether the controls still follow it."""

from napari_segany.batch.options import BatchOptions
from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.recipe import Recipe


def choose_model_of(recipe: Recipe, picker: ModelPicker, model: PromptableModel | None) -> None:
    """Choose the model of a recipe, unless the one in use has its weights and precision.

    Raises
    ------
    InputError
        If there is no such model.
    """
    if (
        model is None
        or model.weights.sha256 != recipe.weights_sha256
        or model.precision != recipe.precision
    ):
        at = picker.choice.findData(recipe.model)
        if at < 0:
            raise InputError(f"There is no model {recipe.model}; import it in the dock Models.")
        picker.choice.setCurrentIndex(at)
        picker.forget()


def follows(options: BatchOptions, recipe: Recipe) -> bool:
    """Return True if options are those of a recipe."""
    followed = recipe, recipe.params, recipe.labels, recipe.link, recipe.channels
    now = options.recipe, options.params, options.labels, options.link, options.channels
    return now == followed
