"""Catalogue of published decoders of micro-sam's models: their files and hashes.

A decoder's file lies beside the checkpoint that it was trained with, under the checkpoint's name
and ``_decoder``.
"""

from dataclasses import dataclass, fields
from types import MappingProxyType

from napari_segany.weights.catalog import CATALOG, ModelSpec, get_spec

ENDING = "_decoder"
"""Ending of the names of decoders."""


@dataclass(frozen=True)
class DecoderSpec(ModelSpec):
    """One published decoder; its architecture, licence and source are those of its model."""

    @property
    def model(self) -> str:
        """Name of the model that it belongs to."""
        return self.id.removesuffix(ENDING)

    @property
    def importing(self) -> str:
        """Command that imports the file."""
        return f"napari-segany models import-decoder FILE --model {self.model}"


def _decoder(model: str, xxh128: str) -> DecoderSpec:
    spec = CATALOG[model]
    own = {
        "id": f"{model}{ENDING}",
        "title": f"Decoder of {model}: foreground and distances",
        "xxh128": xxh128,
        "url": str(spec.url).replace(f"{spec.architecture}.pt", f"{spec.architecture}{ENDING}.pt"),
    }
    return DecoderSpec(**({f.name: getattr(spec, f.name) for f in fields(spec)} | own))


DECODERS: MappingProxyType[str, DecoderSpec] = MappingProxyType(
    {
        f"{model}{ENDING}": _decoder(model, xxh128)
        for model, xxh128 in (
            ("vit_t_lm", "3e914a5f397b0312cdd36813031f8823"),
            ("vit_b_lm", "708b15ac620e235f90bb38612c4929ba"),
            ("vit_l_lm", "2faeafa03819dfe03e7c46a44aaac64a"),
            ("vit_t_em_organelles", "8f897c7bb93174a4d1638827c4dd6f44"),
            ("vit_b_em_organelles", "bb6398956a6b0132c26b631c14f95ce2"),
            ("vit_l_em_organelles", "334877640bfdaaabce533e3252a17294"),
        )
    }
)
"""Every published decoder by its name."""


def published(name: str) -> ModelSpec:
    """Return the entry of a published model or decoder.

    Raises
    ------
    InputError
        Neither has this name; the message lists the models.
    """
    return DECODERS[name] if name in DECODERS else get_spec(name)
