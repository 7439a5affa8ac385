"""Target of a session's commits in a napari labels layer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from dask.base import is_dask_collection
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.session.labels_target import Box, Pixels, check_label


class LayerTarget:
    """Labels in a napari layer, written through the layer so that its own undo works.

    Parameters
    ----------
    layer : napari.layers.Labels
        Layer with numpy or zarr data.
    last : int, optional
        Largest label of the layer, if known; else the data is read when a label is needed.
    draw_later : callable, optional
        Called instead of redrawing the layer at once, which is slow for a large layer.
    """

    def __init__(
        self,
        layer: Any,
        last: int | None = None,
        draw_later: Callable[[], object] | None = None,
    ) -> None:
        check_writable(layer)
        self.layer, self._shape = layer, tuple(layer.data.shape)
        self._last, self._draw_later = last, draw_later
        self._painted = 0
        self._gathered: list[tuple[Any, NDArray[np.integer]]] | None = None

    def read(self, box: Box) -> NDArray[np.integer]:
        """Return a copy of the labels in a box."""
        found: NDArray[np.integer] = np.array(self.layer.data[box])
        return found

    def read_pixels(self, pixels: Pixels) -> NDArray[np.integer]:
        """Return the (n,) labels of pixels."""
        data = self.layer.data
        if isinstance(data, np.ndarray):
            found: NDArray[np.integer] = data[pixels]
            return found
        if hasattr(data, "vindex"):
            # Arrays of zarr and dask read a chunk once for all of its pixels.
            return np.asarray(data.vindex[pixels])
        boxes = (tuple(slice(k, k + 1) for k in at) for at in zip(*pixels, strict=True))
        return np.array([self.read(box).item() for box in boxes], data.dtype)

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Set the pixels ``where`` (of the box) to the (n,) ``values``."""
        if not len(values):
            return
        # The layer may have other data by now.
        check_writable(self.layer, self._shape)
        index = tuple(at + side.start for at, side in zip(np.nonzero(where), box, strict=True))
        self._painted = max(self._painted, int(values.max()))
        if self._gathered is None:
            self._set(index, values)
        else:
            self._gathered.append((index, self.layer.data[index]))
            self.layer.data[index] = values

    @contextmanager
    def together(self) -> Iterator[None]:
        """Return a context in which many writes are one for the layer: one undo, one redraw."""
        if self._gathered is not None or not isinstance(self.layer.data, np.ndarray):
            yield
            return
        self._gathered = []
        try:
            yield
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered:
                self._hand_over(gathered)

    def _hand_over(self, gathered: list[tuple[Any, NDArray[np.integer]]]) -> None:
        """Write gathered pixels through the layer, as one change."""
        places = [at for at, _ in gathered]
        # Copies of one large object would take as long as the rest.
        index = (
            places[0]
            if len(places) == 1
            else tuple(np.concatenate(axis) for axis in zip(*places, strict=True))
        )
        values = self.layer.data[index]
        for at, before in reversed(gathered):
            self.layer.data[at] = before
        self._set(index, values)

    def _set(self, index: Any, values: NDArray[np.integer]) -> None:
        save = None if self.layer.visible else getattr(self.layer, "_save_history", None)
        if save is None:
            self.layer.data_setitem(index, values, refresh=self._draw_later is None)
        else:
            self._set_unseen(index, values, save)
        if self._draw_later is not None:
            self._draw_later()

    def _set_unseen(
        self, index: Any, values: NDArray[np.integer], save: Callable[[Any], object]
    ) -> None:
        """Write to a layer that is not shown; napari would make colours of its whole plane."""
        before = self.layer.data[index]
        changed = before != values
        if changed.any():
            index = tuple(axis[changed] for axis in index)
            self.layer.data[index] = values[changed]
            save((index, before[changed], values[changed]))

    def free_label(self) -> int:
        """Return a label larger than any that was ever used."""
        if self._last is None:
            self._last = largest_label(self.layer.data)
        self._last = max(self._last, self._painted) + 1
        self.check(self._last)
        return self._last

    def check(self, label: int) -> None:
        """Raise InputError if a label does not fit into the type of the labels."""
        check_label(label, self.layer.data.dtype)

    def forget_largest(self) -> None:
        """Forget the largest label, because the layer has other data."""
        self._last = None

    def note_painted(self, label: int) -> None:
        """Mark a label as used, because somebody painted with it."""
        self._painted = max(self._painted, label)


def check_writable(layer: Any, shape: tuple[int, ...] | None = None) -> None:
    """Raise InputError if a layer's labels cannot be written in place, or have another shape."""
    data, reason = layer.data, ""
    if layer.multiscale:
        reason = "multiscale"
    elif is_dask_collection(data) or not hasattr(data, "__setitem__"):
        reason = "lazy"
    elif _is_read_only(data):
        reason = "read-only"
    elif shape is not None and tuple(data.shape) != shape:
        reason = f"of another shape now, {tuple(data.shape)} instead of {shape}"
    if reason:
        raise InputError(
            f"{layer.name} cannot be written: its data is {reason}. Choose other labels, new ones, "
            "or a copy of these in memory."
        )


def _is_read_only(data: Any) -> bool:
    if isinstance(data, np.ndarray):
        return not data.flags.writeable
    return bool(getattr(data, "read_only", False))


def largest_label(data: Any) -> int:
    """Return the largest label; data is read in parts along the first axis."""
    return max((int(np.asarray(part).max(initial=0)) for part in data), default=0)
