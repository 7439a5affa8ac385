"""Display of intensities: limits, gamma and colours, by which channels become one colour image."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Literal, cast

from napari_segany.errors import InputError

Pair = tuple[float, float]
"""Intensities that become black and white."""

DisplayLimits = Literal["plane", "stack"] | tuple[Pair, ...]
"""Percentiles of one plane or of all planes, or one pair a channel."""

COLOURS = {
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "yellow": "#ffff00",
    "gray": "#ffffff",
    "white": "#ffffff",
}
"""Colours that have names."""

RGB = (COLOURS["red"], COLOURS["green"], COLOURS["blue"])
"""Colours of three channels that are given none."""

EMPTY: Pair = (0.0, 1.0)
"""Limits of the empty channel that two channels are shown with."""


@dataclass(frozen=True)
class Display:
    """Limits, gamma and colours of the channels of an image, as a viewer displays them.

    An intensity becomes ``((i - low) / (high - low)) ** gamma``, clipped to 0..1. Channels with
    colours are added up. In recipes a display stands in place of ``normalise``.

    Attributes
    ----------
    limits : "plane", "stack" or tuple
        As ``normalise`` of a recipe: percentiles of each plane or of the whole stack, or one
        (low, high) pair a channel. One pair is that of all channels.
    gamma : tuple of float
        Exponent of each channel, above 0; a single number is that of all channels. Below 1 makes
        dim structures brighter.
    colours : tuple of str
        Colour of each of two or three channels: ``"#rrggbb"`` or of red, green, blue, cyan,
        magenta, yellow, gray. Empty for red, green and blue, or a gray image.

    Raises
    ------
    InputError
        If limits are no numbers, a gamma is not above 0, or a colour is unknown.

    Examples
    --------
    >>> Display(((100, 4000),), gamma=0.5)
    Display(limits=((100.0, 4000.0),), gamma=(0.5,), colours=())
    >>> Display("plane", colours=("green", "#FF00FF")).colours
    ('#00ff00', '#ff00ff')
    """

    limits: DisplayLimits = "plane"
    gamma: tuple[float, ...] = (1.0,)
    colours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", check_display_limits(self.limits))
        object.__setattr__(self, "gamma", _check_gamma(self.gamma))
        object.__setattr__(self, "colours", tuple(_check_colour(each) for each in self.colours))
        if len(self.colours) == 1 or len(self.colours) > len(RGB):
            raise InputError(
                f"Colours are of two or three channels, got {len(self.colours)}: {self.colours}."
            )

    @property
    def pairs(self) -> Pair | tuple[Pair, ...] | None:
        """Limits as numbers, one pair for all channels or one for each; None for percentiles."""
        if isinstance(self.limits, str):
            return None
        return self.limits[0] if len(self.limits) == 1 else self.limits

    def gamma_of(self, channels: int) -> tuple[float, ...]:
        """Return the gamma of each of ``channels`` channels.

        A third channel that two are shown with is empty, and has none of its own.

        Raises
        ------
        InputError
            If there are more or fewer.
        """
        given = self.gamma
        if len(given) == 1:
            return given * channels
        if len(given) == 2 and channels == len(RGB):
            given = (*given, 1.0)
        if len(given) != channels:
            raise InputError(f"gamma has {len(self.gamma)} values for {channels} channels.")
        return given

    def colours_of(self, channels: int) -> tuple[tuple[int, int, int], ...]:
        """Return (red, green, blue) in 0..255 of each channel; empty if they are those of RGB.

        Raises
        ------
        InputError
            If the image is gray.
        """
        if not self.colours or self.colours == RGB[: len(self.colours)]:
            return ()
        if channels != len(RGB):
            raise InputError("Colours need two or three channels; the image has one.")
        given = (*self.colours, "#000000")[:channels]
        return tuple((int(c[1:3], 16), int(c[3:5], 16), int(c[5:7], 16)) for c in given)

    def check_channels(self, channels: int) -> None:
        """Raise InputError unless gamma and colours are of so many channels, or of all alike."""
        for what, given in (("gamma", self.gamma), ("colours", self.colours)):
            if len(given) > 1 and len(given) != channels:
                raise InputError(f"{what} has {len(given)} values for {channels} channels.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


Normalise = DisplayLimits | Display
"""Source of the intensities that a model sees: limits alone, or with gamma and colours."""


def combine(
    limits: DisplayLimits, gamma: Iterable[float] = (1.0,), colours: Iterable[str] = ()
) -> Normalise:
    """Return a display, or the limits alone where gamma is 1 and there are no colours.

    Examples
    --------
    >>> combine("plane", (1.0, 1.0))
    'plane'
    """
    return check_normalise(Display(limits, tuple(gamma), tuple(colours)))


def as_display(normalise: Normalise) -> Display:
    """Return the display that limits alone stand for, or the display itself."""
    return normalise if isinstance(normalise, Display) else Display(normalise)


def check_normalise(value: Any) -> Normalise:
    """Return a display that is more than its limits, or limits.

    Raises
    ------
    InputError
        If the value is none of these.
    """
    if not isinstance(value, Display):
        return check_display_limits(value)
    plain = all(each == 1 for each in value.gamma) and not value.colours
    return value.limits if plain else value


def check_display_limits(value: Any) -> DisplayLimits:
    """Return "plane", "stack" or (low, high) pairs of numbers; a single pair counts as one.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(value, str):
        if value not in ("plane", "stack"):
            raise InputError(
                f"normalise must be 'plane', 'stack' or (low, high) intensities, got {value!r}."
            )
        return cast("DisplayLimits", value)
    try:
        if len(value) == 2 and all(isinstance(v, Real) for v in value):
            value = (value,)
        return tuple((float(low), float(high)) for low, high in value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"normalise must be 'plane', 'stack' or (low, high) for each channel, got {value!r}."
        ) from error


def _check_gamma(value: Any) -> tuple[float, ...]:
    try:
        given = (value,) if isinstance(value, Real) else tuple(value)
        numbers = tuple(float(each) for each in given)
    except (TypeError, ValueError) as error:
        raise InputError(f"gamma must be numbers above 0, got {value!r}.") from error
    if not 1 <= len(numbers) <= len(RGB) or not all(n > 0 and math.isfinite(n) for n in numbers):
        raise InputError(f"gamma must be one to three numbers above 0, got {value!r}.")
    return numbers


def _check_colour(value: Any) -> str:
    text = str(value).lower()
    found = COLOURS.get(text, text)
    if not re.fullmatch("#[0-9a-f]{6}", found):
        raise InputError(f"A colour is #rrggbb or one of {', '.join(COLOURS)}, got {value!r}.")
    return found
