"""Updates of open objects from prompts: pure functions of the session state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_segany.core.image_source import Plane, check_plane_index, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.session.state import PromptHistory, SegmentedObject, State

ObjectPrompts = Mapping[int, tuple[Plane, Prompt]]
"""Plane and prompt by object number; numbers of no open object are new objects."""

PartMask = tuple[int, Plane, MaskSet]
"""Number of an object through planes, a plane on which it was found, and one mask."""


def open_prompts(state: State) -> dict[int, tuple[Plane, Prompt]]:
    """Return plane and prompt of the open objects, by number."""
    return {each.id: (each.plane, each.prompt) for each in state.open}


def new_objects(
    prompts: Iterable[Prompt], planes: Iterable[Plane], default: Plane
) -> dict[int, tuple[Plane, Prompt]]:
    """Return plane and prompt of new objects, numbered -1, -2, ... in their order."""
    prompts = tuple(prompts)
    where = list(planes) or [default] * len(prompts)
    return {-i: each for i, each in enumerate(zip(where, prompts, strict=True), start=1)}


def check_prompts(state: State, wanted: ObjectPrompts, shape: Sequence[int]) -> None:
    """Raise InputError if a prompt that no open object has yet does not fit the image's shape."""
    for number, (plane, prompt) in wanted.items():
        each = state.objects.get(number)
        if each is None or each.prompt is not prompt or each.plane != plane:
            check_plane_index(shape, plane)
            prompt.check_inside(plane_shape(shape, plane))


def with_open_objects(
    state: State,
    wanted: ObjectPrompts,
    next_id: int,
    labels: Mapping[int, int],
    wholes: Mapping[int, int] | None = None,
) -> tuple[State, dict[int, int]]:
    """Return the state with exactly the wanted open objects; committed ones stay.

    New objects get the ``labels`` that are given for them, and are parts of the ``wholes``.

    Returns
    -------
    state : State
        The same object if nothing changes.
    begun : dict
        Numbers of new objects, from ``next_id`` on, by the given ones.
    """
    before = {each.id: each for each in state.open}
    changed: list[SegmentedObject] = []
    begun: dict[int, int] = {}
    for number, (plane, prompt) in wanted.items():
        each = before.get(number)
        if each is None:
            begun[number] = next_id + len(begun)
            new = SegmentedObject(begun[number], plane, prompt, label=labels.get(number))
            changed.append(replace(new, part_of=(wholes or {}).get(number)))
        elif each.plane != plane:
            new = replace(each, plane=plane, prompt=prompt, choice=0, before=None)
            changed.append(replace(new, painted=None))
        elif each.prompt is not prompt:
            changed.append(_with_prompt(each, prompt))
    gone = before.keys() - wanted.keys()
    if not gone and not changed:
        return state, begun
    state = (state.without(gone) if gone else state).with_objects(*changed)
    for each in changed:
        # A prompt on a plane says that the object is there.
        state = with_absence(state, each.whole, each.plane, False)
    return (replace(state, active=changed[-1].id) if changed else state), begun


def with_object_sizes(state: State, wanted: ObjectPrompts, size: float) -> ObjectPrompts:
    """Return prompts of which new ones, and changed ones without a size, state the object's size.

    Parameters
    ----------
    state : State
        The state, whose open objects keep the size that they began with.
    wanted : mapping
        Plane and prompt by object number.
    size : float
        Longer side of new objects in pixels.
    """
    sized: dict[int, tuple[Plane, Prompt]] = {}
    for number, (plane, prompt) in wanted.items():
        each = state.objects.get(number)
        same = each is not None and each.prompt is prompt
        if not same and prompt.object_size is None:
            known = None if each is None else each.prompt.object_size
            prompt = prompt.changed(object_size=known or size)
        sized[number] = plane, prompt
    return sized


def with_choice(state: State, each: SegmentedObject, choice: int, found: MaskSet | None) -> State:
    """Return the state in which another of the candidates of an open object is chosen.

    Raises
    ------
    InputError
        If there are no candidates, or fewer.
    """
    if each.commit is not None or found is None:
        raise InputError("There are no candidates to choose from.")
    if not 0 <= choice < len(found):
        raise InputError(f"There are candidates 0..{len(found) - 1}, got {choice}.")
    return state if choice == each.choice else state.with_objects(replace(each, choice=choice))


def with_absence(state: State, whole: int, plane: Plane, absent: bool) -> State:
    """Return the state in which an object is said not to be on a plane, or no longer is.

    Parameters
    ----------
    state : State
        The state; the same one is returned if nothing changes.
    whole : int
        Number of the object through planes.
    plane : tuple
        The plane.
    absent : bool
        Whether the object is said not to be there.

    Raises
    ------
    InputError
        If the object has no open part that would know of it, or has a prompt there.
    """
    parts = [each for each in state.objects.values() if each.whole == whole]
    if not absent:
        known = [each for each in parts if plane in each.absent]
        less = [replace(each, absent=each.absent - {plane}) for each in known]
        return state.with_objects(*less) if less else state
    if any(each.plane == plane for each in parts):
        raise InputError("The object is prompted on this plane; delete these prompts instead.")
    first = next((each for each in parts if each.commit is None), None)
    if first is None:
        raise InputError(f"Object {whole} is not open.")
    if any(plane in each.absent for each in parts):
        return state
    return state.with_objects(replace(first, absent=first.absent | {plane}))


def propagated_parts(
    masks: Iterable[PartMask], next_id: int
) -> list[tuple[SegmentedObject, MaskSet]]:
    """Return further parts of objects with their masks, numbered from ``next_id`` on.

    Parameters
    ----------
    masks : iterable of tuple
        Number of an object through planes, a plane, and one mask, which is the prompt of the part.
    next_id : int
        The first number.
    """
    return [
        (
            SegmentedObject(next_id + i, plane, Prompt(mask=mask), part_of=whole, propagated=True),
            mask,
        )
        for i, (whole, plane, mask) in enumerate(masks)
    ]


def _with_prompt(each: SegmentedObject, prompt: Prompt) -> SegmentedObject:
    """Return the object with another prompt, which refines the prompt that it extends.

    That is the object's prompt or one of its history: removing the last point goes back in the
    history, and moving it refines the same candidate again.
    """
    history: PromptHistory | None = PromptHistory(each.prompt, each.choice, each.before)
    while history is not None:
        if is_same_prompt(prompt, history.prompt):
            before = _with_size(history.before, prompt)
            return replace(each, prompt=prompt, choice=history.choice, before=before)
        if extends(prompt, history.prompt):
            return replace(each, prompt=prompt, choice=0, before=_with_size(history, prompt))
        history = history.before
    return replace(each, prompt=prompt, choice=0, before=None)


def _with_size(history: PromptHistory | None, prompt: Prompt) -> PromptHistory | None:
    """Return a history whose prompts have the object size of the latest one; itself if they do."""
    if history is None or history.prompt.object_size == prompt.object_size:
        return history
    resized = history.prompt.changed(object_size=prompt.object_size)
    return PromptHistory(resized, history.choice, _with_size(history.before, prompt))


def is_same_prompt(prompt: Prompt, other: Prompt) -> bool:
    """Return True if two prompts have the same points, box and mask."""
    return extends(prompt, other) and extends(other, prompt)


def extends(prompt: Prompt, other: Prompt) -> bool:
    """Return True if a prompt begins with another one's points and has its box and mask."""
    if other.points is not None:
        count = len(other.points)
        if prompt.points is None or prompt.labels is None or len(prompt.points) < count:
            return False
        if not np.array_equal(prompt.points[:count], other.points):
            return False
        if not np.array_equal(prompt.labels[:count], other.labels):  # type: ignore[arg-type]
            return False
    if other.box is not None and not np.array_equal(prompt.box, other.box):  # type: ignore[arg-type]
        return False
    if other.region is None or other.region is prompt.region:
        return True
    return (
        prompt.region is not None
        and np.array_equal(prompt.region.boxes, other.region.boxes)
        and np.array_equal(prompt.region.crop(0), other.region.crop(0))
    )
