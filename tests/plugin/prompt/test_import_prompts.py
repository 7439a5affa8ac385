"""Prompts from layers and tables that are there already."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels, Points, Shapes

from napari_segany.errors import InputError
from napari_segany.io.detections import TableOptions
from napari_segany.plugin.layers.labels_to_prompts import masks_of
from napari_segany.plugin.prompt import import_prompts


@pytest.fixture
def two_objects(stack: Any) -> Any:
    data = np.zeros(stack.shape, np.int64)
    data[2, 5:15, 10:20] = 7
    data[2, 20:24, 30:40] = 10**9
    data[3, 5:15, 10:20] = 7
    return data


def test_masks_of_labels_take_no_more_room_than_objects() -> None:
    labels = np.zeros((30, 40), np.int64)
    labels[3:5, 7:9] = 5
    labels[10, 10] = 2
    (first, one), (second, four) = masks_of(labels)
    assert (first, second) == (2, 5)
    assert one.area.tolist() == [1]
    assert np.array_equal(four.mask(0), labels == 5)


def test_labels_are_refined_with_their_own_numbers(
    begin: Any, jobs: Any, stack: Any, viewer: Any, model: Any, two_objects: Any
) -> None:
    controller = begin(stack)
    viewer.dims.current_step = (2, 0, 0)
    layer = viewer.add_layer(Labels(two_objects.astype(np.int32), name="theirs"))
    controller.commit_into(layer)
    import_prompts.import_labels(controller, layer)
    # What is refined is not written into.
    assert controller.labels is not layer
    jobs.run()
    first, second = controller.session.state.open
    assert np.array_equal(first.prompt.mask, two_objects[2] == 7)
    assert (first.label, second.label) == (7, 10**9)
    assert controller.commit() == [7, 10**9]
    assert np.array_equal(controller.labels.data[2], two_objects[2])
    assert not controller.labels.data[3].any()


@pytest.mark.parametrize("how", ["mask", "box"])
def test_negative_labels_are_no_objects(
    begin: Any, jobs: Any, stack: Any, viewer: Any, two_objects: Any, how: Any
) -> None:
    two_objects[two_objects == 0] = -1
    controller = begin(stack)
    viewer.dims.current_step = (2, 0, 0)
    said: list[str] = []
    controller.status.connect(said.append)
    import_prompts.import_labels(controller, viewer.add_layer(Labels(two_objects)), how)
    jobs.run()
    assert [each.label for each in controller.session.state.open] == [7, 10**9]
    assert [text for text in said if "Negative" in text] == [
        "2 objects are open. Negative labels are no objects."
    ]


def test_ids_beyond_32_bits_are_kept_or_refused(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    wide = np.zeros(stack.shape, np.uint64)
    wide[2, 5:15, 10:20], wide[2, 20:30, 30:40] = 2**32 + 1, 2**40 + 1
    controller = begin(stack)
    viewer.dims.current_step = (2, 0, 0)
    import_prompts.import_labels(controller, viewer.add_layer(Labels(wide)))
    jobs.run()
    assert [each.label for each in controller.session.state.open] == [2**32 + 1, 2**40 + 1]
    with pytest.raises(InputError, match="type int32, which ends at 2147483647"):
        controller.commit()
    assert len(controller.session.state.open) == 2
    into = viewer.add_layer(Labels(np.zeros(stack.shape, np.uint64)))
    controller.commit_into(into)
    controller.commit()
    assert np.array_equal(into.data, wide)


def test_every_plane_of_labels_can_be_asked(
    begin: Any, jobs: Any, stack: Any, viewer: Any, two_objects: Any
) -> None:
    controller = begin(stack)
    layer = viewer.add_layer(Labels(two_objects, name="theirs"))
    import_prompts.import_labels(controller, layer, "box", every_plane=True)
    jobs.run()
    planes = [each.plane[0] for each in controller.session.state.open]
    assert planes == [2, 2, 3]
    assert controller.session.state.open[0].prompt.box.tolist() == [5, 10, 14, 19]
    controller.commit()
    assert np.array_equal(controller.labels.data, two_objects)


def test_labels_of_another_scale_lie_where_they_lie(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack, scale=(2, 0.5, 0.5), translate=(1, 2, 3))
    viewer.dims.current_step = (2, 0, 0)
    flat = np.zeros((20, 25), np.int32)
    flat[4:8, 10:15] = 3
    layer = viewer.add_layer(Labels(flat, name="coarse", scale=(1, 1), translate=(2.25, 3.25)))
    import_prompts.import_labels(controller, layer)
    jobs.run()
    (each,) = controller.session.state.open
    wanted = np.zeros((40, 50), bool)
    wanted[8:16, 20:30] = True
    assert np.array_equal(each.prompt.mask, wanted)


def test_points_of_others_are_objects(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack)
    viewer.dims.current_step = (2, 0, 0)
    places = [[2, 5, 5], [2, 7, 7], [4, 30, 40], [9, 1, 1]]
    theirs = Points(places, features={"label": ["positive", "negative", "positive", "-"]})
    viewer.add_layer(theirs)
    import_prompts.import_layer(controller, theirs)
    jobs.run()
    first, second = controller.session.state.open
    assert first.prompt.labels.tolist() == [1, 0]
    assert (first.plane[0], second.plane[0]) == (2, 4)
    assert len(theirs.data) == 4
    controller.clear()
    controller.sync.mode = "many"
    grouped = Points([[5, 5], [7, 7], [9, 9]], features={"object": ["a", "b", "a"]})
    viewer.add_layer(grouped)
    import_prompts.import_layer(controller, grouped)
    assert sorted(len(e.prompt.points) for e in controller.session.state.open) == [1, 2]


def test_a_feature_label_that_holds_ids_is_no_sign(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    controller.sync.mode = "many"
    viewer.dims.current_step = (2, 0, 0)
    theirs = Points([[2, 5, 5], [2, 7, 7], [2, 9, 9]], features={"label": [0, 1, 2]})
    viewer.add_layer(theirs)
    import_prompts.import_layer(controller, theirs)
    assert [e.prompt.labels.tolist() for e in controller.session.state.open] == [[1], [1], [1]]


def test_shapes_of_others_are_objects(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack)
    square = [[5, 5], [5, 15], [15, 15], [15, 5]]
    theirs = Shapes([square, [[20, 20], [30, 30]]], shape_type=["ellipse", "line"])
    viewer.add_layer(theirs)
    import_prompts.import_layer(controller, theirs)
    ellipse, line = controller.session.state.open
    assert ellipse.prompt.mask is not None
    assert len(line.prompt.points) == 8


def test_tables_become_boxes(
    begin: Any, jobs: Any, stack: Any, viewer: Any, tmp_path: Path
) -> None:
    controller = begin(stack)
    viewer.dims.current_step = (1, 0, 0)
    table = tmp_path / "boxes.csv"
    table.write_text("x1,y1,x2,y2,z\n5,6,15,16,4\n1,2,3,4,\n")
    import_prompts.import_table(controller, table)
    jobs.run()
    assert [each.plane[0] for each in controller.session.state.open] == [4, 1]
    table.write_text("x1,y1,x2,y2,z\n5,6,15,16,40\n")
    with pytest.raises(InputError, match=r"z 40 is not there: the image has planes 0\.\."):
        import_prompts.import_table(controller, table)


def test_tables_of_other_programs_are_understood_and_say_so(
    begin: Any, jobs: Any, stack: Any, viewer: Any, tmp_path: Path
) -> None:
    controller = begin(stack, scale=(1, 0.5, 0.5), units=("s", "um", "um"))
    viewer.dims.current_step = (1, 0, 0)
    table = tmp_path / "Results.csv"
    table.write_text(
        " ,Area,X,Y,BX,BY,Width,Height,Slice\n"
        "1,24.25,8,6,5.5,2.5,5,7,3\n2,24.25,8,6,5.5,2.5,0,7,3\n"
    )
    found = import_prompts.import_table(controller, table)
    (each,) = controller.session.state.open
    assert (each.prompt.box.tolist(), each.plane[0]) == ([5, 11, 18, 20], 2)
    assert found.understood == (
        "ImageJ results: boxes from BX, BY, Width, Height in um; planes from Slice, counted from 1"
    )
    assert found.skipped == ("row 2 (line 3): its box has no area",)
    import_prompts.import_table(controller, table, TableOptions(first_plane=0, units="pixels"))
    each = controller.session.state.open[-1]
    assert (each.prompt.box.tolist(), each.plane[0]) == ([2.5, 5.5, 8.5, 9.5], 3)


def test_tables_in_rolled_views_are_about_the_rows_and_columns_in_view(
    begin: Any, jobs: Any, stack: Any, viewer: Any, tmp_path: Path
) -> None:
    controller = begin(stack)
    viewer.dims.order = (2, 0, 1)
    viewer.dims.current_step = (0, 0, 7)
    table = tmp_path / "points.csv"
    table.write_text("row,col,z\n3,30,9\n")
    import_prompts.import_table(controller, table)
    (each,) = controller.session.state.open
    assert each.plane == (None, None, 9)
    assert each.prompt.points.tolist() == [[3, 30]]
    table.write_text("index,axis-0,axis-1,axis-2\n0,3,30,9\n")
    with pytest.raises(InputError, match="the view shows others"):
        import_prompts.import_table(controller, table)


def test_what_cannot_be_taken_is_said(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack[0])
    for take in (import_prompts.import_labels, import_prompts.import_layer):
        with pytest.raises(InputError, match="Choose"):
            take(controller, None)
    with pytest.raises(InputError, match="more axes"):
        import_prompts.import_labels(controller, Labels(np.zeros((2, 3, 4), int)))
    with pytest.raises(InputError, match="lies in the image"):
        import_prompts.import_layer(controller, Points([[900, 900]]))
    said: list[str] = []
    controller.status.connect(said.append)
    import_prompts.import_labels(controller, viewer.add_layer(Labels(np.zeros((40, 50), int))))
    jobs.run()
    assert "no object" in said[-1]
