"""Text models on this machine: choose one by name or hash, and load it once."""

import threading
from collections.abc import Mapping
from pkgutil import resolve_name
from types import MappingProxyType

import torch

from napari_segany.errors import InputError, WeightsError
from napari_segany.models.text_protocol import TextModel
from napari_segany.networks.vector_math import warm_up_vector_functions
from napari_segany.weights.text_catalog import TEXT_CATALOG
from napari_segany.weights.text_folders import INSTALL, TextModelCard, text_models, verify_folder

LOADERS: Mapping[str, str] = MappingProxyType(
    {
        "owlv2": "napari_segany.models.detectors.owlv2:load_owlv2",
        "grounding-dino": "napari_segany.models.detectors.grounding_dino:load_grounding_dino",
        "sam3": "napari_segany.models.detectors.sam3:load_sam3",
        "sam3_video": "napari_segany.models.detectors.sam3:load_sam3",
        "clip": "napari_segany.models.detectors.clip:load_clip",
    }
)
"""Function of each family that loads a folder on a device, as "module:function"."""

_loaded: dict[tuple[str, str], TextModel] = {}
_loading = threading.Lock()


def require_text_model(name: str | None = None, sha256: str | None = None) -> TextModelCard:
    """Return an installed text model.

    Parameters
    ----------
    name : str, optional
        Its name; by default the first that is installed, published ones first. Gated ones are
        taken by their name only.
    sha256 : str, optional
        Hash of its files; a model of another name has it just as well.

    Raises
    ------
    InputError
        If there is none; the message holds the command that fetches one.
    """
    installed = text_models()
    for card in installed.values():
        if card.sha256 == sha256 or (sha256 is None and _is_meant(card, name)):
            return card
    raise InputError(_not_here(name, sha256, installed))


def _is_meant(card: TextModelCard, name: str | None) -> bool:
    return card.id == name or (name is None and not card.gated)


def _not_here(name: str | None, sha256: str | None, installed: Mapping[str, TextModelCard]) -> str:
    spec = TEXT_CATALOG.get(name or "", next(iter(TEXT_CATALOG.values())))
    fetch = f"napari-segany models fetch {spec.id} ({spec.megabytes} MB; needs {INSTALL})"
    if sha256 is not None and name in installed:
        return (
            f"The text model {name} with the hash {sha256[:12]}... is needed, and the one here "
            f"has the hash {installed[str(name)].sha256[:12]}.... Import the folder of the other."
        )
    if name is None:
        if installed:
            return (
                f"Text models with terms of their own are used where they are named: choose "
                f"{next(iter(installed))} (--text-model), or fetch another one with: {fetch}"
            )
        return f"No text model is on this machine; fetch one with: {fetch}"
    if name in TEXT_CATALOG:
        how = spec.way if spec.gated else f"fetch it with: {fetch}"
        return f"The text model {name} is not on this machine; {how}"
    known = ", ".join(dict.fromkeys([*TEXT_CATALOG, *installed]))
    return (
        f"There is no text model {name!r} on this machine; known: {known}. Import a folder with: "
        "napari-segany models import FOLDER"
    )


def load_text_model(card: TextModelCard, device: torch.device) -> TextModel:
    """Load a text model on a device; the one of the last call is kept.

    Raises
    ------
    InputError
        transformers is not installed.
    WeightsError
        A file of the folder is damaged, or does not fit the others.
    """
    key = card.sha256, str(device)
    with _loading:
        if key not in _loaded:
            verify_folder(card)
            warm_up_vector_functions()
            made = _load(card, device)
            # One takes as much memory as a large image model.
            _loaded.clear()
            _loaded[key] = made
        return _loaded[key]


def _load(card: TextModelCard, device: torch.device) -> TextModel:
    try:
        made: TextModel = resolve_name(LOADERS[card.model_type])(card.path, device)
    except ImportError as error:
        raise InputError(f"Text models need transformers: {INSTALL}") from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"The text model {card.id} cannot be loaded from {card.path}: {reason}"
        ) from error
    return made
