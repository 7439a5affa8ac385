"""Families of image models whose networks transformers holds: their sizes and their files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from napari_segany.errors import InputError

INSTALL = 'pip install "napari-segany[families]"'
"""Command that installs what these families need."""


@dataclass(frozen=True)
class ImageFamily:
    """One family of image models.

    Attributes
    ----------
    title : str
        Its name in sentences.
    network : str
        Name of its class in transformers.
    configs : mapping of str to callable
        Functions that make the configuration of each architecture.
    convert : callable
        Renames the tensors of any of its published layouts to the names of transformers and
        leaves out those that single images do not need, which it lists by name.
    recognise : callable
        Returns the architecture of converted tensors; None for those of other families.
    install : str
        Command that installs what its network needs.
    """

    title: str
    network: str
    configs: Mapping[str, Callable[[], Any]]
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    recognise: Callable[[Mapping[str, Tensor]], str | None]
    install: str = INSTALL

    def build(self, architecture: str) -> Any:
        """Return the network of an architecture with random weights, in evaluation mode.

        Raises
        ------
        InputError
            transformers, or another package that it needs, is not installed.
        """
        try:
            import transformers

            network = getattr(transformers, self.network)(self.configs[architecture]())
        except ImportError as error:
            raise InputError(
                f"{self.title} needs packages that are not installed ({error.name or 'timm'}): "
                f"{self.install}"
            ) from error
        return network.eval().requires_grad_(False)
