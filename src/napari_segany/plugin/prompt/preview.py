"""The preview layer: what the open objects would become, outlined, in a layer of its own."""

from typing import Any

import numpy as np
from napari.utils import DirectLabelColormap
from napari.utils.colormaps import label_colormap
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.core.masks import MaskSet
from napari_segany.session.session import Session

COLOURS = 49
"""Neighbouring numbers have colours that differ."""

OUTLINE = 64
"""Added to the value of what is filled."""

FILL = 0.35
"""Opacity of what is within an outline."""

SIDE = 600
"""Outlines are as wide as a pixel, and one more for every so many pixels of the image's side."""


def colours() -> DirectLabelColormap:
    """Each colour twice: a light fill, and an outline."""
    found: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
    for number, colour in enumerate(label_colormap(COLOURS).colors[1 : COLOURS + 1], start=1):
        # Dark ones would not be seen on dark images.
        bright = colour[:3] / max(float(colour[:3].max()), 1e-3)
        found[number] = [*bright, FILL]
        found[number + OUTLINE] = [*bright, 1.0]
    return DirectLabelColormap(color_dict=found)


def border(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Pixels of a mask from which its outside is at most so many pixels up, down, left or right."""
    inside = np.zeros_like(mask)
    if min(mask.shape) > 2 * width:
        middle = slice(width, -width)
        first, last = slice(None, -2 * width), slice(2 * width, None)
        inside[middle, middle] = mask[middle, middle]
        for rows, cols in ((first, middle), (last, middle), (middle, first), (middle, last)):
            inside[middle, middle] &= mask[rows, cols]
    outline: NDArray[np.bool_] = mask & ~inside
    return outline


class Preview:
    """Shows the meant candidates of open objects; nothing here reaches the results.

    Parameters
    ----------
    layer : napari.layers.Labels
        As large as the image; what is in it is overwritten.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        layer.colormap = colours()
        self._width = 1 + max(layer.data.shape) // SIDE
        # What is shown of each object: plane, candidates, and which of them.
        self._shown: dict[int, tuple[Plane, MaskSet, int]] = {}

    def show(self, session: Session) -> bool:
        """Show the present state of a session; what did not change is not touched.

        Returns
        -------
        bool
            Whether anything changed, so that :meth:`refresh` must be called.
        """
        wanted: dict[int, tuple[Plane, MaskSet, int]] = {}
        for each in session.state.open:
            found = session.candidates(each.id)
            if found is not None and len(found):
                wanted[each.id] = each.plane, found, min(each.choice, len(found) - 1)
        different = {number for number, _ in wanted.items() ^ self._shown.items()}
        gone = [self._shown[number] for number in different if number in self._shown]
        for plane, found, choice in gone:
            a, b, c, d = found.boxes[choice]
            self.layer.data[plane_slices(plane)][a:c, b:d] = 0
        touched = {plane for plane, _, _ in gone}
        for number, (plane, found, choice) in wanted.items():
            if number in different or any(_meet(plane, other) for other in touched):
                a, b, c, d = found.boxes[choice]
                mask = found.crop(choice)
                values = border(mask, self._width) * np.uint8(OUTLINE)
                values += np.uint8(number % COLOURS + 1)
                part = self.layer.data[plane_slices(plane)][a:c, b:d]
                np.copyto(part, values, where=mask)
        self._shown = wanted
        return bool(different)

    def refresh(self) -> None:
        """Draw the layer again."""
        self.layer.refresh(extent=False, thumbnail=False)


def _meet(plane: Plane, other: Plane) -> bool:
    """Whether two planes have pixels in common: they are the same, or cross."""
    return all(a is None or b is None or a == b for a, b in zip(plane, other, strict=True))
