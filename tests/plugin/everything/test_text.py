"""The strategy "text" in the Everything dock's controller: classes, and words without an object."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from tests.generators.test_text import StubDetector
from tests.text_models import tiny_folder

from napari_segany import AutomaticParams, TextParams
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.weights.text_folders import import_folder

LOOSE = AutomaticParams(
    points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1, min_area=0
)


@pytest.fixture
def controller(
    viewer: Any, jobs: Any, tiny_model: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    import_folder(tiny_folder("owlv2"))
    stub = StubDetector()
    monkeypatch.setattr("napari_segany.generators.text.load_text_model", lambda *_: stub)
    made = EverythingController(viewer, jobs)
    made.model = tiny_model
    plane = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    made.open_image(viewer.add_layer(Image(plane, name="image")))
    yield made
    made.end()


def test_labels_have_the_classes_of_words_and_missing_ones_are_told(
    controller: Any, jobs: Any
) -> None:
    said: list[tuple[str, str]] = []
    controller.status.connect(lambda *message: said.append(message))
    # Decisions about masks without classes are looked for among those with classes.
    controller.find(LOOSE)
    jobs.run()
    controller.found.rejected = {controller.plane: {0}}
    controller.find(TextParams(text=("grille", "wheel"), text_threshold=0.7))
    jobs.run()
    text, severity = said[-1]
    assert text == (
        "1 object found by strategy 'text'. Nothing above 0.70 for 'wheel'; the best score was "
        "0.60: lower the text threshold (--text-threshold), or use other words."
    )
    assert severity == "warning"
    layer = controller.make_labels()
    assert set(layer.features["class"]) <= {"grille"}
    recipe = controller.make_recipe()
    assert recipe.params.text == ("grille", "wheel")
    controller.find(LOOSE)
    jobs.run()
    assert "class" not in controller.make_labels().features
