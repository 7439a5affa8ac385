"""Export of the found objects as a command and as a script that make the same labels."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from napari_segany.batch.command import as_command as batch_command
from napari_segany.batch.command import fits_command
from napari_segany.batch.options import BatchOptions, ModelRequest
from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.errors import InputError
from napari_segany.generators.tile_params import AUTO_TILES
from napari_segany.generators.volumes.find_maps import check_finder
from napari_segany.linking.link_params import LinkParams
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.layers.image_file import ImageReading, find_reading
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.recipe import Recipe

IMAGE, REGION = "IMAGE", "REGION"
"""Words of a command in place of files that do not exist."""

SCRIPT = '''\
"""Finds the objects of an image again."""

import napari_segany as sa

recipe = sa.Recipe.from_json("""
{recipe}""")
image = {image}
{region}labels = sa.run_recipe(recipe, image{options})  # int32, {shape}
'''


@dataclass(frozen=True)
class ExportedCode:
    """A command or a script.

    Attributes
    ----------
    text : str
        The command or script.
    notes : tuple of str
        What a person has to know or to fill in, a sentence each.
    """

    text: str
    notes: tuple[str, ...]


def linked_recipe(found: FoundMasks, link: LinkParams | None) -> Recipe:
    """Return the recipe of found masks, which links planes into volumes where there are several.

    Parameters
    ----------
    found : FoundMasks
        The masks of an image, with filters.
    link : LinkParams or None
        How planes are linked; None to leave them by themselves.

    Raises
    ------
    InputError
        If nothing was searched for, or the search has no maps that could be linked.
    """
    recipe = found.make_recipe()
    if link is None or max(found.source.shape[:-2], default=1) < 2:
        return recipe
    if link.link_from == "maps":
        check_finder(recipe.params)
    return replace(recipe, link=link)


def as_command(
    found: FoundMasks,
    view: LayerView,
    device: str,
    saved: tuple[Path, Recipe] | None = None,
    link: LinkParams | None = None,
) -> ExportedCode:
    """Return a command that makes the labels of all searched planes in a terminal.

    Parameters
    ----------
    found : FoundMasks
        The masks of an image, with filters.
    view : LayerView
        That image.
    device : str
        The device, as for :func:`napari_segany.load_model`.
    saved : tuple of Path and Recipe, optional
        A recipe that was saved, and its file. The command names the file if it has no options for
        the parameters.
    link : LinkParams, optional
        How planes are linked into volumes; by default they are not.

    Raises
    ------
    InputError
        If no command can express the search.
    """
    recipe, reading = repeatable(found, view, link)
    shape = plane_shape(view.shape[-2:], (None, None))
    file = None
    if not fits_command(recipe.params):
        if saved is None or saved[1] != linked_recipe(found, link):
            raise InputError(
                "These parameters do not fit into a command; press Save recipe first, and the "
                "command reads that file."
            )
        file = saved[0]
    options = BatchOptions(
        Path("results"),
        params=recipe.params,
        labels=recipe.labels,
        axes="auto" if reading.own_axes else recipe.axes,
        channels=recipe.channels,
        normalise=recipe.normalise,
        planes=recipe.planes,
        region=Path(REGION) if found.region else None,
        request=ModelRequest(recipe.model, device, recipe.precision),
        link=recipe.link,
        # Planes that are not large are searched as a whole by default.
        tiles=recipe.tiles or (None if AUTO_TILES.applies_to(shape) else AUTO_TILES),
    )
    text = batch_command([reading.path or Path(IMAGE)], options, recipe=file)
    notes = _notes(found)
    if found.region:
        notes.append(f"{REGION} stands for an image that is above 0 inside {found.region}.")
    if reading.path is None:
        notes.append(f"{IMAGE} stands for a file with the pixels of {view.name}.")
    return ExportedCode(text, tuple(notes))


def as_python(found: FoundMasks, view: LayerView, link: LinkParams | None = None) -> ExportedCode:
    """Return a script that makes the labels of all searched planes.

    Parameters
    ----------
    found : FoundMasks
        The masks of an image, with filters.
    view : LayerView
        That image.
    link : LinkParams, optional
        How planes are linked into volumes; by default they are not.

    Raises
    ------
    InputError
        If no script can express the search.
    """
    recipe, reading = repeatable(found, view, link)
    region = f"region = ...  # above 0 inside {found.region!r}\n" if found.region else ""
    text = SCRIPT.format(
        recipe=recipe.to_json().replace("\\", "\\\\"),
        image=f"...  # {view.name!r} as an array with axes {reading.axes}"
        if reading.path is None
        else repr(str(reading.path)),
        region=region,
        # Named, because a recipe's axes give way to those of an image that they do not fit.
        options=f", axes={reading.axes!r}" + (", region=region" if region else ""),
        shape=view.shape,
    )
    notes = _notes(found)
    if region or reading.path is None:
        notes.append("Fill in what stands as three dots.")
    return ExportedCode(text, tuple(notes))


def repeatable(
    found: FoundMasks, view: LayerView, link: LinkParams | None = None
) -> tuple[Recipe, ImageReading]:
    """Return a recipe of the labels with axes, channels and planes, and how the image is read.

    Raises
    ------
    InputError
        If the searched planes are seen from the side, or are not all planes of some ranges.
    """
    recipe = linked_recipe(found, link)
    planes = sorted(found.masks, key=lambda plane: [n or 0 for n in plane])
    if any(plane[-2:] != (None, None) for plane in planes):
        raise InputError(
            "Planes that are seen from the side cannot be found again outside of napari; show the "
            "last two axes of the image, and find everything again."
        )
    reading = find_reading(view, planes[0])
    ranges = _ranges(planes, view.shape)
    named = tuple(
        (axis, *span)
        for axis, span, size in zip(reading.labels_axes, ranges, view.shape, strict=False)
        if span != (0, size)
    )
    return replace(recipe, axes=reading.axes, channels=reading.channels, planes=named), reading


def _ranges(planes: Iterable[Plane], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return first and end of the planes along each axis that counts planes."""
    chosen: set[Any] = {plane[:-2] for plane in planes}
    along = [[index[axis] for index in chosen] for axis in range(len(shape) - 2)]
    ranges = [(min(each), max(each) + 1) for each in along]
    missing = set(product(*(range(*each) for each in ranges))) - chosen
    if missing:
        plane = ", ".join(map(str, min(missing)))
        raise InputError(
            f"Plane {plane} lies between searched planes and was not searched; a command and a "
            "script find all planes of a range. Search that plane, too."
        )
    return ranges


def _notes(found: FoundMasks) -> list[str]:
    """Return remarks about what the recipe of found masks does not contain."""
    rejected = sum(map(len, found.rejected.values()))
    corrected = sum(map(len, found.corrected.values()))
    notes = [f"Objects that you rejected ({rejected}) are found again."] if rejected else []
    if corrected:
        notes.append(f"Objects that you corrected ({corrected}) are found as they were.")
    if found.unfinished:
        notes.append("The search of a plane was stopped; all of its tiles are searched.")
    return notes
