"""Parameters that leave the strategy to the model: the finder where one fits, else the grid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.protocol import GeneratorParams

BY_DEFAULT = (AutomaticParams, FinderParams)
"""Types of parameters that a model may choose."""


@dataclass(frozen=True)
class DefaultParams(GeneratorParams):
    """Parameters whose strategy is chosen when the model is known; no recipe holds them.

    Attributes
    ----------
    strategy : str
        "default".
    changes : dict
        Values, by name, of parameters that the finder and the point generators both have.

    Raises
    ------
    InputError
        If a value is out of range for one of both.
    """

    strategy: Literal["default"] = "default"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Found here, before a model is loaded.
        refused: list[InputError] = []
        for finder_fits in (True, False):
            try:
                self.choose(finder_fits)
            except InputError as error:
                refused.append(error)
        if len(refused) == 1:
            raise InputError(f"{refused[0]} Another strategy takes this value; name the strategy.")
        if refused:
            raise refused[0]

    def choose(self, finder_fits: bool) -> FinderParams | AutomaticParams:
        """Return the parameters of the finder or of the grid, with the changes."""
        cls: Any = FinderParams if finder_fits else AutomaticParams
        chosen: FinderParams | AutomaticParams = cls(**self.changes)
        return chosen


def describe_choice(model: str, strategy: str) -> str:
    """Return a line that says which strategy was chosen for a model, by its name."""
    if strategy == FinderParams.strategy:
        return (
            f"Finds all objects in one pass, with the finder trained for {model}. "
            "Choose strategy 'grid' for the method of the Segment Anything paper."
        )
    return (
        f"No finder was trained for {model}: strategy {strategy!r}, "
        "the method of the Segment Anything paper."
    )
