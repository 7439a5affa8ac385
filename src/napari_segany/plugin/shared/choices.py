"""Choices that a message of a dock offers, each of which is one press of a button."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
