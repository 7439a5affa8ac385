"""A TIFF series as an array that reads no more pages than it is asked for."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_segany.errors import InputError


class TiffPages:
    """A lazy array over the pages of one series of a TIFF file.

    Used for files that cannot be mapped into memory: compressed, tiled or scattered. Indexing
    takes integers and slices and gives arrays.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Its leading axes must count pages; the others lie within a page.
    name : str
        What to call the file in errors.
    """

    def __init__(self, series: Any, name: str) -> None:
        self.shape: tuple[int, ...] = tuple(int(n) for n in series.shape)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = series.dtype
        self._series = series
        self._name = name
        self._page_shape = tuple(int(n) for n in series.keyframe.shape)
        self._leading = self.ndim - len(self._page_shape)

    @staticmethod
    def can_read(series: Any) -> bool:
        """Whether the pages of ``series`` are the trailing axes of its shape."""
        page = tuple(series.keyframe.shape)
        leading = series.shape[: len(series.shape) - len(page)]
        fits = tuple(series.shape[len(leading) :]) == page
        return fits and int(np.prod(leading, dtype=np.int64)) == len(series.pages)

    def __getitem__(self, key: Any) -> NDArray[np.generic]:
        """The pixels asked for; only pages that hold some of them are read."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(each is Ellipsis for each in keys):
            at = next(n for n, each in enumerate(keys) if each is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        counting, within = keys[: self._leading], tuple(keys[self._leading :])
        lengths = self.shape[: self._leading]
        wanted = [np.atleast_1d(np.arange(n)[k]) for k, n in zip(counting, lengths, strict=True)]
        pages = [self._page(index)[within] for index in product(*wanted)]
        kept = [len(w) for w, k in zip(wanted, counting, strict=True) if isinstance(k, slice)]
        inner = pages[0].shape if pages else np.empty(self._page_shape, np.uint8)[within].shape
        return np.array(pages, self.dtype).reshape(*kept, *inner)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        return self[()].astype(dtype or self.dtype, copy=False)

    def _page(self, index: tuple[int, ...]) -> NDArray[np.generic]:
        lengths = self.shape[: self._leading]
        number = int(np.ravel_multi_index(index, lengths)) if index else 0
        page = self._series.pages[number]
        if page is None:
            # OME-TIFF may leave out planes that were never taken.
            return np.zeros(self._page_shape, self.dtype)
        try:
            pixels: NDArray[np.generic] = page.asarray().reshape(self._page_shape)
        # Decoders of a dozen compressions fail in as many ways.
        except Exception as error:
            raise InputError(
                f"{self._name}: page {number + 1} of {len(self._series.pages)} cannot be decoded "
                f"({error}). The file is damaged or of a kind that cannot be read; save it again "
                "as TIFF from the program that made it."
            ) from error
        return pixels
