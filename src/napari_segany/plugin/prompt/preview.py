"""Preview layer: the chosen candidates of open objects, filled and outlined."""

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from napari.utils import DirectLabelColormap
from napari.utils.colormaps import label_colormap
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.core.masks import MaskSet
from napari_segany.session.session import Session

COLOURS = 49
"""Number of colours; consecutive objects differ in colour."""

OUTLINE = 64
"""Offset from the value of a fill to the value of its outline."""

FILL = 0.35
"""Opacity of a fill."""

NOTHING: Mapping[Plane, MaskSet] = MappingProxyType({})

SIDE = 600
"""Side of an image, in pixels, per additional pixel of outline width."""


def colours() -> DirectLabelColormap:
    """Return a colormap with each colour twice: as a light fill and as an outline."""
    colors: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
    for number, colour in enumerate(label_colormap(COLOURS).colors[1 : COLOURS + 1], start=1):
        # Dark colours would be invisible on dark images.
        bright = colour[:3] / max(float(colour[:3].max()), 1e-3)
        colors[number] = [*bright, FILL]
        colors[number + OUTLINE] = [*bright, 1.0]
    return DirectLabelColormap(color_dict=colors)


def border(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask at most ``width`` pixels from its outside, along an axis."""
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
    """Layer with the chosen candidates of open objects; no result is computed from it.

    Parameters
    ----------
    layer : napari.layers.Labels
        Layer of the image's shape; its content is overwritten.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        layer.colormap = colours()
        self._width = 1 + max(layer.data.shape) // SIDE
        # Number of the object, plane, masks and number of the one that is shown.
        self._shown: dict[Hashable, tuple[int, Plane, MaskSet, int]] = {}

    def show(
        self, session: Session, whole: int = 0, propagated: Mapping[Plane, MaskSet] = NOTHING
    ) -> bool:
        """Show the present state of a session; pixels of unchanged objects are not written.

        Parameters
        ----------
        session : Session
            The session.
        whole : int
            Number of an object that was followed through planes.
        propagated : mapping
            Its masks on planes that are not prompted.

        Returns
        -------
        bool
            True if anything changed, so that :meth:`refresh` must be called.
        """
        wanted: dict[Hashable, tuple[int, Plane, MaskSet, int]] = {
            plane: (whole, plane, mask, 0) for plane, mask in propagated.items()
        }
        for each in session.state.open:
            candidates = session.candidates(each.id)
            if candidates is not None and len(candidates):
                choice = min(each.choice, len(candidates) - 1)
                wanted[each.id] = each.whole, each.plane, candidates, choice
        different = {key for key, _ in wanted.items() ^ self._shown.items()}
        gone = [self._shown[key] for key in different if key in self._shown]
        for _, plane, candidates, choice in gone:
            a, b, c, d = candidates.boxes[choice]
            self.layer.data[plane_slices(plane)][a:c, b:d] = 0
        touched = {plane for _, plane, _, _ in gone}
        for key, (number, plane, candidates, choice) in wanted.items():
            if key in different or any(_intersect(plane, other) for other in touched):
                a, b, c, d = candidates.boxes[choice]
                mask = candidates.crop(choice)
                values = border(mask, self._width) * np.uint8(OUTLINE)
                values += np.uint8(number % COLOURS + 1)
                part = self.layer.data[plane_slices(plane)][a:c, b:d]
                np.copyto(part, values, where=mask)
        self._shown = wanted
        return bool(different)

    def refresh(self) -> None:
        """Redraw the layer."""
        self.layer.refresh(extent=False, thumbnail=False)


def _intersect(plane: Plane, other: Plane) -> bool:
    """Return True if two planes have pixels in common: they are equal, or cross."""
    return all(a is None or b is None or a == b for a, b in zip(plane, other, strict=True))
