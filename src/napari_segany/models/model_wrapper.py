"""Base of models that change how another model embeds or answers, and leave the rest to it."""

from typing import Any

import torch

from napari_segany.models.device import Precision
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.sam.predictor import Predictor
from napari_segany.models.video_protocol import VideoMemory, video_memory_of
from napari_segany.networks.encoder_sketch import EncoderSketch
from napari_segany.weights.catalog import ModelDefaults


class ModelWrapper:
    """A model that is another one by name, weights and device.

    Parameters
    ----------
    model : PromptableModel
        The other model.
    """

    def __init__(self, model: PromptableModel) -> None:
        self.model = model

    @property
    def id(self) -> str:
        """The model's name."""
        return self.model.id

    @property
    def weights(self) -> Any:
        """The weights' name and hash."""
        return self.model.weights

    @property
    def precision(self) -> Precision:
        """The precision of its arithmetic."""
        return self.model.precision

    @property
    def device(self) -> torch.device:
        """The device on which it computes."""
        return self.model.device

    @property
    def defaults(self) -> ModelDefaults:
        """Thresholds of automatic segmentation that its authors use."""
        return self.model.defaults

    def sketch_encoder(self) -> EncoderSketch | None:
        """Return the sketch of the image encoder's weights."""
        return self.model.sketch_encoder()

    def video_memory(self) -> VideoMemory:
        """Return the video memory of the model; see :func:`video_memory_of`."""
        return video_memory_of(self.model)

    def keep_prepared(self, planes: int) -> None:
        """Keep at least so many planes prepared for prompts, from now on."""
        keep_prepared(self.model, planes)

    def __repr__(self) -> str:
        return repr(self.model)


def keep_prepared(model: PromptableModel, planes: int) -> None:
    """Let a model keep at least so many planes prepared for prompts, if its planes need it.

    A model on another machine decides that by itself.
    """
    if isinstance(model, (ModelWrapper, Predictor)):
        model.keep_prepared(planes)
