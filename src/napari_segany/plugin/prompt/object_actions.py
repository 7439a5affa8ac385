"""Actions on the objects that are selected in the list of the Prompt dock."""

from collections.abc import Sequence

from napari_segany.plugin.prompt.controller import PromptController


def go_to(controller: PromptController, numbers: Sequence[int]) -> None:
    """Show the first of some objects."""
    if numbers:
        controller.go_to(numbers[0])


def reopen(controller: PromptController, numbers: Sequence[int]) -> None:
    """Open committed objects again, with their prompts."""
    session = controller.sync.open_session()
    # Reopening a part opens the others, and removes those that were propagated.
    for number in (n for n in numbers if n in session.state.objects):
        controller.go_to(number)
        session.reopen(number)


def delete(controller: PromptController, numbers: Sequence[int]) -> None:
    """Delete objects."""
    if controller.session is not None and numbers:
        controller.session.delete(numbers)
