"""Tests of the Tracks dock's logic, without a window."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Tracks
from tests.effort import choose_count
from tests.linking.propagation.bright import BrightModel
from tests.plugin.conftest import PatientJobs
from tests.plugin.tracks.movie import MISSING, SHAPE, make_movie, make_table

from napari_segany.errors import InputError
from napari_segany.plugin.tracks.actions import TrackActions
from napari_segany.plugin.tracks.controller import TracksController
from napari_segany.plugin.tracks.model_tools import ModelTools
from napari_segany.session.journal_file import find_journals

MakeController = Callable[[], TracksController]


@pytest.fixture
def make_controller(
    viewer: ViewerModel, jobs: PatientJobs, tmp_path: Path
) -> Iterator[MakeController]:
    made: list[TracksController] = []

    def make() -> TracksController:
        made.append(TracksController(viewer, jobs, tmp_path / "journals"))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def source(viewer: ViewerModel) -> Any:
    labels, image = make_movie()
    viewer.add_layer(Image(image, name="image", scale=(1, 0.5, 0.5)))
    layer = Labels(labels, name="cells", scale=(1, 0.5, 0.5))
    viewer.add_layer(layer)
    return layer


@pytest.fixture
def controller(make_controller: MakeController, source: Any, jobs: PatientJobs) -> TracksController:
    """The tracks of the movie: 1, 2, 3, 4, 5."""
    controller = make_controller()
    controller.choose_labels(source)
    controller.use_table(make_table(source.data))
    jobs.run()
    return controller


def shown(controller: TracksController) -> Any:
    """The labels of the layer, which are those of the session."""
    data = controller.layers.labels.data
    assert (data == controller.opened().frames.data).all()
    return data


def test_linking_leaves_the_labels_and_shows_tracks(
    make_controller: MakeController, viewer: ViewerModel, source: Any, jobs: PatientJobs
) -> None:
    controller, before = make_controller(), source.data.copy()
    said: list[str] = []
    controller.status.connect(lambda text, _: said.append(text))
    controller.choose_labels(source)
    controller.link()
    jobs.run()
    assert (source.data == before).all()
    data = shown(controller)
    assert ((data > 0) == (before > 0)).all()
    assert [layer.name for layer in viewer.layers] == [
        *("image", "cells", "cells tracks", "segany selection", "cells tracks lines"),
    ]
    assert not source.visible
    table = controller.opened().table
    assert said[-1] == f"{len(table.spans)} tracks, 1 division."
    assert table.children == {1: (3, 4)}
    lines = controller.layers.tracks
    assert isinstance(lines, Tracks)
    assert lines.graph == {3: [1], 4: [1]}
    assert lines.scale.tolist() == [1, 0.5, 0.5]
    assert set(lines.features) >= {"confidence", "gap"}
    # A line has the colour of its object.
    colour = controller.layers.labels.get_color(2)
    at = np.flatnonzero(lines.data[:, 0] == 2)[0]
    np.testing.assert_allclose(lines.track_colors[at], colour, atol=1 / 255)


def test_corrections_of_selected_tracks_in_the_frame_in_view(
    controller: TracksController, viewer: ViewerModel, jobs: PatientJobs
) -> None:
    act = TrackActions(controller)
    controller.select(2, 5)
    assert act.join() == 2
    assert controller.selected == (2,)
    assert set(np.unique(shown(controller)).tolist()) == {0, 1, 2, 3, 4}
    viewer.dims.set_point(0, 3)
    controller.select(1, 3, 4)
    assert act.divide() == (3, 4)
    jobs.run()
    assert controller.layers.tracks.graph == {3: [1], 4: [1]}
    act.undivide(3)
    assert not controller.opened().table.parents
    viewer.dims.set_point(0, 4)
    controller.select(3, 4)
    act.swap()
    assert shown(controller)[4, 12, 18] == 4
    assert act.cut(3) == 6
    controller.select(6, 4)
    act.merge()
    assert shown(controller)[4, 12, 18] == shown(controller)[4, 12, 32] == 6
    controller.select(2)
    act.delete_object()
    assert not shown(controller)[4, 45, 15]
    act.delete_track(2)
    assert 2 not in shown(controller)
    while controller.undo():
        shown(controller)
    assert controller.opened().table.spans.keys() == {1, 2, 3, 4, 5}
    while controller.redo():
        shown(controller)
    assert 2 not in controller.opened().table.spans


def test_what_is_not_selected_is_asked_for(
    controller: TracksController, viewer: ViewerModel
) -> None:
    act = TrackActions(controller)
    viewer.dims.set_point(0, 0)
    for wanted, message in (
        (act.join, "two tracks to join"),
        (act.swap, "two tracks to swap"),
        (act.cut, "track to cut"),
        (act.divide, "Select the mother"),
        (act.delete_object, "track to delete"),
        (act.merge, "two objects to merge"),
    ):
        with pytest.raises(InputError, match=message):
            wanted()
    controller.select(5)
    with pytest.raises(InputError, match="No selected track has an object in frame 0"):
        act.delete_object()


def test_clicks_select_up_to_three_tracks(controller: TracksController, jobs: PatientJobs) -> None:
    for track in (1, 2, 3, 4):
        controller.pick(track, add=True)
    assert controller.selected == (1, 2, 4)
    controller.pick(2, add=True)
    assert controller.selected == (1, 4)
    controller.pick(2)
    assert controller.selected == (2,)
    jobs.run()
    outlines = controller.layers.selection.data
    # A square of 10 x 10 pixels without the inner 6 x 6.
    assert (outlines > 0).sum() == 64
    controller.pick(0)
    jobs.run()
    assert controller.selected == ()
    assert not controller.layers.selection.data.any()


def test_paint_by_hand_is_a_step(controller: TracksController, jobs: PatientJobs) -> None:
    labels, session = controller.layers.labels, controller.opened()
    before = labels.data.copy()
    # A new object in the gap joins the track before it and the one after it.
    rows, cols = np.mgrid[40:50, 11:21]
    at = (np.full(rows.size, MISSING), rows.ravel(), cols.ravel())
    labels.data_setitem(at, 77)
    jobs.run()
    assert session.table.spans.keys() == {1, 2, 3, 4}
    assert session.table.spans[2] == (0, 5)
    assert shown(controller)[MISSING, 45, 15] == shown(controller)[5, 45, 20] == 2
    controller.undo()
    assert (shown(controller) == before).all()
    assert session.table.spans[2] == (0, 2)
    # An object in several frames, such as another dock commits it, is one step.
    frames, rows, cols = (axis.ravel() for axis in np.mgrid[1:4, 50:56, 60:70])
    labels.data_setitem((frames, rows, cols), 8)
    jobs.run()
    assert session.table.spans[8] == (1, 3)
    controller.undo()
    assert (shown(controller) == before).all()
    # Pixels that a script writes are taken on request.
    labels.data[0, 0:4, 0:4] = 9
    assert controller.follow_frames() == 1
    assert session.table.spans[9] == (0, 0)


def test_a_crash_loses_nothing(
    controller: TracksController,
    make_controller: MakeController,
    source: Any,
    jobs: PatientJobs,
    tmp_path: Path,
) -> None:
    act = TrackActions(controller)
    act.join(2, 5)
    act.cut(2, 4)
    controller.undo()
    act.divide(1, (3, 4), 3)
    data, table = shown(controller).copy(), controller.opened().table
    (folder,) = (tmp_path / "journals").iterdir()
    # As the end of the process would, without a last line.
    journal = controller.opened()._journal
    assert journal is not None
    journal._lock.release()
    assert len(find_journals(folder)) == 1
    other = make_controller()
    other.choose_labels(source)
    jobs.run()
    (saved,) = other.journals.saved
    assert not saved.closed
    other.restore(saved)
    jobs.run()
    assert (shown(other) == data).all()
    assert other.opened().table.parents == table.parents
    assert other.opened().table.confidence.tobytes() == table.confidence.tobytes()
    assert other.undo()
    assert not other.opened().table.parents


def test_doubtful_places_are_shown_and_accepted(
    controller: TracksController, viewer: ViewerModel
) -> None:
    act = TrackActions(controller)
    found = act.doubts
    assert [each.reason for each in found if each.track == 5] == ["begins within the frame"]
    first = act.next_doubt()
    assert first == found[0]
    assert controller.frame == first.frame
    assert controller.selected == (first.track,)
    second = act.accept_doubt()
    assert second == found[1]
    assert len(act.doubts) == len(found) - 1
    assert controller.undo()
    assert len(act.doubts) == len(found)
    for _ in found:
        act.next_doubt()
        act.accept_doubt()
    assert act.next_doubt() is None


def test_a_split_by_two_points(
    controller: TracksController, viewer: ViewerModel, jobs: PatientJobs, model: Any
) -> None:
    tools = ModelTools(controller, 2**20)
    with pytest.raises(InputError, match="Choose the image"):
        tools.split(1, 1, ((15.0, 24.0), (15.0, 31.0)))
    controller.choose_image(viewer.layers["image"])
    controller.model = model
    with pytest.raises(InputError, match="on the object"):
        tools.split(1, 1, ((15.0, 24.0), (55.0, 31.0)))
    tools.split(1, 1, ((15.0, 23.0), (15.0, 32.0)))
    jobs.run()
    one, two = model.asked
    assert (one.labels.tolist(), two.labels.tolist()) == ([1, 0], [0, 1])
    data = shown(controller)
    assert controller.selected == (1, 6)
    assert data[1, 15, 23] == 1
    assert data[1, 15, 32] == 6
    assert np.isin(data[1, 10:20, 21:35], [1, 6]).all()
    assert controller.opened().table.area.sum() == (data > 0).sum()


def test_the_second_part_of_a_split_joins_the_track_that_is_missing(
    controller: TracksController, viewer: ViewerModel, jobs: PatientJobs, model: Any
) -> None:
    before, table = shown(controller).copy(), controller.opened().table
    TrackActions(controller).merge((3, 4), 4)
    assert 4 not in shown(controller)[4]
    controller.choose_image(viewer.layers["image"])
    controller.model = model
    ModelTools(controller, 2**20).split(3, 4, ((14.0, 20.0), (14.0, 34.0)))
    jobs.run()
    assert controller.selected == (3, 4)
    assert (shown(controller) == before).all()
    assert controller.opened().table.spans == table.spans
    # The split and the link are one step.
    controller.undo()
    assert 4 not in shown(controller)[4]


def test_a_gap_is_filled_by_propagation(
    controller: TracksController, viewer: ViewerModel, jobs: PatientJobs
) -> None:
    TrackActions(controller).join(2, 5)
    controller.choose_image(viewer.layers["image"])
    controller.model = BrightModel()
    tools = ModelTools(controller, 2**20)
    with pytest.raises(InputError, match="already"):
        tools.fill(2, 0)
    tools.fill(2, MISSING)
    jobs.run()
    assert controller.error is None
    assert (shown(controller)[MISSING, 40:50, 11:21] == 2).all()
    table = controller.opened().table
    assert len(table.rows_of(2)) == SHAPE[0]


def test_files_of_tracks_come_and_go(
    controller: TracksController, viewer: ViewerModel, jobs: PatientJobs, tmp_path: Path
) -> None:
    from napari_segany.plugin.tracks.export import export_tracks

    TrackActions(controller).divide(1, (3, 4), 3)
    session = controller.opened()
    for format, name in (("ctc", "01_RES"), ("csv", "cells_tracks.csv")):
        assert export_tracks(session, format, tmp_path / name) == tmp_path / name
    parents = dict(session.table.parents)
    controller.import_tracks(tmp_path / "01_RES")
    jobs.run()
    assert controller.error is None
    assert controller.source is not None
    assert controller.source.layer is viewer.layers["01_RES"]
    assert dict(controller.opened().table.parents) == parents


def test_tracks_of_other_labels_are_refused(
    controller: TracksController, source: Any, jobs: PatientJobs
) -> None:
    table = make_table(source.data)
    source.data[2, 40:50] = 0
    controller.use_table(table)
    jobs.run()
    assert isinstance(controller.error, InputError)
    assert "an object 23 in frame 2" in str(controller.error)


def test_labels_without_frames_are_refused(make_controller: MakeController) -> None:
    controller = make_controller()
    with pytest.raises(InputError, match="tracks need frames"):
        controller.choose_labels(Labels(np.zeros((5, 5), int)))
    with pytest.raises(InputError, match="Choose a labels layer"):
        controller.link()
    with pytest.raises(InputError, match="no tracks yet"):
        controller.undo()


def test_removing_the_labels_of_tracks_ends_the_correction(
    controller: TracksController, viewer: ViewerModel, jobs: PatientJobs
) -> None:
    viewer.layers.remove(controller.layers.labels)
    jobs.run()
    assert controller.session is None
    assert [layer.name for layer in viewer.layers if layer.visible] == ["image"]


def test_long_movies_are_drawn_in_part(
    controller: TracksController, viewer: ViewerModel, monkeypatch: Any, jobs: PatientJobs
) -> None:
    monkeypatch.setattr("napari_segany.plugin.tracks.track_layers.MOST_POINTS", 6)
    TrackActions(controller).join(2, 5)
    jobs.run()
    assert set(controller.layers.tracks.data[:, 1].tolist()) <= {0, 1, 2, 3}
    viewer.dims.set_point(0, 5)
    jobs.run()
    assert 5 in controller.layers.tracks.data[:, 1]


def test_volumes_over_time(
    make_controller: MakeController, viewer: ViewerModel, jobs: PatientJobs
) -> None:
    labels = np.zeros((4, 3, 30, 40), np.int32)
    for t in range(4):
        labels[t, 1:, 10:18, 5 + 2 * t : 13 + 2 * t] = t + 1
        labels[t, :2, 20:28, 30:38] = 9
    layer = Labels(labels, name="cells", scale=(1, 2, 0.5, 0.5), units=("s", "um", "um", "um"))
    viewer.add_layer(layer)
    controller = make_controller()
    controller.choose_labels(layer)
    controller.link()
    jobs.run()
    session = controller.opened()
    assert session.table.axes == "ZYX"
    assert session.table.spans == {1: (0, 3), 2: (0, 3)}
    controller.go_to(2, 2)
    assert controller.frame == 2
    assert TrackActions(controller).cut(2) == 3
    jobs.run()
    assert (shown(controller)[2:, :2, 20:28, 30:38] == 3).all()
    outlines = controller.layers.selection.data
    assert outlines.shape == (3, 30, 40)
    assert (outlines[0] > 0).sum() == 64 - 16
    with pytest.raises(InputError, match="volumes are not split"):
        ModelTools(controller, 2**20).split(3, 2, ((22.0, 32.0), (26.0, 36.0)))


def test_labels_that_are_tracks_already(
    make_controller: MakeController, viewer: ViewerModel, jobs: PatientJobs
) -> None:
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[:, 2:6, 2:6], labels[1:, 10:14, 10:14] = 7, 3
    viewer.add_layer(Labels(labels, name="tracked"))
    controller = make_controller()
    controller.choose_labels(viewer.layers["tracked"])
    controller.use_table()
    jobs.run()
    assert controller.opened().table.spans == {3: (1, 2), 7: (0, 2)}
    assert (shown(controller) == labels).all()
    assert controller.opened().next_id == 8


@pytest.mark.parametrize("seed", range(choose_count(20, 3)))
def test_random_corrections_keep_layers_and_session_equal(
    seed: int,
    controller: TracksController,
    viewer: ViewerModel,
    jobs: PatientJobs,
) -> None:
    """Whatever is done, layers show the session, and the journal brings it back."""
    random, act = np.random.default_rng(seed), TrackActions(controller)
    steps = 0
    for _ in range(60):
        there = sorted(controller.opened().table.spans)
        one, two, three = (int(n) for n in random.choice([*there, 1], 3))
        frame = int(random.integers(SHAPE[0]))
        viewer.dims.set_point(0, frame)
        controller.select(one, two, three)
        labels = controller.layers.labels
        box = tuple(n.ravel() for n in np.mgrid[frame : frame + 1, 30:38, 20:28])
        acts: list[Callable[[], object]] = [
            *(act.join, act.cut, act.divide, act.undivide, act.swap, act.merge),
            *(act.delete_object, controller.undo, controller.redo, act.next_doubt),
            partial(act.join, one, two),
            partial(labels.data_setitem, box, int(random.choice([0, one, 20]))),
        ]
        try:
            acts[int(random.integers(len(acts)))]()
            steps += 1
        except InputError:
            pass
        jobs.run()
        table, data = controller.opened().table, shown(controller)
        assert np.unique(data[data > 0]).tolist() == sorted(table.spans)
        lines = controller.layers.tracks
        assert dict(lines.graph) == {c: [p] for c, p in table.parents.items()}
        assert len(lines.data) == len(table.frame)
    assert steps > 10
    data = shown(controller).copy()
    controller.close_session()
    jobs.run()
    controller.restore(controller.journals.saved[0])
    jobs.run()
    assert (shown(controller) == data).all()
