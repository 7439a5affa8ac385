"""The button "Correct" of the Everything dock, which goes on in the Prompt dock."""

from collections.abc import Iterator
from typing import Any

from napari_segany.errors import InputError
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.jobs.chunked import do_in_turns
from napari_segany.plugin.shared.opening import open_dock, open_then

IN_TURNS = "choose_image"
"""Method of the Prompt dock that opens an image in turns of the event loop."""


class CorrectActions:
    """Opens the object under review in the Prompt dock.

    Parameters
    ----------
    dock : EverythingWidget
        The dock.
    review : ObjectReview
        The review, with the selected object.
    """

    def __init__(self, dock: Any, review: ObjectReview) -> None:
        self._dock, self._review = dock, review

    def correct(self) -> Any:
        """Open the selected object in the Prompt dock at once, and return that dock.

        Raises
        ------
        InputError
            If no object is selected.
        """
        self._make_labels()
        prompt = open_dock(self._dock.viewer, "Prompt")
        return [*self._open_object(prompt, "set_image")][-1]

    def correct_in_turns(self) -> None:
        """Do the same in turns of the event loop, of which a missing dock takes most."""
        dock = self._dock
        self._make_labels()

        def go_on(prompt: Any) -> None:
            parts = self._open_object(prompt, IN_TURNS)
            do_in_turns(dock.jobs, "correct", parts, dock.message.say_error)

        open_then(dock.viewer, "Prompt", go_on)

    def _make_labels(self) -> None:
        """Make labels to correct if there are none."""
        if self._review.selected is None:
            raise InputError("Select an object first, for example the most doubtful one.")
        if self._dock.controller.made is None:
            self._dock.make_labels()

    def _open_object(self, prompt: Any, open_image: str) -> Iterator[Any]:
        """Open the selected object in a Prompt dock; yield after each part, at last the dock."""
        dock = self._dock
        selected = self._review.selected
        if selected is None:
            # Another search may have begun while the dock was opened.
            raise InputError("The object is not selected any more. Select it again.")
        if dock.model is not None:
            prompt.model = dock.model
        _, view = dock.controller.opened()
        seen = {"contrast": view.limits or "stretch", "others": view.others}
        yield getattr(prompt, open_image)(view.layer, channels=view.channels, **seen)
        if open_image == IN_TURNS:
            yield from prompt.controller.host.gradual.until_added()
        self._review.correct(selected, prompt)
        yield prompt
