"""Tools of the Prompt dock: what a click or a stroke on the canvas does next."""

from dataclasses import dataclass
from typing import Any

from napari_segany.errors import InputError
from napari_segany.plugin.prompt.layer_features import NEGATIVE, POSITIVE, SCRIBBLES

SHIFT = "\u21e7"
"""Sign of the shift key on buttons."""


@dataclass(frozen=True)
class Tool:
    """A way to draw prompts, to paint on a mask, or to choose an object.

    Attributes
    ----------
    name : str
        Name on the button.
    kind : {"points", "shapes", "preview"}
        The layer that it draws in.
    mode : str
        The layer's mode.
    sign : str
        Sign of the prompts, or of painted pixels.
    key : str
        Key that selects it.
    help : str
        Tooltip.
    """

    name: str
    kind: str
    mode: str
    sign: str
    key: str
    help: str

    @property
    def has_sign(self) -> bool:
        """True if its prompts may be on the object or off it."""
        return (self.kind == "points" and self.mode == "add") or self.mode in SCRIBBLES

    @property
    def caption(self) -> str:
        """Text on its button: name and key."""
        return f"{self.name} {self.key.replace('Shift-', SHIFT)}"


TOOLS = (
    Tool("+ point", "points", "add", POSITIVE, "Q", "Click on the object; again: off the object"),
    Tool("- point", "points", "add", NEGATIVE, "Q", "Click where the object is not"),
    Tool("box", "shapes", "add_rectangle", POSITIVE, "R", "Drag a box around the object"),
    Tool("outline", "shapes", "add_polygon_lasso", POSITIVE, "Shift-P", "Draw around the object"),
    Tool("scribble", "shapes", "add_path", POSITIVE, "T", "Draw along the object"),
    Tool("brush", "preview", "paint", POSITIVE, "Shift-B", "Paint pixels onto the mask"),
    Tool("eraser", "preview", "paint", NEGATIVE, "Shift-E", "Paint pixels off the mask"),
    Tool(
        *("select", "points", "pan_zoom", POSITIVE, "Shift-S"),
        "Click on an object: an open one becomes the active one, a committed one is open again",
    ),
)
"""The tools. Box, outline and scribble have the keys that they have in napari's own shapes."""

SELECT = TOOLS[-1]
"""The tool that chooses an object."""


def tool_named(name: str) -> Tool:
    """Return a tool by its name; raise InputError if there is none."""
    for tool in TOOLS:
        if tool.name == name:
            return tool
    known = ", ".join(repr(tool.name) for tool in TOOLS)
    raise InputError(f"There is no tool {name!r}; there are {known}.")


def tool_of(layer: Any, kind: str, sign: str) -> Tool | None:
    """Return the tool that a prompt layer draws with; None if it does not draw.

    Parameters
    ----------
    layer : napari.layers.Points, Shapes or Labels
        The layer.
    kind : {"points", "shapes", "preview"}
        Its kind.
    sign : str
        Sign of the next point, or of the next stroke of the brush.
    """
    for tool in TOOLS:
        same_sign = kind == "shapes" or tool is SELECT or tool.sign == sign
        if (tool.kind, tool.mode) == (kind, str(layer.mode)) and same_sign:
            return tool
    return None
