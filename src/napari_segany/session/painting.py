"""Pixels painted by hand onto the mask of an object, or off it; they win over the model."""

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.image_source import plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.core.sequences import listed
from napari_segany.errors import InputError
from napari_segany.session.state import PaintedPixels, State


def apply_paint(masks: MaskSet, painted: PaintedPixels) -> MaskSet:
    """Return masks with painted pixels added and removed; scores stay those of the model."""
    crops = []
    origins = []
    for number in range(len(masks)):
        crop, origin = _grown(masks, number, painted.added)
        if painted.removed is not None:
            _within(painted.removed, crop.shape, origin, crop, False)
        crops.append(crop)
        origins.append(origin)
    return masks.with_masks(MaskSet.from_crops(masks.shape, crops, origins))


def with_stroke(
    state: State,
    number: int | None,
    pixels: ArrayLike | MaskSet,
    present: bool,
    image: tuple[int, ...],
) -> State:
    """Return the state after a stroke of the brush or the eraser on an open object.

    Parameters
    ----------
    state : State
        The state; the same one is returned if the stroke changes nothing.
    number : int or None
        The object; the active one by default.
    pixels : array_like or MaskSet
        The stroke: a boolean (H, W) image of the object's plane, or a set of one mask.
    present : bool
        Whether the pixels are on the object.
    image : tuple of int
        Shape of the image.

    Raises
    ------
    InputError
        If there is no such object, it is committed, or the stroke does not fit its plane.
    """
    each = state.find(state.active if number is None else number)
    if each.commit is not None:
        raise InputError(f"Object {each.id} is committed; reopen it to paint on it.")
    stroke = _stroke(pixels, plane_shape(image, each.plane))
    if not stroke.area[0]:
        return state
    before = each.painted or PaintedPixels()
    same, other = before.added, before.removed
    if not present:
        same, other = other, same
    same, other = _union(same, stroke), _difference(other, stroke)
    added, removed = (same, other) if present else (other, same)
    return state.with_objects(replace(each, painted=PaintedPixels(added, removed)))


def with_merged(
    state: State,
    into: int,
    numbers: Collection[int],
    preview: Callable[[int], MaskSet | None],
) -> tuple[State, MaskSet]:
    """Return the state in which objects are part of a committed one, which is open.

    Parameters
    ----------
    state : State
        The state.
    into : int
        The committed object, onto which the pixels of the others are painted.
    numbers : collection of int
        The others; they are not in the new state.
    preview : callable
        Returns the mask of an open object; None if it is not segmented yet.

    Returns
    -------
    state : State
        The new state.
    mask : MaskSet
        The mask of the object with the pixels of the others, which is to be committed.

    Raises
    ------
    InputError
        If the object is not committed, an object is not segmented, or they are on several planes.
    """
    each, others = state.find(into), [state.find(number) for number in numbers]
    planes = {part.plane for one in (each, *others) for part in state.parts(one.whole)}
    if each.commit is None or len(planes) > 1:
        raise InputError("Objects are merged into a committed one, and on one plane only.")
    before = each.painted or PaintedPixels()
    added, removed = before.added, before.removed
    for one in others:
        mask = preview(one.id) if one.commit is None else one.commit.mask
        if mask is None:
            raise InputError("The object is not segmented yet; ask() first.")
        if mask.area[0]:
            added, removed = _union(added, mask), _difference(removed, mask)
    painted = PaintedPixels(added, removed)
    left = state.without(set(numbers)).with_objects(replace(each, commit=None, painted=painted))
    return left, apply_paint(each.commit.mask, painted)


def _stroke(pixels: ArrayLike | MaskSet, shape: tuple[int, int]) -> MaskSet:
    if not isinstance(pixels, MaskSet):
        array = np.asarray(listed(pixels))
        if array.ndim != 2:
            raise InputError(f"A stroke must be an (H, W) image, got shape {array.shape}.")
        pixels = MaskSet.from_masks(array.astype(bool)[None])
    if pixels.shape != tuple(shape):
        raise InputError(f"The stroke has shape {pixels.shape}, the plane has shape {shape}.")
    return pixels


def _grown(
    masks: MaskSet, number: int, added: MaskSet | None
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Return a mask with the pixels of another one, on the box around both, and its corner."""
    a, b, c, d = masks.boxes[number].tolist()
    if added is not None and added.area[0]:
        e, f, g, h = added.boxes[0].tolist()
        a, b, c, d = (min(a, e), min(b, f), max(c, g), max(d, h)) if c > a else (e, f, g, h)
    crop = np.zeros((c - a, d - b), bool)
    if masks.area[number]:
        _within(masks[number], crop.shape, (a, b), crop, True)
    if added is not None:
        _within(added, crop.shape, (a, b), crop, True)
    return crop, (a, b)


def _within(
    mask: MaskSet,
    shape: tuple[int, ...],
    origin: tuple[int, int],
    out: NDArray[np.bool_],
    value: bool,
) -> None:
    """Set the pixels of a mask in an array whose corner is ``origin``."""
    a, b, c, d = mask.boxes[0].tolist()
    top, left = max(a, origin[0]), max(b, origin[1])
    bottom, right = min(c, origin[0] + shape[0]), min(d, origin[1] + shape[1])
    if bottom > top and right > left:
        part = mask.crop(0)[top - a : bottom - a, left - b : right - b]
        there = out[top - origin[0] : bottom - origin[0], left - origin[1] : right - origin[1]]
        there[part] = value


def _union(mask: MaskSet | None, other: MaskSet) -> MaskSet:
    if mask is None:
        return other
    crop, origin = _grown(mask, 0, other)
    return MaskSet.from_crops(mask.shape, [crop], [origin])


def _difference(mask: MaskSet | None, other: MaskSet) -> MaskSet | None:
    """Return the pixels of a mask that are not in another one; None if none is left."""
    if mask is None:
        return None
    crop = mask.crop(0)
    a, b = mask.boxes[0, :2].tolist()
    _within(other, crop.shape, (a, b), crop, False)
    return MaskSet.from_crops(mask.shape, [crop], [(a, b)]) if crop.any() else None
