"""Examples as recipes hold them: exact round trips, and refusals of what is damaged."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from napari_segany import ExemplarParams, Recipe
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import ExampleSet, Exemplar, freeze, thaw
from napari_segany.generators.exemplars.params import with_examples
from napari_segany.generators.finder_params import FinderParams


def random_descriptors(count: int, channels: int = 6, seed: int = 0) -> Descriptors:
    """Descriptors whose numbers fit into float16."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        return rng.random(shape).astype(np.float16).astype(np.float32)

    return Descriptors(
        numbers(count, channels),
        numbers(count, channels),
        numbers(count, 6),
        numbers(count, 3),
        (100 * numbers(count) + 1).astype(np.float32),
        numbers(count),
        numbers(count),
    )


def random_examples(count: int = 2, unlike: int = 1) -> ExampleSet:
    return ExampleSet(
        "tiny",
        "ab" * 32,
        "",
        freeze(random_descriptors(count)),
        freeze(random_descriptors(unlike, seed=1)),
    )


def test_freezing_keeps_every_number() -> None:
    found = random_descriptors(3)
    for name, values in thaw(freeze(found)).items():
        np.testing.assert_array_equal(values, getattr(found, name), name)


def test_recipes_hold_examples() -> None:
    params = ExemplarParams(examples=random_examples())
    recipe = Recipe("tiny", "ab" * 32, params)
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    plain = json.loads(json.dumps(params.to_dict()))
    assert ExemplarParams.from_dict(plain) == params


def test_the_summary_counts_examples_and_negatives() -> None:
    assert random_examples(1, 0).summary == "1 example"
    assert random_examples(2, 1).summary == "2 examples, 1 not wanted"


def test_more_examples_are_added_at_the_end() -> None:
    one = random_examples(1, 0)
    more = freeze(random_descriptors(1, seed=5))
    assert one.with_more(more).examples == (*one.examples, *more)
    assert one.with_more((), more).negatives == more


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "?"}, "damaged"),
        ({"features": ""}, "0 features"),
        ({"features": base64.b64encode(b"\0\0" * 10).decode()}, "10 features"),
        ({"features": base64.b64encode(b"\0\x7e" * 11).decode()}, "not finite"),
        ({"area": 0.0}, "area below 1"),
        ({"filling": float("nan")}, "not finite"),
    ],
)
def test_damaged_examples_are_refused(changes: dict[str, Any], message: str) -> None:
    good = freeze(random_descriptors(1))[0]
    with pytest.raises(InputError, match=message):
        Exemplar(**{**vars(good), **changes})


def test_damaged_examples_in_a_recipe_are_refused() -> None:
    values = json.loads(Recipe("tiny", "ab", ExemplarParams(examples=random_examples())).to_json())
    values["params"]["examples"]["examples"][0]["features"] = "AAAA"
    with pytest.raises(InputError, match="recipe"):
        Recipe.from_json(json.dumps(values))
    with pytest.raises(InputError, match="no examples"):
        ExampleSet.from_dict({"examples": [{"area": 3}]})


def test_sets_that_make_no_sense_are_refused() -> None:
    one = random_examples(1, 0)
    with pytest.raises(InputError, match="at least one"):
        ExampleSet("tiny", "ab", "", ())
    with pytest.raises(InputError, match="different numbers of features"):
        one.with_more(freeze(random_descriptors(1, channels=7)))
    with pytest.raises(InputError, match="at most 200"):
        one.with_more(one.examples * 200)
    with pytest.raises(InputError, match="other has other weights"):
        one.check_model("other", "cd" * 32)


def test_parameters_need_examples() -> None:
    with pytest.raises(InputError, match="--like-box"):
        ExemplarParams().require_examples()
    with pytest.raises(InputError, match="must be an ExampleSet"):
        ExemplarParams(examples="boxes")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not with finder"):
        with_examples(FinderParams(), random_examples())
