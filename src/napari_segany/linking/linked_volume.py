"""Objects of a volume: filters, a table, and the labels of its planes."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.overlap import Overlap
from napari_segany.core.rasterize import paint_sources
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.link_planes import Links, LoadPlane, link_planes
from napari_segany.linking.object_classes import class_columns, majority_classes
from napari_segany.linking.plane_candidates import PlaneCandidates
from napari_segany.linking.shape_interpolation import interpolate_mask


@dataclass(frozen=True, eq=False)
class LinkedVolume:
    """Objects of a row of planes, each a chain of parts.

    Filters look at the parts alone, so they need neither model nor planes. Labels are painted plane
    by plane, and only the planes that a gap reaches over are in memory.

    Attributes
    ----------
    shape : tuple of int
        (planes, H, W).
    links : Links
        The parts of the objects that are left.
    fill_gaps : bool
        Draw objects in planes where they are missing.
    overlap : str
        Part that owns a pixel which several parts cover, see :func:`core.rasterize.paint`.
    """

    shape: tuple[int, int, int]
    links: Links
    load: LoadPlane = field(repr=False)
    fill_gaps: bool = True
    overlap: Overlap = "small_on_top"

    @property
    def count(self) -> int:
        """Number of objects."""
        return int(self.links.label.max(initial=0))

    def objects(self) -> Mapping[str, NDArray[Any]]:
        """Return one row an object, as columns.

        Returns
        -------
        mapping
            ``label``, ``first_plane`` and ``last_plane``, ``planes`` (in which it is seen),
            ``volume`` (pixels in these), ``mean_score`` (predicted IoU over these). Objects that
            were found by text have their ``class``, that of most planes, and its mean
            ``class_score`` in these.
        """
        links, count = self.links, self.count
        at = links.label - 1
        planes = np.bincount(at, minlength=count)
        first, last = np.full(count, self.shape[0]), np.full(count, -1)
        np.minimum.at(first, at, links.plane)
        np.maximum.at(last, at, links.plane)
        volume = np.zeros(count, np.int64)
        np.add.at(volume, at, links.area)
        score = np.bincount(at, links.score, count) / np.maximum(planes, 1)
        found = {
            "label": np.arange(1, count + 1),
            "first_plane": first,
            "last_plane": last,
            "planes": planes,
            "volume": volume,
            "mean_score": score,
        }
        if not links.class_names:
            return found
        classes = majority_classes(links.label, count, links.class_index, links.class_score)
        return found | class_columns(links.class_names, *classes)

    def filter(
        self, *, min_planes: int = 1, min_volume: int = 0, min_mean_score: float = 0.0
    ) -> "LinkedVolume":
        """Return the objects that pass every bound, numbered anew from 1, without the model.

        Parameters
        ----------
        min_planes : int
            Fewest planes in which an object is seen.
        min_volume : int
            Fewest pixels in these planes.
        min_mean_score : float
            Least predicted IoU, averaged over these planes.
        """
        table = self.objects()
        keep = (
            (table["planes"] >= min_planes)
            & (table["volume"] >= min_volume)
            & (table["mean_score"] >= min_mean_score)
        )
        numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
        labels = numbers[self.links.label]
        return replace(self, links=replace(self.links, label=labels)[labels > 0])

    def plane_labels(self) -> Iterator[NDArray[np.int32]]:
        """Yield the (H, W) labels of each plane, in order."""
        painter = _Painter(self)
        for number in range(self.shape[0]):
            yield painter.paint(number)

    def labels(self) -> NDArray[np.int32]:
        """Return the (planes, H, W) labels, 0 for background, ids 1 to :attr:`count`."""
        out = np.zeros(self.shape, np.int32)
        for number, plane in enumerate(self.plane_labels()):
            out[number] = plane
        return out


def link_volume(
    load: LoadPlane,
    shape: tuple[int, int, int],
    params: LinkParams | None = None,
    overlap: Overlap = "small_on_top",
    *,
    should_stop: ShouldStop | None = None,
) -> LinkedVolume:
    """Link the candidates of a row of planes, and leave out objects as the parameters say.

    Parameters
    ----------
    load : callable
        Returns the :class:`PlaneCandidates` of plane ``n``. It is called again while labels are
        painted, so that memory holds a few planes at a time.
    shape : tuple of int
        (planes, H, W).
    params : LinkParams, optional
        Parameters.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Part that owns a pixel which several parts cover.
    should_stop : callable, optional
        Polled from window to window.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    params = params or LinkParams()
    links = link_planes(load, shape[0], params, should_stop=should_stop)
    return LinkedVolume(shape, links, load, params.fill_gaps, overlap).filter(
        min_planes=params.min_planes,
        min_volume=params.min_volume,
        min_mean_score=params.min_mean_score,
    )


class _Painter:
    """Painting of planes in order, with the planes of a gap in memory."""

    def __init__(self, volume: LinkedVolume) -> None:
        self._volume = volume
        links = volume.links
        # Ordered by plane, so the parts of one are together.
        self._starts = np.searchsorted(links.plane, np.arange(volume.shape[0] + 1))
        self._gaps = _gaps(links) if volume.fill_gaps else {}
        self._kept: OrderedDict[int, PlaneCandidates] = OrderedDict()
        spans = [gap.last - gap.first for gaps in self._gaps.values() for gap in gaps]
        self._most = 1 + max(spans, default=0)

    def paint(self, number: int) -> NDArray[np.int32]:
        """Paint one plane: its parts, and shapes in gaps where nothing else is."""
        links, shape = self._volume.links, self._volume.shape[1:]
        parts = links[np.arange(*self._starts[number : number + 2])]
        out = np.zeros(shape, np.int32)
        if len(parts.label):
            masks = self._candidates(number).masks[parts.candidate]
            painted, _ = paint_sources(masks, self._volume.overlap, min_visible=0.0)
            out = np.concatenate([[0], parts.label]).astype(np.int32)[painted]
        for gap in self._gaps.get(number, ()):
            self._fill(out, number, gap)
        return out

    def _fill(self, out: NDArray[np.int32], number: int, gap: "_Gap") -> None:
        """Draw the shape of an object in a plane where it is missing, on background only."""
        one, two = self._candidates(gap.first).masks, self._candidates(gap.last).masks
        mask, (top, left) = interpolate_mask(
            *(one.crop(gap.one), (int(one.boxes[gap.one, 0]), int(one.boxes[gap.one, 1]))),
            *(two.crop(gap.two), (int(two.boxes[gap.two, 0]), int(two.boxes[gap.two, 1]))),
            (number - gap.first) / (gap.last - gap.first),
        )
        a, b = max(top, 0), max(left, 0)
        part = out[a : top + mask.shape[0], b : left + mask.shape[1]]
        inside = mask[a - top :, b - left :][: part.shape[0], : part.shape[1]]
        part[inside & (part == 0)] = gap.label

    def _candidates(self, number: int) -> PlaneCandidates:
        if number not in self._kept:
            self._kept[number] = self._volume.load(number)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return self._kept[number]


@dataclass(frozen=True)
class _Gap:
    """Planes between two parts of an object, and the candidates that these parts are."""

    label: int
    first: int
    one: int
    last: int
    two: int


def _gaps(links: Links) -> dict[int, list[_Gap]]:
    """Return the gaps that reach over each plane, by its number."""
    found: dict[int, list[_Gap]] = {}
    before: dict[int, tuple[int, int]] = {}
    rows = zip(links.plane.tolist(), links.candidate.tolist(), links.label.tolist(), strict=True)
    for plane, candidate, label in rows:
        if label in before:
            gap = _Gap(label, *before[label], plane, candidate)
            for number in range(gap.first + 1, plane):
                found.setdefault(number, []).append(gap)
        before[label] = plane, candidate
    return found
