"""Names of channels: reading them from files, and choosing channels by them."""

from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown


def names_in_tiff(tiff: tifffile.TiffFile, series: Any, count: int) -> tuple[str, ...]:
    """Return the names of the channels of a series; empty if the file does not name each.

    Parameters
    ----------
    tiff : TiffFile
        The open file.
    series : TiffPageSeries
        The image.
    count : int
        Number of its channels.
    """
    try:
        if tiff.is_ome:
            return usable(_in_ome(tiff, series), count)
        if tiff.is_imagej:
            # One a page, and channels come first; other pages may have the same names.
            labels = (tiff.imagej_metadata or {}).get("Labels") or ()
            return usable(labels[:count], count)
    # Metadata can be wrong in any way, and channels without names have numbers.
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, ElementTree.ParseError):
        pass
    return ()


def _in_ome(tiff: tifffile.TiffFile, series: Any) -> list[str]:
    root = ElementTree.fromstring((tiff.ome_metadata or "").encode())
    images = [each for each in root.iter() if each.tag.endswith("}Pixels")]
    # Images without data are described, but are no series.
    number = tiff.series.index(series) if len(images) == len(tiff.series) else 0
    channels = [each for each in images[number] if each.tag.endswith("}Channel")]
    return [each.get("Name", "") for each in channels]


def usable(names: Iterable[Any], count: int) -> tuple[str, ...]:
    """Return names as text, or none unless each of ``count`` channels has one of its own."""
    found = tuple("".join(c for c in str(name) if c.isprintable()).strip() for name in names)
    return found if all(found) and len(found) == len(set(found)) == count else ()


def channel_numbers(
    chosen: Sequence[int | str], names: Sequence[str], image: str
) -> tuple[int, ...]:
    """Return the numbers of channels that are given by number or by name.

    Parameters
    ----------
    chosen : sequence of int or str
        Channels. Upper and lower case matter only between names that differ in nothing else.
    names : sequence of str
        Names of the channels of an image; empty if they have none.
    image : str
        Name of the image, for errors.

    Raises
    ------
    InputError
        If no channel, or more than one, has a name.

    Examples
    --------
    >>> channel_numbers(["gfp", 0], ["DAPI", "GFP"], "cells.tif")
    (1, 0)
    """
    return tuple(each if isinstance(each, int) else _number(each, names, image) for each in chosen)


def _number(name: str, names: Sequence[str], image: str) -> int:
    if name in names:
        return list(names).index(name)
    like = [number for number, each in enumerate(names) if each.lower() == name.lower()]
    if len(like) == 1:
        return like[0]
    known = (
        f"its channels are {', '.join(names)}. Give one of these, or a number from 0."
        if names
        else "the file does not name them. Give a number from 0."
    )
    raise InputError(f"There is no channel {name!r} in {shown(image)}; {known}")
