"""Sessions of images that another image took the place of come back with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_segany.session.journal import SavedSession, read_journal


def click(controller: Any, jobs: Any, *position: float) -> None:
    controller.points.add(np.array(position))
    jobs.run()


@pytest.fixture
def begun(begin: Any, jobs: Any, stack: Any, viewer: Any) -> Any:
    """A controller with a committed and an open object, and another image in the viewer."""
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.commit()
    click(controller, jobs, 2, 30, 40)
    viewer.add_layer(Image(stack[:, ::-1].copy(), name="other"))
    return controller


def choose(controller: Any, jobs: Any, viewer: Any, name: str) -> Any:
    session = controller.open_image(viewer.layers[name])
    jobs.run()
    return session


def test_objects_labels_and_undo_come_back(begun: Any, jobs: Any, viewer: Any) -> None:
    session, labels = begun.session, begun.labels
    other = choose(begun, jobs, viewer, "other")
    assert other is not session
    assert begun.labels is None
    click(begun, jobs, 2, 15, 15)
    assert choose(begun, jobs, viewer, "image") is session
    assert begun.labels is labels
    assert begun.points.data.tolist() == [[2, 30, 40]]
    assert (begun.preview_layer.data > 0).sum() == 25
    assert begun.commit() == [2]
    assert begun.undo()
    assert begun.undo()
    assert begun.undo()
    assert not labels.data.any()
    assert choose(begun, jobs, viewer, "other") is other
    assert len(other.state.open) == 1


def kept_in(folder: Path) -> list[SavedSession]:
    """Return what the journals below a folder recorded, without empty ones."""
    found = [read_journal(path) for path in (folder / "journals").rglob("*.jsonl")]
    return [each for each in found if not each.is_empty]


def test_one_journal_has_all_of_it(begun: Any, jobs: Any, viewer: Any, tmp_path: Path) -> None:
    choose(begun, jobs, viewer, "other")
    # A crash while another image is in work loses nothing either.
    assert [len(each.state.objects) for each in kept_in(tmp_path)] == [2]
    choose(begun, jobs, viewer, "image")
    click(begun, jobs, 3, 5, 5)
    (saved,) = kept_in(tmp_path)
    assert len(saved.state.objects) == len(begun.session.state.objects)
    assert not saved.closed
    assert begun.saved_sessions == []


def test_labels_that_were_changed_meanwhile_are_followed(
    begun: Any, jobs: Any, viewer: Any
) -> None:
    labels = begun.labels
    choose(begun, jobs, viewer, "other")
    labels.undo()
    choose(begun, jobs, viewer, "image")
    assert len(begun.session.state.open) == 2


def test_committed_objects_are_open_when_their_labels_are_gone(
    begun: Any, jobs: Any, viewer: Any
) -> None:
    labels = begun.labels
    choose(begun, jobs, viewer, "other")
    viewer.layers.remove(labels)
    session = choose(begun, jobs, viewer, "image")
    assert len(session.state.open) == 2
    assert session.state.committed == []


def test_other_pixels_are_segmented_anew_and_another_shape_begins_a_session(
    begun: Any, jobs: Any, viewer: Any, stack: Any
) -> None:
    session, image = begun.session, viewer.layers["image"]
    choose(begun, jobs, viewer, "other")
    image.data = stack[::-1].copy()
    assert choose(begun, jobs, viewer, "image") is session
    assert np.array_equal(session.source.read((0, None, None)), stack[-1])
    choose(begun, jobs, viewer, "other")
    image.data = stack[:, :20].copy()
    assert choose(begun, jobs, viewer, "image") is not session


def test_a_session_goes_with_its_image(begun: Any, jobs: Any, viewer: Any) -> None:
    choose(begun, jobs, viewer, "other")
    assert begun.host.parked.open_objects == 1
    viewer.layers.remove(viewer.layers["image"])
    assert begun.host.parked.open_objects == 0


def test_a_session_without_a_step_is_not_kept(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    viewer.add_layer(Image(stack, name="other"))
    first = controller.session
    choose(controller, jobs, viewer, "other")
    assert choose(controller, jobs, viewer, "image") is not first
