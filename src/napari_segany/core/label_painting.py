"""Labels of masks that change a little at a time, of which only what changed is painted again.

Masks that share pixels form groups. Groups share no pixels with each other, so each is painted by
itself, and one whose members stay as they were is not touched.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps
from napari_segany.core.rasterize import paint_order


class LabelPainting:
    """Labels of masks that are chosen again and again among the same candidates.

    The result is that of :func:`napari_segany.core.rasterize.paint_sources` with the number of each
    candidate, plus one, as its label.

    Parameters
    ----------
    candidates : MaskSet
        All masks that can be chosen.
    overlaps : Overlaps
        Their overlaps.
    pixels : ndarray
        (H, W) int32, painted in place; everything in it is replaced.
    """

    def __init__(self, candidates: MaskSet, overlaps: Overlaps, pixels: NDArray[np.int32]) -> None:
        self.candidates, self.overlaps, self.pixels = candidates, overlaps, pixels
        self._chosen = np.zeros(len(candidates), bool)
        self._drawn = np.zeros(len(candidates), bool)
        self._rules: tuple[Any, ...] | None = None

    def paint(
        self, chosen: NDArray[np.integer], overlap: str, min_area: int, min_visible: float
    ) -> NDArray[np.int64]:
        """Paint the chosen candidates in place of the ones before.

        Parameters
        ----------
        chosen : ndarray
            (K,) numbers of candidates; of equal height, earlier ones lie on top. Two candidates
            keep their order from one choice to the next.
        overlap, min_area, min_visible
            As for :func:`napari_segany.core.rasterize.paint`.

        Returns
        -------
        ndarray
            Positions in ``chosen`` of the masks that were drawn, in their order.
        """
        rules = overlap, min_area, min_visible
        wanted = np.zeros(len(self._chosen), bool)
        wanted[chosen] = True
        wanted &= self.candidates.area >= min_area
        if rules != self._rules:
            self.pixels[:] = 0
            self._chosen[:] = self._drawn[:] = False
            self._rules = rules
        changed = self._changed_groups(wanted)
        # Members that are no longer chosen go, too.
        for i in np.flatnonzero(self._drawn & (changed | ~wanted)).tolist():
            self._draw(i, 0)
        self._drawn &= wanted & ~changed
        self._chosen = wanted
        order = np.asarray(chosen)[paint_order(self.candidates[chosen], overlap)]
        self._paint_groups(order[changed[order]], min_area, min_visible)
        return np.flatnonzero(self._drawn[chosen])

    def _changed_groups(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (N,) true for the wanted masks whose group is not what it was."""
        one, two = self._sharing(wanted | self._chosen)
        new = wanted & ~self._chosen
        gone = self._chosen & ~wanted
        touched = new.copy()
        touched[one[gone[two]]] = True
        touched[two[gone[one]]] = True
        touched &= wanted
        both = wanted[one] & wanted[two]
        count = len(wanted)
        links = coo_array(
            (np.ones(int(both.sum()), bool), (one[both], two[both])), shape=(count, count)
        )
        _, group = connected_components(links, directed=False)
        is_changed = np.zeros(count, bool)
        is_changed[group[touched]] = True
        changed: NDArray[np.bool_] = wanted & is_changed[group]
        return changed

    def _sharing(self, among: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pairs of some masks that share a pixel."""
        one, two = self.overlaps.pairs
        number = np.flatnonzero(among[one] & among[two])
        number = number[self.overlaps.shared(number) > 0]
        return one[number], two[number]

    def _paint_groups(self, order: NDArray[np.integer], min_area: int, min_visible: float) -> None:
        """Paint whole groups from the bottom to the top, without masks that are hardly seen."""
        here = order.tolist()
        for i in here:
            self._draw(i, i + 1)
        area = self.candidates.area
        visible = area.copy()
        crossed = np.zeros(len(area), bool)
        painted = np.zeros(len(area), bool)
        painted[order] = True
        for side in self._sharing(painted):
            crossed[side] = True
        for i in order[crossed[order]].tolist():
            a, b, c, d = self.candidates.boxes[i].tolist()
            visible[i] = np.count_nonzero(self.pixels[a:c, b:d] == i + 1)
        keep = (visible >= max(min_area, 1)) & (visible >= min_visible * area)
        if not keep[order].all():
            # Masks that are left out must not leave a hole in the masks below them.
            some = order[crossed[order]].tolist()
            for i in some:
                self._draw(i, 0)
            for i in some:
                if keep[i]:
                    self._draw(i, i + 1)
        self._drawn[order[keep[order]]] = True

    def _draw(self, i: int, label: int) -> None:
        a, b, c, d = self.candidates.boxes[i].tolist()
        self.pixels[a:c, b:d][self.candidates.crop(i)] = label
