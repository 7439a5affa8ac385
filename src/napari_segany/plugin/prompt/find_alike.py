"""Search for objects like those of a Prompt dock, in the Everything dock."""

from collections.abc import Sequence
from typing import Any

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.plugin.shared.opening import open_dock, open_then


def find_alike(widget: Any, numbers: Sequence[int], wait: bool = False) -> Any:
    """Find objects like some of a session in the Everything dock, and return that dock.

    Parameters
    ----------
    widget : PromptWidget
        The dock with the session.
    numbers : sequence of int
        Objects that are examples; those of the plane of the first one are taken.
    wait : bool
        Return when the search is done.

    Raises
    ------
    InputError
        If none of the objects has a mask.
    """
    examples = _masks_of(widget, numbers)
    return _search(widget, open_dock(widget.viewer, "Everything"), examples, wait)


def find_alike_in_turns(widget: Any, numbers: Sequence[int]) -> None:
    """Do the same in turns of the event loop, of which a missing dock takes most."""
    examples = _masks_of(widget, numbers)
    open_then(
        widget.viewer, "Everything", lambda everything: _search(widget, everything, examples, False)
    )


def _masks_of(widget: Any, numbers: Sequence[int]) -> MaskSet:
    """Go to the first of some objects, and return the masks of those on its plane."""
    sync = widget.controller.sync
    session = sync.open_session()
    chosen = [session.state.find(number) for number in numbers]
    pairs = [
        (each.plane, session.preview(each.id) if each.commit is None else each.commit.mask)
        for each in chosen
    ]
    masks = [(plane, mask) for plane, mask in pairs if mask is not None and mask.area[0]]
    if not masks:
        raise InputError("Select an object that has a mask, in the list of objects.")
    first = masks[0][0]
    widget.controller.objects.go_to(numbers[0])
    return MaskSet.concatenate([mask.without_logits() for at, mask in masks if at == first])


def _search(widget: Any, everything: Any, examples: MaskSet, wait: bool) -> Any:
    view, model = widget.controller.sync.view, widget.model
    if model is not None:
        everything.model = model
    seen = {"contrast": view.limits or "stretch", "others": view.others}
    everything.set_image(view.layer, channels=view.channels, **seen)
    everything.alike.find(examples, wait=wait)
    return everything
