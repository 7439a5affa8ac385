"""Actions on objects that were chosen in the list of the Prompt dock, or on the canvas."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.errors import InputError
from napari_segany.plugin.layers.transforms import show_plane, zoom_on
from napari_segany.plugin.prompt.picking import committed_at, label_at, open_at
from napari_segany.plugin.prompt.session_host import SessionHost
from napari_segany.plugin.shared.choices import Choice, Tell
from napari_segany.session.state import State, object_center


class ObjectActions:
    """Shows, chooses, reopens and deletes objects of the session.

    Parameters
    ----------
    host : SessionHost
        Host of the session.
    tell : callable
        Shows a message with choices.
    undo : callable
        Undoes the last step.
    """

    def __init__(self, host: SessionHost, tell: Tell, undo: Callable[[], Any]) -> None:
        self._host, self._tell = host, tell
        self._sync = host.sync
        self.undo_choice = Choice("Undo", "Undo this step (U)", undo)
        # State after a click on a committed object, the object it began, and that object.
        self._clicked: tuple[State, int, int] | None = None
        self._sync.begun.connect(self._offer_to_reopen)
        self._sync.picked.connect(self._on_picked)

    def go_to_first(self, numbers: Sequence[int]) -> None:
        """Show the first of some objects."""
        if numbers:
            self.go_to(numbers[0])

    def go_to(self, number: int) -> None:
        """Show an object, large and outlined; make it the active one if it is open."""
        session, view, viewer = self._sync.open_session(), self._sync.view, self._sync.viewer
        each = session.state.find(number)
        mask = session.preview(number) if each.commit is None else each.commit.mask
        center, sides = object_center(each), (0.0, 0.0)
        if mask is not None and mask.area[0]:
            a, b, c, d = mask.boxes[0].tolist()
            center, sides = ((a + c - 1) / 2, (b + d - 1) / 2), (c - a, d - b)
        show_plane(viewer, view, each.plane, center)
        if max(sides):
            zoom_on(viewer, view, each.plane, sides)
        if each.commit is None:
            session.reopen(number)
        self._sync.outline(each)

    def reopen(self, numbers: Sequence[int]) -> None:
        """Open committed objects again, with their prompts."""
        session = self._sync.open_session()
        # Reopening a part opens the others, and removes those that were propagated.
        for number in (n for n in numbers if n in session.state.objects):
            self.go_to(number)
            each = session.reopen(number)
            self._tell(f"Label {each.label} is open again.", (self.undo_choice,))

    def delete(self, numbers: Sequence[int], what: str = "object") -> None:
        """Delete objects in one step."""
        if numbers:
            self._sync.open_session().delete(numbers)
            many = "s" if len(numbers) > 1 else ""
            self._tell(f"Deleted {len(numbers)} {what}{many}.", (self.undo_choice,))

    def clear(self) -> None:
        """Delete all open objects."""
        self._host.steps.finish()
        session = self._sync.open_session()
        self.delete([each.id for each in session.state.open], "open object")

    def pick(self, position: ArrayLike) -> None:
        """Choose the object at a place: an open one becomes active, a committed one is open again.

        Parameters
        ----------
        position : array_like
            Coordinates in the image.

        Raises
        ------
        InputError
            If no object of the session is there.
        """
        session, plane = self._sync.open_session(), self._sync.plane
        if plane is None:
            raise InputError(self._sync.plane_error)
        row, col = _pixel(position, plane)
        if found := open_at(session, plane, row, col, self._host.through.propagated()):
            session.reopen(found.id)
            self._tell(f"Object {found.id} is the active one.")
        elif found := committed_at(session, plane, row, col):
            session.reopen(found.id)
            self._tell(f"Label {found.label} is open again.", (self.undo_choice,))
        elif label := label_at(session, plane, row, col):
            raise InputError(
                f"Label {label} was not made by prompts of this session. Correct it with the brush "
                "of its layer."
            )
        else:
            raise InputError("No object of this session is there.")

    def reopen_clicked(self) -> None:
        """Open the committed object again that a click has just begun another one on.

        Raises
        ------
        InputError
            If the last step was no such click.
        """
        session, clicked = self._sync.open_session(), self._clicked
        if clicked is None or clicked[0] is not session.state:
            raise InputError("Click on a committed object first.")
        _, begun, number = clicked
        each = session.reopen(number, instead_of=[begun])
        self._tell(f"Label {each.label} is open again.", (self.undo_choice,))

    def _on_picked(self, position: ArrayLike) -> None:
        try:
            self.pick(position)
        except Exception as error:
            # napari is handling the mouse and must finish.
            self._host.refuse(error)

    def _offer_to_reopen(self, numbers: tuple[int, ...]) -> None:
        """Offer to open a committed object again, if a click on it has begun another one."""
        session = self._sync.open_session()
        each = session.state.get(numbers[0]) if len(numbers) == 1 else None
        if each is None or each.prompt.points is None or np.isnan(each.prompt.first_point).any():
            return
        place = _pixel(each.prompt.first_point, (None, None))
        below = committed_at(session, each.plane, *place)
        if below is not None:
            self._clicked = session.state, each.id, below.id
            choice = Choice(
                f"Reopen label {below.label} (\u21e7R)",
                "Correct that object, with its prompts, in place of beginning another one",
                self.reopen_clicked,
            )
            self._tell(f"Label {below.label} is here already.", (choice,))


def _pixel(position: ArrayLike, plane: tuple[int | None, ...]) -> tuple[int, int]:
    """Return row and column of the pixel at a position in an image."""
    at = np.rint(np.asarray(position, np.float64)).astype(int).tolist()
    row, col = (k for k, n in zip(at, plane, strict=True) if n is None)
    return row, col
