"""Preview layer: the chosen candidates of open objects, filled and outlined."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from napari.utils import DirectLabelColormap
from napari.utils.colormaps import label_colormap
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane, plane_shape, plane_slices
from napari_segany.core.masks import MaskSet
from napari_segany.session.labels_target import Box
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject, State

COLOURS = 49
"""Number of colours; consecutive objects differ in colour."""

OUTLINE = 64
"""Offset from the value of a fill to the value of its outline."""

FILL = 0.35
"""Opacity of a fill."""

DRAWN = 8
"""Masks that are drawn at once, before the clock is looked at."""

PAINTED, ERASED = 128, 129
"""Values of pixels while a stroke of the brush, or of the eraser, is drawn."""

DrawnMask = tuple[int, Plane, MaskSet, int]
"""Number of an object, plane, masks and number of the one that is drawn."""

NO_FILL = -1
"""In place of the number of a mask: the first one, only outlined."""

ErasedBoxes = dict[Plane, NDArray[np.intp]]
"""Boxes (N, 4) that were erased on each plane, as (row0, col0, row1, col1)."""

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
    colors[PAINTED], colors[ERASED] = np.array([1, 1, 1, 0.6]), np.array([0, 0, 0, 0.6])
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

    Attributes
    ----------
    is_complete : bool
        False if :meth:`show` is to be called again for masks that it did not draw yet.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        layer.colormap = colours()
        self._width = 1 + max(layer.data.shape) // SIDE
        self.is_complete = True
        self._shown: dict[Hashable, DrawnMask] = {}
        self._propagated: Sequence[PartMask] = ()
        self._further: dict[Hashable, DrawnMask] = {}
        # A committed object that is outlined, and the state until whose end it is.
        self._outlined: dict[Hashable, DrawnMask] = {}
        self._outlined_in: State | None = None

    def outline(self, each: SegmentedObject, state: State) -> None:
        """Outline a committed object from the next :meth:`show` on, while the state lasts."""
        self._outlined, self._outlined_in = {}, state
        if each.commit is not None:
            self._outlined = {"outlined": (each.whole, each.plane, each.commit.mask, NO_FILL)}

    def show(
        self, session: Session, propagated: Sequence[PartMask] = (), at_most: int = DRAWN
    ) -> bool:
        """Show the present state of a session; pixels of unchanged masks are not written.

        Parameters
        ----------
        session : Session
            The session. Its plane is drawn first.
        propagated : sequence of tuple
            Masks of objects that were followed, on planes that are not prompted. Where some
            overlap, the first is on top.
        at_most : int
            Masks drawn by this call; :attr:`is_complete` says whether others are left.

        Returns
        -------
        bool
            True if anything changed, so that :meth:`refresh` must be called.
        """
        if propagated is not self._propagated:
            # Thousands of masks, which most steps leave as they are.
            self._propagated = propagated
            self._further = {(i, plane): (i, plane, mask, 0) for i, plane, mask in propagated[::-1]}
        wanted: dict[Hashable, DrawnMask] = {**self._further}
        for each in session.state.open:
            candidates = session.candidates(each.id)
            choice = -1 if candidates is None else min(each.choice, len(candidates) - 1)
            if candidates is not None and choice >= 0:
                wanted[each.id] = each.whole, each.plane, candidates, choice
        if session.state is self._outlined_in:
            wanted |= self._outlined
        different: set[Hashable] = {k for k, one in wanted.items() if self._shown.get(k) != one}
        different |= self._shown.keys() - wanted.keys()
        if not different:
            self.is_complete = True
            return False
        some = self._first(wanted, different, session.plane, at_most)
        self.is_complete = len(some) == len(different)
        erased = self._erase(some)
        drawn = {key: each for key, each in wanted.items() if key in some}
        self._restore(erased)
        self._shown |= drawn
        for one in drawn.values():
            self._draw(*one)
        return True

    def take_stroke(self, plane: Plane | None, box: Box) -> tuple[MaskSet, MaskSet] | None:
        """Take what was painted in the layer off it again.

        Parameters
        ----------
        plane : tuple or None
            The plane in view.
        box : tuple of slice
            Part of the layer with everything that was painted.

        Returns
        -------
        tuple of MaskSet or None
            One mask each: pixels of the plane that were painted on an object, and off it. None if
            nothing was painted on that plane.
        """
        painted = self.layer.data[box].copy()
        self.layer.data[box] = 0
        for each in self._shown.values():
            if _crosses(each[1], box):
                self._draw(*each)
        if plane is None or not _crosses(plane, box):
            return None
        at = tuple(
            slice(None) if n is None else n - side.start for n, side in zip(plane, box, strict=True)
        )
        painted, now = painted[at], self.layer.data[box][at]
        added = (painted != now) & (painted != 0) & (painted != ERASED)
        top, left = (side.start for n, side in zip(plane, box, strict=True) if n is None)
        shape = plane_shape(self.layer.data.shape, plane)

        def mask(crop: NDArray[np.bool_]) -> MaskSet:
            return MaskSet.from_crops(shape, [crop], [(top, left)])

        return mask(added), mask((painted != now) & ~added)

    def _first(
        self, wanted: Mapping[Hashable, DrawnMask], keys: set[Hashable], plane: Plane, count: int
    ) -> set[Hashable]:
        """Return the keys of the masks that are drawn first: those of a plane, then any."""
        if len(keys) <= count:
            return keys
        known = {**self._shown, **wanted}
        return set(sorted(keys, key=lambda key: known[key][1] != plane)[:count])

    def _erase(self, keys: set[Hashable]) -> ErasedBoxes:
        """Erase masks that are shown; return the boxes in which others may have lost pixels."""
        boxes: dict[Plane, list[NDArray[Any]]] = {}
        for key in keys & self._shown.keys():
            _, plane, candidates, choice = self._shown.pop(key)
            a, b, c, d = box = candidates.boxes[max(choice, 0)]
            self.layer.data[plane_slices(plane)][a:c, b:d] = 0
            boxes.setdefault(plane, []).append(box)
        return {plane: np.array(some, np.intp) for plane, some in boxes.items()}

    def _restore(self, erased: ErasedBoxes) -> None:
        """Draw the shown masks again where they lost pixels, in their order."""
        planes = {one[1] for one in self._shown.values()}
        if len({_axes(plane) for plane in planes | erased.keys()}) > 1:
            # Of planes that cross, a box of one is a line of the other.
            for one in self._shown.values():
                if any(_intersect(one[1], plane) for plane in erased):
                    self._draw(*one)
            return
        near: dict[Plane, list[DrawnMask]] = {plane: [] for plane in erased}
        for one in self._shown.values() if erased else ():
            if one[1] in near:
                near[one[1]].append(one)
        for plane, some in near.items():
            boxes = erased[plane]
            own = np.array([one[2].boxes[max(one[3], 0)] for one in some], np.intp).reshape(-1, 4)
            # Of thousands of masks few lie near those that are gone.
            reach = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
            for i in np.flatnonzero(_overlap(own, reach)):
                for box in _shared(boxes, own[i]):
                    self._draw(*some[i], within=box)

    def _draw(
        self,
        number: int,
        plane: Plane,
        candidates: MaskSet,
        choice: int,
        within: NDArray[np.intp] | None = None,
    ) -> None:
        """Draw a mask, or what lies within a part of its box."""
        drawn = max(choice, 0)
        a, b, c, d = candidates.boxes[drawn]
        mask = candidates.crop(drawn)
        edge = border(mask, self._width)
        values = edge * np.uint8(OUTLINE)
        values += np.uint8(number % COLOURS + 1)
        where = edge if choice == NO_FILL else mask
        e, f, g, h = (a, b, c, d) if within is None else within
        part = slice(e - a, g - a), slice(f - b, h - b)
        target = self.layer.data[plane_slices(plane)][e:g, f:h]
        np.copyto(target, values[part], where=where[part])

    def refresh(self) -> None:
        """Redraw the layer."""
        self.layer.refresh(extent=False, thumbnail=False)


def _crosses(plane: Plane, box: Box) -> bool:
    """Return True if a plane goes through a part of the layer."""
    return all(n is None or side.start <= n < side.stop for n, side in zip(plane, box, strict=True))


def _axes(plane: Plane) -> tuple[bool, ...]:
    """Return for each axis whether a plane extends along it."""
    return tuple(n is None for n in plane)


def _shared(boxes: NDArray[np.intp], box: NDArray[Any]) -> NDArray[np.intp]:
    """Return the parts of boxes (N, 4) that lie in a box; those without a pixel are left out."""
    shared = np.hstack([np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])])
    return shared[_overlap(boxes, box)]


def _overlap(boxes: NDArray[np.intp], box: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each of the boxes (N, 4) whether it has a pixel in common with a box."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    both: NDArray[np.bool_] = (low < high).all(axis=1)
    return both


def _intersect(plane: Plane, other: Plane) -> bool:
    """Return True if two planes have pixels in common: they are equal, or cross."""
    return all(a is None or b is None or a == b for a, b in zip(plane, other, strict=True))
