"""Colours of the strip of planes, of candidates and of prompts, for any colour vision."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from napari.settings import get_settings
from napari.utils.theme import get_theme
from tests.plugin.colour_vision import EYES, as_seen, difference, lightness_difference

from napari_segany.plugin.everything.outline_layer import COLOURS as OUTLINED
from napari_segany.plugin.prompt.candidate_buttons import CandidateButtons
from napari_segany.plugin.prompt.confidence_strip import GROUND, colour_of
from napari_segany.plugin.shared.colours import NEGATIVE, OUTLINE, POSITIVE, SURE, UNSURE, rgb
from napari_segany.plugin.shared.theme import line_colour

CLEAR, LIGHTER = 30, 10
"""Least difference in CIE L*a*b*, where 2 can just be seen, and least difference in lightness."""

GREY = [f"#{value:02x}{value:02x}{value:02x}" for value in range(0, 256, 5)]

eyes = pytest.mark.parametrize("eye", EYES)
themes = pytest.mark.parametrize("theme", ["dark", "light"])


@pytest.fixture
def appearance() -> Iterator[Any]:
    """Settings of the theme, which are restored afterwards."""
    settings = get_settings().appearance
    before = settings.theme
    yield settings
    settings.theme = before


def of_theme(theme: str, name: str) -> str:
    colour: str = getattr(get_theme(theme), name).as_hex()
    return colour


def over(colour: Any, ground: str) -> str:
    """Return a half transparent colour on a ground."""
    share = colour.alphaF()
    mixed = share * np.array(colour.getRgb()[:3]) + (1 - share) * np.array(rgb(ground))
    return "#" + "".join(f"{round(value):02x}" for value in mixed)


def test_known_colours() -> None:
    assert np.allclose(as_seen("#ffffff", "usual"), [100, 0, 0], atol=0.1)
    # Red and green of one lightness are alike for some, and blue is not.
    assert difference("#c00000", "#007000", "usual") > 100
    assert difference("#c04000", "#6d6d00", "deuteranopia") < 15
    assert rgb(OUTLINE) == (255, 200, 0)


@eyes
@themes
def test_columns_of_the_strip_of_planes(eye: str, theme: str) -> None:
    """Prompted planes in the colour of text, sure ones, unsure ones, and what is behind them."""
    ground = over(GROUND, of_theme(theme, "background"))
    columns = [of_theme(theme, "text"), SURE, UNSURE, ground]
    assert [colour_of(c).name() for c in (1.0, 0.0)] == [SURE, UNSURE]
    for one, other in combinations(columns, 2):
        assert difference(one, other, eye) > CLEAR, (one, other)
        assert lightness_difference(one, other, eye) > LIGHTER, (one, other)


@eyes
def test_more_confidence_is_lighter(eye: str) -> None:
    """Colours between the ends: the scale has an order also where hues look alike."""
    scale = [as_seen(colour_of(c).name(), eye) for c in np.linspace(0.5, 1, 11)]
    from_start = [float(np.linalg.norm(each - scale[0])) for each in scale]
    assert from_start == sorted(from_start)


@eyes
@themes
def test_the_frame_of_the_chosen_candidate(
    eye: str, theme: str, appearance: Any, qtbot: Any
) -> None:
    appearance.theme = theme
    buttons = CandidateButtons()
    qtbot.addWidget(buttons)
    frame, ground = line_colour(), of_theme(theme, "background")
    assert f":checked {{ border: 2px solid {frame}; }}" in buttons.buttons[0].styleSheet()
    assert difference(frame, ground, eye) > CLEAR
    assert lightness_difference(frame, ground, eye) > LIGHTER


@eyes
def test_the_outline_of_an_object_on_any_grey(eye: str) -> None:
    for grey in GREY:
        assert difference(OUTLINE, grey, eye) > CLEAR, grey
    assert np.array_equal(np.round(255 * OUTLINED[1, :3]), rgb(OUTLINE))


@eyes
def test_signs_of_prompts(eye: str) -> None:
    assert difference(POSITIVE, NEGATIVE, eye) > CLEAR
