"""Actions on objects that were chosen in the list of the Prompt dock, or on the canvas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.errors import InputError
from napari_segany.plugin.layers.transforms import show_plane, zoom_on
from napari_segany.plugin.prompt.picking import committed_at, open_at
from napari_segany.plugin.shared.choices import Choice
from napari_segany.session.state import object_center

if TYPE_CHECKING:
    from napari_segany.plugin.prompt.controller import PromptController


def go_to(controller: "PromptController", numbers: Sequence[int]) -> None:
    """Show the first of some objects; see :meth:`PromptController.go_to`."""
    if numbers:
        controller.go_to(numbers[0])


def reopen(controller: "PromptController", numbers: Sequence[int]) -> None:
    """Open committed objects again, with their prompts."""
    session = controller.sync.open_session()
    # Reopening a part opens the others, and removes those that were propagated.
    for number in (n for n in numbers if n in session.state.objects):
        controller.go_to(number)
        session.reopen(number)


def delete(controller: "PromptController", numbers: Sequence[int]) -> None:
    """Delete objects."""
    if controller.session is not None and numbers:
        controller.session.delete(numbers)
        confirm(controller, f"Deleted {_count(len(numbers))}.")


def clear(controller: "PromptController") -> None:
    """Delete all open objects."""
    controller.finish()
    session = controller.sync.open_session()
    if session.state.open:
        count = len(session.state.open)
        session.delete([each.id for each in session.state.open])
        confirm(controller, f"Deleted {_count(count, 'open object')}.")


def confirm(controller: "PromptController", text: str) -> None:
    """Say what was done, and offer to undo it."""
    controller.status.emit(text)
    controller.offered.emit((undo_choice(controller),))


def undo_choice(controller: "PromptController") -> Choice:
    """Return the choice to undo the last step."""
    return Choice("Undo", "Undo this step (U)", controller.undo)


def show_object(controller: "PromptController", number: int) -> None:
    """Show an object, large and outlined; make it the active one if it is open."""
    session, view = controller.sync.open_session(), controller.view
    each = session.state.find(number)
    mask = session.preview(number) if each.commit is None else each.commit.mask
    center, sides = object_center(each), (0.0, 0.0)
    if mask is not None and mask.area[0]:
        a, b, c, d = mask.boxes[0].tolist()
        center, sides = ((a + c - 1) / 2, (b + d - 1) / 2), (c - a, d - b)
    show_plane(controller.viewer, view, each.plane, center)
    if max(sides):
        zoom_on(controller.viewer, view, each.plane, sides)
    if each.commit is None:
        session.reopen(number)
    controller.sync.outline(each)


def pick(controller: "PromptController", position: ArrayLike) -> None:
    """Choose the object at a place: an open one becomes active, a committed one is open again.

    Parameters
    ----------
    controller : PromptController
        Controller with a session.
    position : array_like
        Coordinates in the image.

    Raises
    ------
    InputError
        If no object of the session is there.
    """
    session, plane = controller.sync.open_session(), controller.plane
    if plane is None:
        raise InputError(controller.sync.plane_error)
    row, col = _pixel(position, plane)
    if found := open_at(session, plane, row, col, controller.host.through.propagated()):
        session.reopen(found.id)
        controller.status.emit(f"Object {found.id} is the active one.")
    elif found := committed_at(session, plane, row, col):
        session.reopen(found.id)
        confirm(controller, f"Label {found.label} is open again.")
    else:
        raise InputError("No object of this session is there.")


def offer_to_reopen(controller: "PromptController", numbers: Sequence[int]) -> None:
    """Offer to open a committed object again, if a click on it has begun another one."""
    session = controller.session
    each = session.state.get(numbers[0]) if session is not None and len(numbers) == 1 else None
    if session is None or each is None or each.prompt.points is None:
        return
    point = each.prompt.first_point
    if np.isnan(point).any():
        return
    below = committed_at(session, each.plane, *_pixel(point, (None, None)))
    if below is not None:
        controller.clicked_on = session.state, each.id, below.id
        controller.status.emit(f"Label {below.label} is here already.")
        controller.offered.emit(
            (
                Choice(
                    f"Reopen label {below.label} (\u21e7R)",
                    "Correct that object, with its prompts, in place of beginning another one",
                    controller.reopen_clicked,
                ),
            )
        )


def reopen_clicked(controller: "PromptController") -> None:
    """Open the committed object again that a click has just begun another one on.

    Raises
    ------
    InputError
        If the last step was no such click.
    """
    session, clicked = controller.sync.open_session(), controller.clicked_on
    if clicked is None or clicked[0] is not session.state:
        raise InputError("Click on a committed object first.")
    _, begun, number = clicked
    each = session.reopen(number, instead_of=[begun])
    confirm(controller, f"Label {each.label} is open again.")


def _pixel(position: ArrayLike, plane: tuple[int | None, ...]) -> tuple[int, int]:
    at = np.rint(np.asarray(position, np.float64)).astype(int).tolist()
    row, col = (k for k, n in zip(at, plane, strict=True) if n is None)
    return row, col


def _count(number: int, what: str = "object") -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
