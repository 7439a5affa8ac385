"""Objects of the dock that regions of the volume fill, as in Python; planes are looked at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import MaskSet, PropagationParams, SamModel, propagate
from napari_segany import volume_regions as volume_regions_module
from napari_segany.core.label_images import as_ids
from napari_segany.plugin.prompt.through_planes import ThroughPlanes
from napari_segany.weights import finders

PARAMS = PropagationParams(method="regions", smoothing=0.5, min_fit=0.0)


@pytest.fixture
def model(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> SamModel:
    """The tiny model, with a finder of the package that fits it."""
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    (cache / "packaged").mkdir(parents=True)
    path = cache / "packaged" / "tiny.safetensors"
    write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
    return tiny_model


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Shapes of the planes that a finder looked at."""
    seen: list[tuple[int, int]] = []
    find_maps = volume_regions_module.find_maps

    def look(model: Any, image: Any, *values: Any, **ways: Any) -> Any:
        seen.append(image.shape)
        return find_maps(model, image, *values, **ways)

    monkeypatch.setattr(volume_regions_module, "find_maps", look)
    return seen


def follow(controller: Any, jobs: Any) -> ThroughPlanes:
    through: ThroughPlanes = controller.host.through
    through.params = PARAMS
    through.start()
    jobs.run()
    return through


def test_the_dock_finds_what_python_finds(
    begin: Any, jobs: Any, stack: Any, model: SamModel, looked_at: list[Any]
) -> None:
    controller = begin(stack)
    controller.viewer.dims.set_current_step(0, 2)
    controller.points.add(np.array([2.0, 20, 25]))
    jobs.run()
    through = follow(controller, jobs)
    assert len(looked_at) == len(stack)
    given = {plane: mask for plane, mask in through.given[1].items() if mask is not None}
    assert list(given) == [2]
    expected = propagate(stack, {1: given}, axes="ZYX", model=model, params=PARAMS)
    assert through.answers.keys() == expected.objects[1].answers.keys()
    controller.commit()
    jobs.run()
    labels = as_ids(np.asarray(controller.labels.data))
    assert labels.tobytes() == expected.to_labels().tobytes()


def test_a_correction_looks_at_no_plane_again(
    begin: Any, jobs: Any, stack: Any, model: SamModel, looked_at: list[Any]
) -> None:
    controller = begin(stack)
    controller.viewer.dims.set_current_step(0, 2)
    controller.points.add(np.array([2.0, 20, 25]))
    jobs.run()
    through = follow(controller, jobs)
    before = len(looked_at)
    controller.viewer.dims.set_current_step(0, 4)
    controller.points.add(np.array([4.0, 22, 24]))
    jobs.run()
    assert through.prompted == {2, 4}
    assert {plane for plane, answer in through.answers.items() if answer.source == "prompt"} == {
        2,
        4,
    }
    assert len(looked_at) == before
    # Another outline cuts the same maps; another image is another volume.
    through.params = PropagationParams(method="regions", smoothing=0.5, min_fit=0.0, outline=0.5)
    through.start()
    jobs.run()
    assert len(looked_at) == before
    through.forget()
    follow(controller, jobs)
    assert len(looked_at) == before + len(stack)


def test_masks_on_prompted_planes_are_those_that_were_chosen(
    begin: Any, jobs: Any, stack: Any, model: SamModel
) -> None:
    controller = begin(stack)
    controller.viewer.dims.set_current_step(0, 3)
    controller.points.add(np.array([3.0, 20, 25]))
    jobs.run()
    through = follow(controller, jobs)
    chosen = through.given[1][3]
    assert isinstance(chosen, MaskSet)
    assert np.array_equal(through.answers[3].mask.mask(0), chosen.mask(0))


def test_two_views_cost_no_look_and_four_do(
    begin: Any, jobs: Any, stack: Any, model: SamModel, looked_at: list[Any]
) -> None:
    controller = begin(stack)
    controller.viewer.dims.set_current_step(0, 2)
    controller.points.add(np.array([2.0, 20, 25]))
    jobs.run()
    follow(controller, jobs)
    assert len(looked_at) == len(stack)
    controller.host.set_views(2)
    jobs.run()
    # The best candidate of random weights may be empty.
    controller.session.choose(int(np.argmax(controller.session.candidates().area > 0)))
    jobs.run()
    assert follow(controller, jobs).answers
    assert len(looked_at) == len(stack)
    # The finder has two views, or those of the prompts if they are more.
    controller.host.set_views(4)
    jobs.run()
    controller.session.choose(int(np.argmax(controller.session.candidates().area > 0)))
    jobs.run()
    assert follow(controller, jobs).answers
    assert len(looked_at) == 2 * len(stack)
