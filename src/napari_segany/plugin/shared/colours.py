"""Colours that mean something in docks and layers, chosen for any colour vision.

The blue is that of Okabe and Ito, "Color Universal Design" (2008), and the orange is theirs but
darker. A test looks at all of them as people with protanopia, deuteranopia and tritanopia do.
Colours of napari's theme are in :mod:`napari_segany.plugin.shared.theme`.
"""

SURE, UNSURE = "#56b4e9", "#c85000"
"""Ends of the scale of confidence: of 1, and of the lowest one that is told apart."""

OUTLINE = "#ffc800"
"""Outline of a candidate in its small picture, and of the object under review."""

POSITIVE, NEGATIVE = "#1b9e77", "#d95f02"
"""Points and shapes on an object and off it; their symbols differ, too."""


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0..255, of a colour such as "#ffc800"."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue
