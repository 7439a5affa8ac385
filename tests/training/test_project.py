"""State of a project, and its folder."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.training.project import (
    Changes,
    Doubt,
    Effort,
    Project,
    ProjectImage,
    TrainingRun,
    count_changes,
)
from napari_segany.training.project_folder import RECORD, ProjectFolder, added

RGB = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)


def boxes(*places: tuple[int, int, int, int], start: int = 1) -> NDArray[np.int32]:
    labels = np.zeros((20, 30), np.int32)
    for number, (a, b, c, d) in enumerate(places, start):
        labels[a:c, b:d] = number
    return labels


def test_doubt_is_the_expected_part_of_the_work_that_is_left() -> None:
    doubt = Doubt.of(None, np.array([0.9, 0.4, 0.6, 0.2]))
    assert doubt == Doubt("", 0.475, 1, 2, 4)
    assert doubt.reason == "2 of 4 objects doubtful"
    assert Doubt.of("ab", np.array([])) == Doubt("ab", 1.0, 0, 0, 0)
    assert Doubt.of(None, np.array([])).reason == "no object found"
    assert Doubt.of(None, np.array([0.6])).reason == "none of 1 objects is sure"
    assert Doubt.of(None, np.array([1.7, 0.8])).value == 0.1


def test_the_most_doubtful_come_first_and_unseen_ones_last() -> None:
    def image(name: str, value: float | None) -> ProjectImage:
        return ProjectImage(name, doubt=None if value is None else Doubt("", value, 0, 0, 1))

    project = Project(
        images=(image("a", None), image("b", 0.2), image("c", 0.9), image("d", 0.0))
    ).with_image("b", state="done")
    assert [each.name for each in project.to_do] == ["c", "d", "a"]
    assert [each.name for each in project.done] == ["b"]
    assert project.is_ranked("c")
    assert not project.is_ranked("a")
    # A finder that was kept since has not looked at it.
    from dataclasses import replace

    assert not replace(project, finder="ab" * 32).is_ranked("c")


def test_objects_are_compared_with_the_proposed_ones() -> None:
    proposed = boxes((0, 0, 4, 4), (6, 0, 10, 4), (12, 0, 16, 4), (0, 10, 4, 14))
    labels = boxes((0, 0, 4, 4), (6, 0, 10, 6), (15, 20, 19, 25), start=5)
    # One as proposed, one changed, one new; two proposed ones are gone.
    assert count_changes(labels, proposed) == Changes(objects=3, unchanged=1, removed=2)
    assert count_changes(labels, proposed).corrected == 4
    labels[10:, :5] = -1
    # One of them lies on unknown ground now.
    assert count_changes(labels, proposed) == Changes(objects=3, unchanged=1, removed=1)
    assert count_changes(labels, None) == Changes(3)
    assert count_changes(np.zeros((20, 30), np.int32), proposed) == Changes(0, 0, 4)


@given(st.lists(st.integers(0, 3), min_size=24, max_size=24))
def test_labels_as_proposed_need_no_correction(values: list[int]) -> None:
    labels = np.array(values, np.int32).reshape(4, 6)
    renamed = np.array([0, 7, 3, 9], np.int32)[labels]
    count = len(np.unique(labels[labels > 0]))
    assert count_changes(renamed, labels) == Changes(count, count, 0)


def test_minutes_saved_are_those_of_unchanged_objects_at_the_pace_of_corrected_ones() -> None:
    images = (
        ProjectImage("a", "done", None, Effort(10, 90.0), Changes(12, 9, 2)),
        ProjectImage("b", "done", None, Effort(2, 30.0), Changes(4, 3, 0)),
        ProjectImage("c", "to do", None, Effort(50, 500.0)),
    )
    savings = Project(images=images).savings
    assert (savings.corrected, savings.unchanged, savings.effort) == (6, 12, Effort(12, 120.0))
    assert savings.edits_per_object == 2
    assert savings.minutes_saved == 2 / 6 * 12
    nothing = Project(images=(ProjectImage("a", "done", None, Effort(), Changes(3, 3)),)).savings
    assert nothing.edits_per_object is nothing.minutes_saved is None


def fill(folder: ProjectFolder) -> Project:
    name = folder.write_image("a b/c", RGB, set())
    assert name is not None
    folder.change(added([name]))
    folder.change(lambda p: p.with_image(name, doubt=Doubt("ab", 0.5, 1, 2, 3)))
    folder.change(lambda p: p.with_effort(name, Effort(3, 4.5)))
    from dataclasses import replace

    run = TrainingRun("cd" * 32, 1, 0.25, None, "quarters", True)
    return folder.change(lambda p: replace(p, runs=(run,), finder="cd" * 32, current=name))


def test_everything_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first = ProjectFolder(tmp_path / "new" / "project")
    project = fill(first)
    assert project.images[0].name == "a_b_c"
    first.write_labels("drafts", "a_b_c", boxes((0, 0, 4, 4)))
    first.close()
    second = ProjectFolder(tmp_path / "new" / "project")
    assert second.project == project
    assert np.array_equal(second.read_image("a_b_c"), RGB)
    found = second.read_labels("drafts", "a_b_c")
    assert found is not None
    assert np.array_equal(found, boxes((0, 0, 4, 4)))
    assert second.read_labels("labels", "a_b_c") is None
    second.close()


def test_the_same_plane_is_added_once_and_another_gets_a_name_of_its_own(tmp_path: Path) -> None:
    folder, taken = ProjectFolder(tmp_path), set[str]()
    assert folder.write_image("cells", RGB, taken) == "cells"
    assert folder.write_image("cells", RGB, taken) is None
    assert folder.write_image("cells", 255 - RGB, taken) == "cells_2"
    assert folder.write_image("../..", RGB, taken) == "image"
    assert taken == {"cells", "cells_2", "image"}
    folder.close()


def test_complete_labels_are_unknown_outside_the_region_and_the_draft_keeps_all(
    tmp_path: Path,
) -> None:
    folder = ProjectFolder(tmp_path)
    folder.write_image("a", RGB, set())
    drawn = boxes((0, 0, 4, 4), (12, 20, 16, 24))
    folder.write_labels("proposals", "a", drawn)
    region = np.zeros((20, 30), bool)
    region[:10, :10] = True
    assert folder.complete("a", drawn, region) == Changes(1, 1, 0)
    labels, draft = folder.read_labels("labels", "a"), folder.read_labels("drafts", "a")
    assert labels is not None
    assert draft is not None
    assert np.array_equal(labels, np.where(region, drawn, -1))
    assert np.array_equal(draft, drawn)
    region[:] = False
    region[18:] = True
    with pytest.raises(InputError, match="no labelled object there"):
        folder.complete("a", drawn, region)
    folder.reopen("a")
    assert folder.read_labels("labels", "a") is None
    folder.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 1, "project": {"model": "x"', "cannot be read"),
        ("", "cannot be read"),
        ('{"format": 9, "anything": 1}', "has format 9"),
        ('{"format": 1, "project": {"model": 3}}', "model"),
        ('{"format": 1, "project": {"images": [{"name": "../x"}]}}', "different file names"),
        ('{"format": 1, "project": {"images": [{"name": "x"}, {"name": "x"}]}}', "different"),
    ],
)
def test_a_damaged_record_is_refused_and_left_as_it_is(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(InputError, match=said):
        ProjectFolder(tmp_path)
    assert (tmp_path / RECORD).read_text() == text
    # The lock is free again.
    with pytest.raises(InputError, match=said):
        ProjectFolder(tmp_path)


def test_a_folder_with_other_files_and_one_in_use_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        ProjectFolder(tmp_path / "other")
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["notes.txt"]
    folder = ProjectFolder(tmp_path / "mine")
    with pytest.raises(InputError, match="open in another window"):
        ProjectFolder(tmp_path / "mine")
    folder.close()
    ProjectFolder(tmp_path / "mine").close()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be"):
        ProjectFolder(tmp_path / "file")


def test_a_record_that_did_not_change_is_not_written(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    before = (tmp_path / RECORD).stat().st_mtime_ns
    folder.save()
    folder.close()
    assert (tmp_path / RECORD).stat().st_mtime_ns == before
    text = json.loads((tmp_path / RECORD).read_text())
    assert text == {"format": 1, "project": json.loads(json.dumps(asdict(Project())))}


CHANGE_FOREVER = """
import sys
from napari_segany.training.project import Effort
from napari_segany.training.project_folder import ProjectFolder, added
folder = ProjectFolder(sys.argv[1])
folder.change(added(["a"]))
while True:
    folder.change(lambda p: p.with_effort("a", Effort(1, 1.0)))
    folder.save()
    print(folder.project["a"].effort.edits, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is for POSIX")
def test_a_killed_process_leaves_a_whole_record(tmp_path: Path) -> None:
    command: Any = [sys.executable, "-c", CHANGE_FOREVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 5:
                break
        time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    folder = ProjectFolder(tmp_path)
    assert folder.project["a"].effort.edits >= 5
    assert not [each for each in tmp_path.iterdir() if each.suffix == ".tmp"]
    folder.close()
