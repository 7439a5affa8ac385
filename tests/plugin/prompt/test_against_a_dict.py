"""The controller on a ``ViewerModel`` against a plain account of commits, in long random runs.

Everything is done as a person does it: through layers and the viewer's sliders.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from napari.components import ViewerModel
from napari.layers import Image
from tests.effort import choose_count
from tests.piles import Piles
from tests.plugin.conftest import PatientJobs

from napari_segany.errors import InputError
from napari_segany.plugin.prompt import layer_sync
from napari_segany.plugin.prompt.controller import PromptController

SHAPE = (3, 24, 28)
SCALE = (2.0, 0.5, 0.5)
HAND = 100_000
UNIT = st.floats(0, 1)


@pytest.fixture(autouse=True)
def unhurried_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preview is complete at once, on a slow machine as well."""
    monkeypatch.setattr(layer_sync, "TURN", float("inf"))


class AgainstADict(RuleBasedStateMachine):
    """Labels in the viewer are those of :class:`Piles`, and layers show the open objects."""

    model: Any = None
    steps = 0
    commits = 0

    @initialize()
    def begin(self) -> None:
        self.viewer, self.jobs = ViewerModel(), PatientJobs()
        self.controller = PromptController(self.viewer, self.jobs)
        self.said: list[str] = []
        self.controller.status.connect(self.said.append)
        image = Image(np.zeros(SHAPE, np.uint8), name="image", scale=SCALE, translate=(5, 0, -3))
        self.viewer.add_layer(image)
        self.controller.model = self.model
        self.controller.open_image(image)
        self.jobs.run()
        self.piles = Piles(SHAPE)

    def after(self, before: Any) -> None:
        """Let the work be done that a step asks for, and keep the account."""
        self.jobs.run()
        assert self.controller.session is not None
        now = self.controller.session.state
        self.piles.follow(before, now)
        # Mistakes in reading prompts are said, not raised.
        assert not [text for text in self.said if text.startswith("Error")]
        AgainstADict.steps += 1
        AgainstADict.commits += len(now.committed) > len(before.committed)

    @property
    def state(self) -> Any:
        assert self.controller.session is not None
        return self.controller.session.state

    def position(self, a: float, b: float) -> Any:
        """A place in the plane in view, in the image's pixels."""
        plane = self.controller.plane
        assert plane is not None
        inside = iter((a, b))
        return np.array(
            [
                np.floor(next(inside) * (size - 1)) if n is None else n
                for n, size in zip(plane, SHAPE, strict=True)
            ],
            float,
        )

    # Prompts ----------------------------------------------------------------------------------

    @rule(a=UNIT, b=UNIT, positive=st.booleans())
    def click(self, a: float, b: float, positive: bool) -> None:
        before = self.state
        self.controller.set_sign("positive" if positive else "negative")
        self.controller.points.add(self.position(a, b)[None])
        self.after(before)

    @rule(a=UNIT, b=UNIT, data=st.data())
    def move_a_point(self, a: float, b: float, data: st.DataObject) -> None:
        points = self.controller.points
        if points is not None and len(points.data):
            before = self.state
            moved = points.data.copy()
            moved[data.draw(st.integers(0, len(moved) - 1))] = self.position(a, b)
            points.data = moved
            self.after(before)

    @rule(data=st.data())
    def delete_a_point(self, data: st.DataObject) -> None:
        points = self.controller.points
        if points is not None and len(points.data):
            before = self.state
            points.selected_data = {data.draw(st.integers(0, len(points.data) - 1))}
            points.remove_selected()
            self.after(before)

    @rule(a=UNIT, b=UNIT, c=UNIT, d=UNIT, kind=st.sampled_from(["rectangles", "ellipses"]))
    def draw(self, a: float, b: float, c: float, d: float, kind: str) -> None:
        if abs(a - c) > 0.2 and abs(b - d) > 0.2:
            before = self.state
            corners = [self.position(*at) for at in ((a, b), (a, d), (c, d), (c, b))]
            self.controller.flip_sign()
            getattr(self.controller.shapes, f"add_{kind}")(np.array(corners))
            self.after(before)

    @rule()
    def delete_a_shape(self) -> None:
        shapes = self.controller.shapes
        if shapes is not None and len(shapes.data):
            before = self.state
            shapes.selected_data = {0}
            shapes.remove_selected()
            self.after(before)

    @rule(many=st.booleans())
    def change_mode(self, many: bool) -> None:
        self.controller.sync.mode = "many" if many else "one"

    # The plane in view ------------------------------------------------------------------------

    @rule(at=st.tuples(st.integers(0, 2), st.integers(0, 23), st.integers(0, 27)))
    def slide(self, at: tuple[int, int, int]) -> None:
        before = self.state
        self.viewer.dims.current_step = at
        self.after(before)

    @rule()
    def roll(self) -> None:
        before = self.state
        order = self.viewer.dims.order
        self.viewer.dims.order = (*order[1:], order[0])
        self.after(before)

    # Choosing and committing ------------------------------------------------------------------

    def attempt(self, act: Any) -> None:
        before = self.state
        try:
            act()
        except InputError:
            assert self.state is before
        self.after(before)

    @rule(step=st.sampled_from([-1, 1]))
    def choose(self, step: int) -> None:
        self.attempt(lambda: self.controller.next_candidate(step))

    @rule(a=UNIT, b=UNIT, replace=st.booleans(), again=st.integers(0, 1))
    def commit(self, a: float, b: float, replace: bool, again: int) -> None:
        if again or not self.state.open:
            self.click(a, b, True)
        assert self.controller.session is not None
        self.controller.session.on_overlap = "replace" if replace else "keep"
        self.attempt(self.controller.commit)

    @rule(row=st.integers(0, 3), col=st.integers(0, 3))
    def commit_anywhere(self, row: int, col: int) -> None:
        """All over the plane: drawn fractions often mean its corners, which have an owner soon."""
        self.commit((row + 0.5) / 4, (col + 0.5) / 4, True, 1)

    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        if self.state.committed:
            label = data.draw(st.sampled_from([each.label for each in self.state.committed]))
            self.attempt(lambda: self.controller.reopen(label))

    @rule(data=st.data())
    def go_to(self, data: st.DataObject) -> None:
        if self.state.objects:
            number = data.draw(st.sampled_from(list(self.state.objects)))
            self.attempt(lambda: self.controller.go_to(number))
            assert self.controller.plane == self.state.objects[number].plane
            self.shown_object = self.state.objects[number], self.state

    @rule()
    def clear(self) -> None:
        self.attempt(self.controller.clear)

    @rule()
    def undo(self) -> None:
        self.attempt(self.controller.undo)

    @rule()
    def redo(self) -> None:
        self.attempt(self.controller.redo)

    # What others do ---------------------------------------------------------------------------

    @rule(a=UNIT, b=UNIT, erase=st.booleans())
    def paint_by_hand(self, a: float, b: float, erase: bool) -> None:
        labels = self.controller.labels
        if labels is not None:
            before, image = self.state, labels.data.copy()
            labels.brush_size = 3
            labels.paint(self.position(a, b), 0 if erase else HAND)
            self.piles.paint(image, labels.data)
            self.after(before)

    @rule(name=st.sampled_from(["points", "shapes", "preview_layer"]))
    def delete_our_layers(self, name: str) -> None:
        layer = getattr(self.controller, name)
        if layer is not None:
            before = self.state
            self.viewer.layers.remove(layer)
            self.after(before)

    @rule()
    def delete_the_labels(self) -> None:
        if self.controller.labels is not None:
            objects = set(self.state.objects)
            self.viewer.layers.remove(self.controller.labels)
            self.jobs.run()
            # What was committed there is open again.
            assert not self.state.committed
            assert set(self.state.objects) == objects
            self.piles = Piles(SHAPE)

    # What holds at any time -------------------------------------------------------------------

    @invariant()
    def labels_are_those_of_the_account(self) -> None:
        if hasattr(self, "controller"):
            labels = self.controller.labels
            image = np.zeros(SHAPE) if labels is None else labels.data
            assert np.array_equal(image, self.piles.image())

    @invariant()
    def layers_show_the_open_objects(self) -> None:
        if hasattr(self, "controller") and self.controller.points is not None:
            asked = [each.prompt for each in self.state.open]
            count = sum(0 if prompt.points is None else len(prompt.points) for prompt in asked)
            assert len(self.controller.points.data) == count

    @invariant()
    def the_preview_shows_nothing_else(self) -> None:
        if hasattr(self, "controller") and self.controller.preview_layer is not None:
            wanted = np.zeros(SHAPE, bool)
            for each in self.state.open:
                assert self.controller.session is not None
                mask = self.controller.session.preview(each.id)
                index = tuple(slice(None) if n is None else n for n in each.plane)
                if mask is not None:
                    wanted[index] |= mask.mask(0)
            shown = self.controller.preview_layer.data > 0
            # A committed object that was gone to is outlined until the next step, and again if
            # undo leads there, unless the layer was deleted since.
            each, state = getattr(self, "shown_object", (None, None))
            if each is not None and each.commit is not None and state is self.state:
                index = tuple(slice(None) if n is None else n for n in each.plane)
                around = np.zeros(SHAPE, bool)
                around[index] = each.commit.mask.mask(0)
                shown &= wanted | ~around
            assert np.array_equal(shown, wanted)


def run(model: Any, examples: int, steps: int) -> None:
    AgainstADict.model = model
    AgainstADict.steps = AgainstADict.commits = 0
    run_state_machine_as_test(
        AgainstADict,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            # What fails is printed as it was found; making it shorter takes minutes.
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(900)
def test_many_random_steps(model: Any) -> None:
    """All of them are ten thousand."""
    run(model, examples=choose_count(215, 12), steps=choose_count(80, 60))
    # A run that hardly does anything would find nothing.
    assert AgainstADict.steps >= choose_count(10_000, 400)
    assert AgainstADict.commits >= choose_count(500, 20)
