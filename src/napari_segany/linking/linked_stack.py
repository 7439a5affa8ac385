"""Objects of a stack whose planes are linked along one axis, one volume for each other index."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.overlap import Overlap
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_volume import link_volume
from napari_segany.linking.plane_candidates import PlaneCandidates

Index = tuple[int, ...]
"""Index of a plane along the leading axes."""


class VolumeObjects(Protocol):
    """The objects of one volume, from whatever is known of its planes."""

    @property
    def count(self) -> int:
        """Number of objects."""
        ...

    def objects(self) -> Mapping[str, NDArray[Any]]:
        """Return one row an object, as columns; see :meth:`LinkedVolume.objects`."""
        ...

    def plane_labels(self) -> Iterator[NDArray[np.int32]]:
        """Yield the (H, W) labels of each plane, in order; ids are 1 to :attr:`count`."""
        ...


MakeVolume = Callable[[Callable[[int], Any], tuple[int, int, int]], VolumeObjects]
"""Callable that makes the objects of a volume from a loader of its planes and (planes, H, W)."""


def check_axis(layout: StackLayout, params: LinkParams) -> None:
    """Raise InputError if a stack has no axis to link along."""
    axis = params.link.upper()
    if axis not in layout.leading:
        named = (
            f"its planes lie along {', '.join(layout.leading)}"
            if layout.leading
            else "it is one plane"
        )
        raise InputError(
            f"Objects are to be linked along {axis}, and the image has no such axis ({named}); "
            "give axes that name it, such as ZYX."
        )


class LinkedStack:
    """Objects of a stack, linked along one axis.

    Each index along the other leading axes (such as T) is a volume by itself. Ids are unique over
    the stack.

    Parameters
    ----------
    layout : StackLayout
        The planes.
    load : callable
        Returns the :class:`PlaneCandidates` of the plane at an index, or what ``make_volume``
        takes, None for one without any. It is called at least twice for each plane: to link, and
        to paint.
    params : LinkParams
        Axis, rules and filters.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Part that owns a pixel which several parts cover.
    make_volume : callable, optional
        Makes the objects of one volume; by default the masks of its planes are linked. It is given
        None for planes without any.
    should_stop : callable, optional
        Polled from time to time.

    Raises
    ------
    InputError
        If the stack has no such axis.
    Cancelled
        If ``should_stop`` returned True.

    Attributes
    ----------
    count : int
        Number of objects.
    volumes : dict
        The objects of each index along the other axes.
    """

    def __init__(
        self,
        layout: StackLayout,
        load: Callable[[Index], Any],
        params: LinkParams,
        overlap: Overlap = "small_on_top",
        *,
        make_volume: MakeVolume | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:
        check_axis(layout, params)
        self.layout = layout
        self._at = layout.leading.index(params.link.upper())
        self._rows: dict[Index, list[Index]] = {}
        for index in layout.chosen():
            self._rows.setdefault(self.volume_of(index), []).append(index)
        size = layout.labels_shape[-2], layout.labels_shape[-1]
        self.volumes: dict[Index, VolumeObjects] = {}
        self._first: dict[Index, int] = {}
        self.count = 0
        for other, row in self._rows.items():

            def load_plane(number: int, row: list[Index] = row) -> Any:
                return load(row[number])

            def load_masks(number: int, row: list[Index] = row) -> PlaneCandidates:
                return load(row[number]) or PlaneCandidates.empty(size)

            shape = (len(row), *size)
            if make_volume is None:
                volume: VolumeObjects = link_volume(
                    load_masks, shape, params, overlap, should_stop=should_stop
                )
            else:
                volume = make_volume(load_plane, shape)
            self.volumes[other], self._first[other] = volume, self.count
            self.count += volume.count

    def volume_of(self, index: Index) -> Index:
        """Return the index of a plane's volume: that of the plane, less the axis that is linked."""
        return index[: self._at] + index[self._at + 1 :]

    def planes(self) -> Iterator[tuple[Index, NDArray[np.int32]]]:
        """Yield index and (H, W) labels of each plane that is wanted, in the order of the stack."""
        painted = {other: volume.plane_labels() for other, volume in self.volumes.items()}
        for index in self.layout.chosen():
            other = self.volume_of(index)
            labels = next(painted[other])
            yield index, np.where(labels > 0, labels + np.int32(self._first[other]), labels)

    def labels(self) -> NDArray[np.int32]:
        """Return the labels of the whole stack; planes that are not wanted are empty."""
        out = np.zeros(self.layout.labels_shape, np.int32)
        for index, labels in self.planes():
            out[index] = labels
        return out

    def objects(self) -> Mapping[str, NDArray[Any]]:
        """Return one row an object, as columns.

        Returns
        -------
        mapping
            ``label``; the index along each other leading axis; then as in
            :meth:`LinkedVolume.objects`, with planes counted along the axis of the stack.
        """
        tables = []
        others = self.layout.leading.replace(self.layout.leading[self._at], "")
        for other, volume in self.volumes.items():
            table = dict(volume.objects())
            label = table.pop("label") + np.int64(self._first[other])
            numbers = np.array([index[self._at] for index in self._rows[other]], np.int64)
            for name in ("first_plane", "last_plane"):
                table[name] = numbers[table[name]]
            place = {
                axis: np.full(volume.count, n, np.int64)
                for axis, n in zip(others, other, strict=True)
            }
            tables.append({"label": label, **place, **table})
        # A volume without objects may not know of columns that others have.
        some = [table for table in tables if len(table["label"])] or tables[:1]
        return {name: np.concatenate([t[name] for t in some]) for name in some[0]}
