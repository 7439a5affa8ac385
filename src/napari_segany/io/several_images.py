"""Choice of one image in a file that holds several, and the sentences about it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_segany.errors import InputError

_LISTED = 24
"""Images of a file that are listed in words, at most."""


def pick_image(images: Sequence[Any], asked: int | str | None, path: Any) -> tuple[Any, list[str]]:
    """Return the selected image, and a note if there are several and none is selected.

    Parameters
    ----------
    images : sequence
        Objects with ``name``, ``axes``, ``shape`` and ``dtype``.
    asked : int or str, optional
        Number from 0, or name; by default the first.
    path : Path
        The file, for errors.

    Raises
    ------
    InputError
        If there is no such image, or several have the name.
    """
    if asked is None:
        return images[0], [] if len(images) == 1 else [
            f"It holds {len(images)} images, and the first is taken; --series N takes another, "
            f"--series all takes each: {list_images(images)}."
        ]
    return images[image_number([str(each.name) for each in images], asked, path, images)], []


def image_number(
    names: Sequence[str], asked: int | str, path: Any, images: Sequence[Any] = ()
) -> int:
    """Return the number of an image that is given by number or name.

    Parameters
    ----------
    names : sequence of str
        Name of each image of the file.
    asked : int or str
        Number from 0, or a name. Upper and lower case do not matter.
    path : Path
        The file, for errors.
    images : sequence, optional
        The images, for errors; see :func:`pick_image`.

    Raises
    ------
    InputError
        If there is no such image, or several have the name.
    """
    known = list_images(images) if images else list_names(names)
    if isinstance(asked, int):
        if not 0 <= asked < len(names):
            raise InputError(f"There is no image {asked} in {path}; it holds {known}.")
        return asked
    same = [n for n, name in enumerate(names) if name.strip().casefold() == asked.casefold()]
    if len(same) > 1:
        raise InputError(
            f"{len(same)} images in {path} are called {asked!r}; give a number: {known}."
        )
    if not same:
        raise InputError(f"There is no image {asked!r} in {path}; it holds {known}.")
    return same[0]


def list_images(images: Sequence[Any]) -> str:
    """Describe images of a file, by number, name, axes, shape and type."""
    described = []
    for number, each in enumerate(images[:_LISTED]):
        size = " x ".join(str(n) for n in each.shape)
        described.append(
            f"{number}{_named(each.name)}: {each.axes} {size} {np.dtype(each.dtype).name}"
        )
    return "; ".join(described) + ("; ..." if len(images) > _LISTED else "")


def list_names(names: Sequence[str]) -> str:
    """Describe images of a file by number and name."""
    described = [f"{number}{_named(name)}" for number, name in enumerate(names[:_LISTED])]
    return ", ".join(described) + (", ..." if len(names) > _LISTED else "")


def _named(name: Any) -> str:
    # Names in a file may hold control characters, and go to a terminal.
    known = "".join(c for c in str(name) if c.isprintable()).strip()
    return f" ({known})" if known else ""
