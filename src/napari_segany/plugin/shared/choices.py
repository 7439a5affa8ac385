"""Choices that a message of a dock offers, each of which is one press of a button."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Choice:
    """A choice beside a message.

    Attributes
    ----------
    text : str
        Text of its button.
    tip : str
        Tooltip.
    act : callable
        Called without arguments when the button is pressed.
    """

    text: str
    tip: str
    act: Callable[[], Any]


class Tell(Protocol):
    """Shows a message with choices."""

    def __call__(self, text: str, choices: tuple[Choice, ...] = (), severity: str = "info") -> None:
        """Show a message.

        Parameters
        ----------
        text : str
            The message.
        choices : tuple of Choice
            Buttons beside it.
        severity : {"info", "warning", "error"}
            Its severity.
        """
