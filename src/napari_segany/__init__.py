"""Segment scientific images with the Segment Anything family.

The public names are loaded on first use, so importing the package costs neither torch nor napari.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_segany.openmp import wait_briefly

if TYPE_CHECKING:
    from napari_segany.core.display import Display
    from napari_segany.core.masks import MaskSet
    from napari_segany.core.prompts import Prompt
    from napari_segany.evaluation.api import evaluate
    from napari_segany.generators.decoder_params import DecoderParams
    from napari_segany.generators.exemplars.example_set import ExampleSet
    from napari_segany.generators.exemplars.find_alike import find_alike, make_examples
    from napari_segany.generators.exemplars.params import ExemplarParams
    from napari_segany.generators.finder_params import FinderParams
    from napari_segany.generators.generate import generate_masks
    from napari_segany.generators.parameters import AutomaticParams
    from napari_segany.generators.text_params import TextParams
    from napari_segany.generators.tile_params import TileParams
    from napari_segany.io.recipe_file import run_recipe
    from napari_segany.io.save_labels import save_labels
    from napari_segany.linking.link_masks import link_masks
    from napari_segany.linking.link_params import LinkParams
    from napari_segany.linking.linked_volume import LinkedVolume
    from napari_segany.linking.propagation.params import PropagationParams
    from napari_segany.linking.propagation.result import Propagation
    from napari_segany.linking.tracks.track_params import TrackParams
    from napari_segany.linking.tracks.track_table import TrackTable
    from napari_segany.models.iterative import refine
    from napari_segany.models.multi_view import MultiViewModel
    from napari_segany.models.protocol import Embedding, PromptableModel
    from napari_segany.models.registry import load_model
    from napari_segany.models.sam.model import SamModel
    from napari_segany.models.tiled_model import TiledModel
    from napari_segany.propagation import propagate
    from napari_segany.recipe import LabelParams, Recipe
    from napari_segany.segmentation import segment_everything
    from napari_segany.session.active import current_session
    from napari_segany.session.session import Session
    from napari_segany.tracking import TrackedMovie, track
    from napari_segany.training.own_finder import train_finder
    from napari_segany.zero_shot.edges import find_edges
    from napari_segany.zero_shot.proposals import propose
    from napari_segany.zero_shot.text import segment_text

# Before torch is loaded, which reads it once: from the command line, in napari, and on workers.
wait_briefly()

__all__ = [
    "AutomaticParams",
    "DecoderParams",
    "Display",
    "Embedding",
    "ExampleSet",
    "ExemplarParams",
    "FinderParams",
    "LabelParams",
    "LinkParams",
    "LinkedVolume",
    "MaskSet",
    "MultiViewModel",
    "Prompt",
    "PromptableModel",
    "Propagation",
    "PropagationParams",
    "Recipe",
    "SamModel",
    "Session",
    "TextParams",
    "TileParams",
    "TiledModel",
    "TrackParams",
    "TrackTable",
    "TrackedMovie",
    "__version__",
    "current_session",
    "evaluate",
    "find_alike",
    "find_edges",
    "generate_masks",
    "link_masks",
    "load_model",
    "make_examples",
    "propagate",
    "propose",
    "refine",
    "run_recipe",
    "save_labels",
    "segment_everything",
    "segment_text",
    "track",
    "train_finder",
]

_HOMES = {
    "AutomaticParams": "napari_segany.generators.parameters",
    "DecoderParams": "napari_segany.generators.decoder_params",
    "Display": "napari_segany.core.display",
    "Embedding": "napari_segany.models.protocol",
    "ExampleSet": "napari_segany.generators.exemplars.example_set",
    "ExemplarParams": "napari_segany.generators.exemplars.params",
    "FinderParams": "napari_segany.generators.finder_params",
    "LabelParams": "napari_segany.recipe",
    "LinkParams": "napari_segany.linking.link_params",
    "LinkedVolume": "napari_segany.linking.linked_volume",
    "link_masks": "napari_segany.linking.link_masks",
    "MaskSet": "napari_segany.core.masks",
    "Prompt": "napari_segany.core.prompts",
    "PromptableModel": "napari_segany.models.protocol",
    "Propagation": "napari_segany.linking.propagation.result",
    "PropagationParams": "napari_segany.linking.propagation.params",
    "Recipe": "napari_segany.recipe",
    "SamModel": "napari_segany.models.sam.model",
    "Session": "napari_segany.session.session",
    "TextParams": "napari_segany.generators.text_params",
    "TileParams": "napari_segany.generators.tile_params",
    "MultiViewModel": "napari_segany.models.multi_view",
    "TiledModel": "napari_segany.models.tiled_model",
    "TrackParams": "napari_segany.linking.tracks.track_params",
    "TrackTable": "napari_segany.linking.tracks.track_table",
    "TrackedMovie": "napari_segany.tracking",
    "current_session": "napari_segany.session.active",
    "evaluate": "napari_segany.evaluation.api",
    "generate_masks": "napari_segany.generators.generate",
    "find_alike": "napari_segany.generators.exemplars.find_alike",
    "make_examples": "napari_segany.generators.exemplars.find_alike",
    "find_edges": "napari_segany.zero_shot.edges",
    "propagate": "napari_segany.propagation",
    "propose": "napari_segany.zero_shot.proposals",
    "load_model": "napari_segany.models.registry",
    "run_recipe": "napari_segany.io.recipe_file",
    "save_labels": "napari_segany.io.save_labels",
    "refine": "napari_segany.models.iterative",
    "segment_everything": "napari_segany.segmentation",
    "segment_text": "napari_segany.zero_shot.text",
    "track": "napari_segany.tracking",
    "train_finder": "napari_segany.training.own_finder",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-segany")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
