"""Write the tables of ``docs/parameters.md`` from the descriptions of the parameters.

Usage: ``python scripts/parameter_table.py``. What stands outside the markers is left as it is.
"""

from pathlib import Path

from napari_segany.cli.generator_options import option, shown_default
from napari_segany.core.parameter_info import ParameterInfo, parameters_of
from napari_segany.generators.decoder_params import DecoderParams
from napari_segany.generators.exemplars.params import ExemplarParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.text_params import TextParams
from napari_segany.generators.tile_params import TileParams
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.recipe import LabelParams

PAGE = Path(__file__).parents[1] / "docs" / "parameters.md"

CLASSES = (
    FinderParams,
    AutomaticParams,
    TextParams,
    DecoderParams,
    ExemplarParams,
    LabelParams,
    TileParams,
    LinkParams,
    TrackParams,
    PropagationParams,
)

HEAD = (
    "| parameter | in napari | default | values | meaning |",
    "|---|---|---|---|---|",
)


def table(cls: type) -> str:
    """Return the table of a dataclass's parameters."""
    rows = [
        f"| `{name}`, `{option(cls, name)}` | {info.label} | {shown_default(cls, name)} "
        f"| {_values(info)} | {info.help} |"
        for name, info in parameters_of(cls).items()
    ]
    return "\n".join([*HEAD, *rows])


def _values(info: ParameterInfo) -> str:
    """Return the values that a parameter can have, in words."""
    if info.kind == "flag":
        return "yes, no"
    if info.kind in ("hash", "finder"):
        return "hexadecimal"
    if info.kind in ("name", "phrases"):
        return "a name" if info.kind == "name" else "phrases"
    if info.kind == "structure":
        return "a JSON file on the command line"
    if info.kind == "choice":
        return ", ".join(f"`{value}`" for value in info.values)
    unit = "" if info.unit == "fraction" else info.unit
    whole = "whole number, " if info.kind == "integer" and not unit else ""
    return f"{whole}{info.range} {unit}".strip()


def updated(page: str) -> str:
    """Return the text of the page with current tables.

    Raises
    ------
    ValueError
        If the markers of a table are not in the page.
    """
    for cls in CLASSES:
        first, last = f"<!-- {cls.__name__} -->", f"<!-- end of {cls.__name__} -->"
        if page.count(first) != 1 or page.count(last) != 1:
            raise ValueError(f"The page must have {first} and {last} once.")
        before, _, rest = page.partition(first)
        page = f"{before}{first}\n\n{table(cls)}\n\n{last}{rest.partition(last)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
