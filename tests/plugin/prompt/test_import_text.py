"""Objects that words find, in the Prompt dock's controller."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.generators.test_text import BOXES, StubDetector
from tests.text_models import tiny_folder

from napari_segany.errors import InputError
from napari_segany.generators.text_params import TextParams
from napari_segany.plugin.prompt.import_text import import_text
from napari_segany.weights.text_folders import import_folder


@pytest.fixture
def detector(cache: Path, monkeypatch: pytest.MonkeyPatch) -> StubDetector:
    import_folder(tiny_folder("owlv2"))
    stub = StubDetector()
    monkeypatch.setattr("napari_segany.plugin.prompt.import_text.load_text_model", lambda *_: stub)
    return stub


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)


def test_each_box_is_an_open_object_that_points_correct(
    begin: Any, jobs: Any, image: Any, detector: StubDetector
) -> None:
    controller = begin(image)
    said: list[str] = []
    controller.status.connect(lambda text, *_: said.append(text))
    import_text(controller, ["grille", "wheel"])
    jobs.run()
    assert detector.asked == [("grille", "wheel")]
    assert "Looking for grille, wheel ..." in said
    boxes = [each.prompt.box.tolist() for each in controller.session.state.objects.values()]
    assert boxes == [(BOXES[i] - [0, 0, 1, 1]).tolist() for i in (0, 2)]
    controller.points.add(np.array([30.0, 40.0]))
    jobs.run()
    last = list(controller.session.state.objects.values())[-1].prompt
    assert last.box is not None
    assert last.points.tolist() == [[30, 40]]
    # The whole import is one step.
    controller.undo()
    controller.undo()
    assert not controller.session.state.objects


def test_words_without_an_object_are_told_with_their_score(
    begin: Any, jobs: Any, image: Any, detector: StubDetector
) -> None:
    controller = begin(image)
    said: list[str] = []
    controller.status.connect(lambda text, *_: said.append(text))
    import_text(controller, ["wheel"], TextParams(text_threshold=0.95))
    jobs.run()
    assert not controller.session.state.objects
    (last,) = [text for text in said if text.startswith("There is no object there.")]
    assert "Nothing above 0.95 for 'wheel'; the best score was 0.90" in last


def test_what_cannot_be_looked_for_is_refused(
    begin: Any, cache: Path, image: Any, jobs: Any
) -> None:
    controller = begin(image)
    with pytest.raises(InputError, match="Nothing was asked for"):
        import_text(controller, [])
    with pytest.raises(InputError, match="No text model is on this machine; fetch one with: napa"):
        import_text(controller, ["wheel"])
    import_folder(tiny_folder("clip"))
    with pytest.raises(InputError, match="tiny_clip ranks masks and finds no boxes; use it in the"):
        import_text(controller, ["wheel"])
