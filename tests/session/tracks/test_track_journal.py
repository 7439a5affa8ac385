"""Tests of journals of corrected tracks: kills, damage, and files of others."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.linking.tracks.cells import draw, square, table_of

from napari_segany.errors import InputError, SeganyError
from napari_segany.linking.tracks.link_edits import cut_track, join_tracks
from napari_segany.linking.tracks.object_edits import delete_track
from napari_segany.session.journal_file import find_journals
from napari_segany.session.tracks.track_journal import TrackJournal, read_track_journal
from napari_segany.session.tracks.track_session import TrackSession

SHAPE = (4, 20, 20)
CELLS = {(f, t): square(2 + f, 10 * (t - 1), 4) for t in (1, 2) for f in range(4)}

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.session.tracks.test_track_journal import begin
from napari_segany.linking.tracks.link_edits import cut_track
from napari_segany.linking.tracks.object_edits import delete_track
session = begin()
session.begin_journal(Path({folder!r}), "cells")
for step in range({steps}):
    if step == 0:
        session.apply(cut_track(session.table, 1, 2, session.next_id))
    elif step == 1:
        session.apply(delete_track(session.table, 2))
    else:
        session.undo()
os.kill(os.getpid(), signal.SIGKILL)
"""


def begin() -> TrackSession:
    features = {"step": np.full(8, np.nan), "kind": np.array(["cell"] * 8), "n": np.arange(8)}
    pixel_size = {"Y": (0.5, "um"), "X": (0.5, "um")}
    table = table_of(CELLS, features=features, pixel_size=pixel_size)
    return TrackSession(table, draw(CELLS, SHAPE))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a session with two steps that was not closed."""
    session = begin()
    file = session.begin_journal(tmp_path, "cells")
    session.apply(cut_track(session.table, 1, 2, session.next_id))
    session.apply(delete_track(session.table, 2))
    file._file.close()
    return file.path


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_killed_process_loses_nothing(steps: int, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    code = KILLED.format(root=root, folder=str(tmp_path), steps=steps)
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    (path,) = find_journals(tmp_path)
    saved = read_track_journal(path, SHAPE)
    assert len(saved.events) == steps
    restored, again = TrackSession.restore(saved, draw(CELLS, SHAPE)), begin()
    again.apply(cut_track(again.table, 1, 2, again.next_id))
    if steps == 2:
        again.apply(delete_track(again.table, 2))
    assert restored.frames.data.tobytes() == again.frames.data.tobytes()
    assert restored.table.confidence.tobytes() == again.table.confidence.tobytes()
    assert restored.table.features["kind"].tolist() == again.table.features["kind"].tolist()
    assert restored.table.pixel_size == again.table.pixel_size
    assert restored.can_redo == (steps == 3)


def test_a_line_cut_short_is_the_end(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    saved = read_track_journal(journal)
    assert (len(saved.events), saved.damage) == (1, "")
    journal.write_bytes(b"".join(lines[:2]) + b'{"step": 7}\n' + lines[3])
    saved = read_track_journal(journal)
    assert len(saved.events) == 0
    assert "step" in saved.damage


def test_labels_of_another_movie_are_refused(journal: Path) -> None:
    with pytest.raises(InputError, match="these have shape"):
        read_track_journal(journal, (4, 20, 21))
    saved = read_track_journal(journal, SHAPE)
    with pytest.raises(InputError, match="do not have the axes"):
        TrackSession.restore(saved, np.zeros((20, 20), np.int32))
    with pytest.raises(InputError, match="does not fit the labels"):
        TrackSession.restore(saved, np.zeros(SHAPE, np.int32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"track": [4, 4]}, "removes objects"),
        ({"frame": [8, 9]}, "removes objects"),
        ({"frame": [9]}, "differ in length"),
        ({"position": [[1.0, 2.0, 3.0]] * 2}, "must have 2 numbers"),
        ({"features": {}}, "other features"),
    ],
)
def test_impossible_steps_are_refused(
    journal: Path, change: dict[str, object], message: str
) -> None:
    lines = journal.read_text().splitlines(keepends=True)
    line = json.loads(lines[2])
    line["step"]["removed"] |= change
    if "frame" in change:
        line["step"].pop("pixels")
    journal.write_text("".join([*lines[:2], json.dumps(line) + "\n"]))
    saved = read_track_journal(journal)
    if saved.damage:
        assert re.search(message, saved.damage)
        return
    with pytest.raises(InputError, match=message):
        TrackSession.restore(saved, draw(CELLS, SHAPE))


def test_pixels_that_do_not_fill_their_box_are_refused(journal: Path) -> None:
    lines = journal.read_text().splitlines(keepends=True)
    line = json.loads(lines[2])
    line["step"]["pixels"][0]["shape"] = [4000, 4000]
    journal.write_text("".join([*lines[:2], json.dumps(line) + "\n"]))
    assert "do not fill their box" in read_track_journal(journal).damage


def test_journals_without_steps_are_deleted(tmp_path: Path) -> None:
    session = begin()
    journal = session.begin_journal(tmp_path, "cells")
    session.close()
    assert not journal.path.exists()
    session = begin()
    journal = session.begin_journal(tmp_path, "cells")
    session.apply(cut_track(session.table, 1, 2, session.next_id))
    session.close()
    assert read_track_journal(journal.path).closed


def test_a_full_disk_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    class Full(TrackJournal):
        def record_step(self, step: object) -> None:
            raise SeganyError("The disk is full.")

    session, said = begin(), list[str]()
    session.trouble.connect(said.append)
    session.begin_journal(tmp_path, "cells", Full)
    session.apply(cut_track(session.table, 1, 2, session.next_id))
    session.apply(join_tracks(session.table, 1, 3))
    assert said == ["The disk is full."]
    assert session.undo()
    session.close()


def test_undo_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segany.session.tracks.track_session.UNDO_BYTES", 3000)
    session = begin()
    for _ in range(12):
        session.apply(cut_track(session.table, 1, 2, session.next_id))
        session.apply(join_tracks(session.table, 1, session.next_id - 1))
    count = 0
    while session.undo():
        count += 1
    assert 1 <= count < 24
