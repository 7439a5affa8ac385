"""How open objects become what is asked for now."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from napari_segany.core.image_source import Plane
from napari_segany.core.prompts import Prompt
from napari_segany.session.state import PromptHistory, SegmentedObject, State

Wanted = Mapping[int, tuple[Plane, Prompt]]
"""Plane and prompt by object number; numbers that no open object has are new objects."""


def open_prompts(state: State) -> dict[int, tuple[Plane, Prompt]]:
    """Plane and prompt of the open objects, by number."""
    return {each.id: (each.plane, each.prompt) for each in state.open}


def changed_prompts(state: State, wanted: Wanted) -> Iterator[tuple[Plane, Prompt]]:
    """Those that no open object has yet."""
    for number, (plane, prompt) in wanted.items():
        each = state.objects.get(number)
        if each is None or each.prompt is not prompt or each.plane != plane:
            yield plane, prompt


def opened(
    state: State, wanted: Wanted, next_id: int, labels: Mapping[int, int]
) -> tuple[State, dict[int, int]]:
    """Make the open objects just those that are wanted; committed ones stay.

    New objects get the ``labels`` that are given for them.

    Returns
    -------
    state : State
        The same if nothing changes.
    begun : dict
        Numbers of new objects, ``next_id`` onward, by those that were given.
    """
    before = {each.id: each for each in state.open}
    changed: list[SegmentedObject] = []
    begun: dict[int, int] = {}
    for number, (plane, prompt) in wanted.items():
        each = before.get(number)
        if each is None:
            begun[number] = next_id + len(begun)
            changed.append(SegmentedObject(begun[number], plane, prompt, label=labels.get(number)))
        elif each.plane != plane:
            changed.append(replace(each, plane=plane, prompt=prompt, choice=0, before=None))
        elif each.prompt is not prompt:
            changed.append(_asked_anew(each, prompt))
    gone = before.keys() - wanted.keys()
    if not gone and not changed:
        return state, begun
    state = (state.without(gone) if gone else state).with_objects(*changed)
    return (replace(state, active=changed[-1].id) if changed else state), begun


def _asked_anew(each: SegmentedObject, prompt: Prompt) -> SegmentedObject:
    """An object with another prompt, which refines what it adds to.

    That is the object's prompt, or one of those before it: taking the last point away goes back,
    and moving it refines the same answer anew.
    """
    earlier: PromptHistory | None = PromptHistory(each.prompt, each.choice, each.before)
    while earlier is not None:
        if asks_the_same(prompt, earlier.prompt):
            return replace(each, prompt=prompt, choice=earlier.choice, before=earlier.before)
        if adds_to(prompt, earlier.prompt):
            return replace(each, prompt=prompt, choice=0, before=earlier)
        earlier = earlier.before
    return replace(each, prompt=prompt, choice=0, before=None)


def asks_the_same(prompt: Prompt, other: Prompt) -> bool:
    """Whether two prompts have the same points, box and mask."""
    return adds_to(prompt, other) and adds_to(other, prompt)


def adds_to(prompt: Prompt, other: Prompt) -> bool:
    """Whether a prompt has all that another one has: its first points, its box, its mask."""
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
