"""Tests that every mask generator has to pass; a new one adds a class to test_contract.py."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany import MaskSet, Recipe, SamModel
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.generate import choose_generator, generate_masks
from napari_segany.generators.protocol import GeneratorParams, MaskGenerator
from napari_segany.generators.registry import GENERATORS, make_generator
from napari_segany.segmentation import make_recipe, segment_everything

SHAPE = (40, 56)


def is_same(one: MaskSet, other: MaskSet) -> bool:
    """Return whether two sets hold the same masks and scores in the same order."""
    return (
        len(one) == len(other)
        and np.array_equal(one.predicted_iou, other.predicted_iou)
        and all(np.array_equal(one.mask(i), other.mask(i)) for i in range(len(one)))
    )


class GeneratorContract:
    """Tests of one generator; subclasses give the fixture ``params``, resolved."""

    @pytest.fixture
    def plane(self) -> NDArray[np.uint8]:
        gray = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=-1)

    @pytest.fixture
    def generator(self, params: GeneratorParams) -> MaskGenerator:
        return make_generator(params)

    def test_the_tag_finds_generator_and_parameters(self, params: GeneratorParams) -> None:
        assert GENERATORS[params.strategy].params is type(params)

    def test_parameters_are_frozen(self, params: GeneratorParams) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            params.strategy = "other"  # type: ignore[misc]

    def test_parameters_go_through_json(self, params: GeneratorParams) -> None:
        plain = json.loads(json.dumps(params.to_dict()))
        assert plain["strategy"] == params.strategy
        assert type(params).from_dict(plain) == params

    def test_unknown_parameters_are_named(self, params: GeneratorParams) -> None:
        with pytest.raises(InputError, match=r"Unknown automatic parameters: nothing_like_it\."):
            type(params).from_dict({**params.to_dict(), "nothing_like_it": 1})

    def test_resolving_twice_changes_nothing(self, params: GeneratorParams) -> None:
        assert params.resolved(0.123, 0.456, 7) == params

    def test_recipes_go_through_json(self, params: GeneratorParams, tiny_model: SamModel) -> None:
        recipe = make_recipe(tiny_model, params)
        assert recipe.params == params
        again = Recipe.from_json(recipe.to_json())
        assert again == recipe
        assert type(again.params) is type(params)
        assert again.to_json() == recipe.to_json()

    def test_finding_everything(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        found = generator.find(tiny_model, plane)
        assert isinstance(found, MaskSet)
        assert found.shape == SHAPE
        assert len(found)
        assert (found.area > 0).all()
        assert is_same(found, generator.find(tiny_model, plane))

    def test_an_embedding_at_hand_changes_nothing(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        found = generator.find(tiny_model, plane, embedding=tiny_model.embed(plane))
        assert is_same(found, generator.find(tiny_model, plane))

    def test_keeping_candidates_changes_no_mask(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        kept = generator.find(tiny_model, plane, refilter=True)
        assert is_same(kept, generator.find(tiny_model, plane, refilter=False))
        assert is_same(kept, kept.filter())

    def test_what_was_found_can_be_filtered_again(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        found = generator.find(tiny_model, plane)
        least = int(np.median(found.area)) + 1
        fewer = found.filter(min_area=least)
        assert (fewer.area >= least).all()
        assert len(fewer) < len(found)
        assert is_same(fewer.filter(min_area=0), found.filter(min_area=0))

    def test_progress_ends_at_the_number_of_steps(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        told: list[tuple[int, int]] = []
        generator.find(tiny_model, plane, progress=lambda *steps: told.append(steps))
        total = generator.count_steps(SHAPE)
        assert told[-1] == (total, total)
        assert {each[1] for each in told} == {total}
        assert [each[0] for each in told] == sorted(each[0] for each in told)

    def test_it_can_be_stopped(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        with pytest.raises(Cancelled):
            generator.find(tiny_model, plane, should_stop=lambda: True)

    def test_an_empty_region_has_no_objects(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        nowhere = np.zeros(SHAPE, bool)
        assert len(generator.find(tiny_model, plane, region=nowhere)) == 0
        assert generator.count_steps(SHAPE, nowhere) == 0

    def test_a_region_has_no_more_steps_than_the_plane(self, generator: MaskGenerator) -> None:
        half = np.arange(SHAPE[1]) < SHAPE[1] // 2
        region = np.broadcast_to(half, SHAPE)
        assert 0 < generator.count_steps(SHAPE, region) < generator.count_steps(SHAPE)

    def test_a_region_of_another_shape_is_refused(
        self, generator: MaskGenerator, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        with pytest.raises(InputError, match="region has shape"):
            generator.find(tiny_model, plane, region=np.ones((3, 4), bool))

    def test_the_entry_finds_the_same(
        self, params: GeneratorParams, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        found = choose_generator(params).find(tiny_model, plane)
        assert is_same(generate_masks(tiny_model, plane, params), found)

    def test_a_stack_from_python(
        self, params: GeneratorParams, tiny_model: SamModel, plane: NDArray[np.uint8]
    ) -> None:
        told: list[Any] = []
        stack = np.stack([plane[..., 0], plane[::-1, :, 0]])
        labels = segment_everything(
            stack, "ZYX", tiny_model, params, progress=lambda *steps: told.append(steps)
        )
        assert labels.shape == stack.shape
        assert labels.max() > 0
        total = 2 * choose_generator(params).count_steps(SHAPE)
        assert told[-1] == (total, total)
