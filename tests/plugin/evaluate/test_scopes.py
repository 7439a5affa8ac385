"""Volumes and tracks compared in a viewer without a window."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from tests.io.tracks.test_ctc import disc_movie

from napari_segany.errors import InputError
from napari_segany.evaluation.export_comparison import save_comparison
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.plugin.evaluate.controller import EvaluateController
from napari_segany.plugin.evaluate.scopes import offered_scopes
from napari_segany.plugin.layers.tracks_layer import TRACKS, tracks_layer_data
from napari_segany.tracking import TrackedMovie


@pytest.fixture
def controller(viewer: Any, jobs: Any) -> Any:
    made = EvaluateController(viewer, jobs)
    yield made
    made.end()


def choose(controller: Any, truth: Any, prediction: Any, axes: str) -> None:
    layers = [
        controller.viewer.add_layer(Labels(each, name=name, axis_labels=tuple(axes)))
        for each, name in ((truth, "truth"), (prediction, "prediction"))
    ]
    controller.choose_layers(layers[1], layers[0])


@pytest.mark.parametrize(
    ("shape", "axes", "offered"),
    [
        ((4, 4), "yx", "plane"),
        ((2, 4, 4), "zyx", "plane planes stack"),
        ((2, 4, 4), "tyx", "plane planes stack tracks"),
        ((2, 4, 4), "", "plane planes stack tracks"),
        ((2, 2, 4, 4), "tzyx", "plane planes stack volumes tracks"),
        ((2, 2, 4, 4), "", "plane planes stack volumes tracks"),
        ((2, 2, 4, 4), "ztyx", "plane planes stack"),
    ],
)
def test_axes_decide_what_can_be_compared(shape: tuple[int, ...], axes: str, offered: str) -> None:
    names = {"axis_labels": tuple(axes)} if axes else {}
    assert offered_scopes(Labels(np.zeros(shape, int), **names)) == tuple(offered.split())
    assert offered_scopes(None) == ("plane",)


def test_every_time_has_a_volume(controller: Any, jobs: Any, tmp_path: Path) -> None:
    """In the first all is right; in the second one object is missed, and one has another label."""
    truth = np.zeros((2, 3, 12, 12), np.int32)
    truth[:, :, 2:6, 2:6], truth[1, 1:, 8:, 8:] = 1, 2
    truth[1, :, 8:, 2:6] = 3
    prediction = truth.copy()
    prediction[1][prediction[1] == 2] = 0
    prediction[1][prediction[1] == 3] = 7
    choose(controller, truth, prediction, "tzyx")
    controller.compare("volumes")
    jobs.run()
    result = controller.result
    expected = [
        score_instances(ObjectOverlaps.from_labels(truth[t], prediction[t])) for t in (0, 1)
    ]
    assert list(result.scores) == expected
    assert result.parts == (0, 0, 0, 1, 1, 1)
    assert result.columns()["plane"].tolist() == ["0", "1", "1", "1"]
    # Of the true objects 1, 1, 2 and 3.
    assert result.same_label_iou == pytest.approx(2 / 4)
    path = tmp_path / "scores.json"
    save_comparison(result, path)
    written = json.loads(path.read_text())
    assert written["objects"] == "through the planes of a volume"
    assert [each["volume"] for each in written["by_volume"]] == ["0", "1"]
    assert written["same_label_iou"] == pytest.approx(0.5)
    layer = controller.draw_errors()
    jobs.run()
    missed = layer.data == 3
    np.testing.assert_array_equal(missed, truth == 2)
    row = result.columns()["verdict"].tolist().index("missed")
    controller.go_to(row)
    assert controller.viewer.dims.current_step[0] == 1


def test_tracks_are_scored_with_the_divisions_that_layers_carry(
    controller: Any, jobs: Any, tmp_path: Path
) -> None:
    table, labels = disc_movie()
    movie = TrackedMovie(table, labels.__getitem__, 4, labels.shape[1:]).to_labels()
    choose(controller, movie, movie.copy(), "tyx")
    controller.compare("tracks")
    jobs.run()
    # A table in neither: there are no divisions.
    assert controller.result.tracks.divisions == 0
    assert np.isnan(controller.result.tracks.division_f1)
    assert controller.result.same_label_iou is None
    for layer in controller.viewer.layers:
        layer.metadata[TRACKS] = table
    controller.prediction.data[3][movie[3] == 4] = 0
    controller.compare("tracks")
    jobs.run()
    scores = controller.result.tracks
    assert (scores.divisions, scores.true_divisions, scores.missed) == (1, 1, 1)
    assert controller.result.counts["missed"] == 1
    path = tmp_path / "scores.json"
    save_comparison(controller.result, path)
    written = json.loads(path.read_text())["tracks"]
    assert (written["division_f1"], written["missed"]) == (1.0, 1)
    # A parent that was painted beyond its division is no parent any more.
    controller.prediction.data[2, 6:, :2] = 2
    controller.compare("tracks")
    jobs.run()
    assert controller.result.tracks.true_divisions == 0


def test_layers_that_lack_a_scope_say_so(controller: Any) -> None:
    stack = np.ones((2, 4, 4), int)
    choose(controller, stack, stack.copy(), "zyx")
    for over in ("volumes", "tracks"):
        with pytest.raises(InputError, match=f"has no {over}.*t, z, y, x"):
            controller.compare(over)


def test_napari_shows_the_tracks(viewer: Any) -> None:
    table, _ = disc_movie()
    table = replace(
        table,
        pixel_size={"Y": (0.5, "um"), "X": (0.5, "um")},
        features={"size": np.arange(7)},
    )
    data, settings = tracks_layer_data(table)
    layer = viewer.add_tracks(data, **settings)
    assert {child: list(parents) for child, parents in layer.graph.items()} == {3: [2], 4: [2]}
    assert layer.features["gap"].tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert layer.features["size"].tolist() == [0, 3, 1, 2, 4, 5, 6]
    assert layer.data[:, :2].tolist() == [[1, 0], [1, 2], [2, 0], [2, 1], [3, 2], [4, 2], [4, 3]]
    assert layer.scale.tolist() == [1, 0.5, 0.5]
    assert [str(unit) for unit in layer.units] == ["pixel", "micrometer", "micrometer"]
