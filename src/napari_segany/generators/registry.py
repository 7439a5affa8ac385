"""Registry of mask generators: the tag in a recipe, the parameters' type and the generator."""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from napari_segany.errors import InputError
from napari_segany.generators.decoder_params import DecoderParams
from napari_segany.generators.exemplars.params import ExemplarParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.text_params import TextParams

if TYPE_CHECKING:
    from napari_segany.generators.protocol import MaskGenerator


@dataclass(frozen=True)
class GeneratorEntry:
    """A generator that recipes can name.

    Attributes
    ----------
    params : type
        Its frozen parameters, a subclass of :class:`GeneratorParams`.
    generator : str
        The :class:`MaskGenerator` as "module:class", imported when it is used: reading a recipe
        does not import torch. The class is called with the parameters.
    """

    params: type[GeneratorParams]
    generator: str


GENERATORS: dict[str, GeneratorEntry] = {
    "grid": GeneratorEntry(AutomaticParams, "napari_segany.generators.grid:GridGenerator"),
    "adaptive": GeneratorEntry(
        AutomaticParams, "napari_segany.generators.adaptive:AdaptiveGenerator"
    ),
    "finder": GeneratorEntry(FinderParams, "napari_segany.generators.finder:FinderGenerator"),
    "text": GeneratorEntry(TextParams, "napari_segany.generators.text:TextGenerator"),
    "decoder": GeneratorEntry(
        DecoderParams, "napari_segany.generators.distance_decoder:DecoderGenerator"
    ),
    "exemplars": GeneratorEntry(
        ExemplarParams, "napari_segany.generators.exemplars.search:ExemplarGenerator"
    ),
}
"""Every generator by its tag, which is ``strategy`` of its parameters.

A generator that a script adds here is known in its process only. Workers on other machines know it
if a module that they import adds it, too.
"""


def find_entry(tag: str) -> GeneratorEntry:
    """Return the entry of a generator.

    Raises
    ------
    InputError
        If no generator has this tag; the message names those that exist.
    """
    try:
        return GENERATORS[tag]
    except KeyError:
        raise InputError(
            f"There is no generator {tag[:60]!r}; this version knows {', '.join(GENERATORS)}. "
            "A newer version may know it, or a package that is not installed here."
        ) from None


def make_generator(params: GeneratorParams) -> "MaskGenerator":
    """Return the generator that parameters belong to."""
    generator: MaskGenerator = resolve_name(find_entry(params.strategy).generator)(params)
    return generator
