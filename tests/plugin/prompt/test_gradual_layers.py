"""Prompt layers come into the viewer one a turn where a person chose the image."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_segany.plugin.layers.metadata import BOXES, POINTS, PREVIEW
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.layer_follower import LayerFollower


class Turns:
    """Queue whose delayed calls are made one by one; its jobs are never done."""

    busy = False

    def __init__(self) -> None:
        self.delayed: dict[str, Any] = {}

    def submit(self, *_: Any) -> None: ...

    run_beside = submit

    def cancel(self, *_: Any) -> None: ...

    def call_later(self, key: str, act: Any) -> None:
        self.delayed.pop(key, None)
        self.delayed[key] = act

    def turn(self) -> None:
        self.delayed.pop(next(iter(self.delayed)))()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def controller(viewer: ViewerModel, turns: Turns, tmp_path: Path) -> Iterator[PromptController]:
    controller = PromptController(viewer, turns, tmp_path)
    viewer.add_layer(Image(np.zeros((30, 40), np.uint8), name="image"))
    yield controller
    controller.end()


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def choose(controller: PromptController) -> None:
    with controller.host.gradual.active():
        controller.open_image(controller.sync.viewer.layers["image"])


def test_a_person_gets_one_layer_a_turn(
    controller: PromptController, viewer: ViewerModel, turns: Turns
) -> None:
    choose(controller)
    seen = [names(viewer)]
    while turns.delayed:
        turns.turn()
        seen.append(names(viewer))
    # Other turns, such as those that draw the preview again, add no layer.
    assert [each for each, _ in groupby(seen)] == [
        ["image"],
        ["image", PREVIEW],
        ["image", PREVIEW, BOXES],
        ["image", PREVIEW, BOXES, POINTS],
    ]
    assert viewer.layers.selection.active is controller.points
    assert controller.points.mode == "add"


def test_a_script_gets_all_layers_at_once(
    controller: PromptController, viewer: ViewerModel
) -> None:
    controller.open_image(viewer.layers["image"])
    assert names(viewer) == ["image", PREVIEW, BOXES, POINTS]


def test_who_needs_the_layers_gets_those_that_are_left(
    controller: PromptController, viewer: ViewerModel, turns: Turns
) -> None:
    choose(controller)
    turns.turn()
    controller.points.add([10, 10])
    assert names(viewer) == ["image", PREVIEW, BOXES, POINTS]
    assert controller.session is not None
    assert len(controller.session.state.open) == 1
    while turns.delayed:
        turns.turn()
    assert len(viewer.layers) == 4
    # A layer that the user removes later stays away.
    viewer.layers.remove(controller.shapes)
    assert controller.shapes is None


def test_keys_are_bound_to_the_layers_that_are_there(
    controller: PromptController, viewer: ViewerModel, turns: Turns
) -> None:
    follower = LayerFollower(controller, lambda _: None, {})
    choose(controller)
    turns.turn()
    follower.follow()
    assert names(viewer) == ["image", PREVIEW]
    assert "R" in map(str, viewer.layers[PREVIEW].keymap)
    follower.end()


def test_a_session_that_ends_meanwhile_adds_no_more_layers(
    controller: PromptController, viewer: ViewerModel, turns: Turns
) -> None:
    choose(controller)
    turns.turn()
    controller.close_session()
    while turns.delayed:
        turns.turn()
    assert names(viewer) == ["image"]


def test_work_in_turns_waits_for_the_last_layer(controller: PromptController, turns: Turns) -> None:
    choose(controller)
    waited = 0
    for _ in controller.host.gradual.until_added():
        prompts = controller.sync.prompts
        assert prompts is None or not prompts.complete
        turns.turn()
        waited += 1
    assert waited > 2
    assert controller.sync.prompts.complete
    # A script waits for nothing.
    assert not list(controller.host.gradual.until_added())
