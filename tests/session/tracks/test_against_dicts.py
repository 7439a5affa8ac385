"""Corrected tracks against plain dicts of pixels, with undo, redo and crashes in between."""

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.effort import choose_count
from tests.linking.tracks.cells import draw, mask_of, square, table_of

from napari_segany.errors import InputError
from napari_segany.linking.tracks.link_edits import (
    cut_track,
    join_tracks,
    mark_division,
    swap_tracks,
    unmark_division,
)
from napari_segany.linking.tracks.object_edits import (
    add_object,
    delete_object,
    delete_track,
    merge_objects,
    split_object,
)
from napari_segany.session.tracks.track_journal import read_track_journal
from napari_segany.session.tracks.track_session import TrackSession

SHAPE = (6, 12, 20)
TRACKS, FRAMES = st.integers(1, 9), st.integers(0, SHAPE[0] - 1)
ROWS, COLS = st.integers(0, SHAPE[1] - 4), st.integers(0, SHAPE[2] - 4)
Cells = dict[tuple[int, int], frozenset[tuple[int, int]]]


class Plain:
    """Tracks as dicts, corrected in the plainest way; None stands for a refusal."""

    def __init__(self, cells: Cells, parents: dict[int, int]) -> None:
        self.cells, self.parents = cells, parents

    def span(self, track: int) -> tuple[int, int]:
        frames = [f for f, t in self.cells if t == track]
        return min(frames), max(frames)

    def has(self, *tracks: int) -> bool:
        there = {t for _, t in self.cells}
        return all(track in there for track in tracks)

    def children(self, track: int) -> list[int]:
        return [c for c, p in self.parents.items() if p == track]

    def renamed(self, names: Any, parents: dict[int, int]) -> "Plain | None":
        """Objects under other tracks; ``names`` gives them by frame and track."""
        cells = {(f, names(f, t)): pixels for (f, t), pixels in self.cells.items()}
        return Plain(cells, parents).checked(len(self.cells))

    def checked(self, count: int) -> "Plain | None":
        """The same, or None if two objects fell together or a division is impossible."""
        if len(self.cells) != count:
            return None
        for child, parent in self.parents.items():
            if self.span(parent)[1] >= self.span(child)[0]:
                return None
        return self

    def join(self, one: int, other: int) -> "Plain | None":
        if one == other or not self.has(one, other):
            return None
        first, second = sorted((one, other), key=self.span)
        between = range(self.span(second)[0], self.span(second)[1] + 1)
        if self.span(first)[0] == between[0] or any((f, first) in self.cells for f in between):
            return None
        if self.parents.get(second, first) != first:
            return None
        # The one that ends earlier.
        ended = min(first, second, key=lambda track: self.span(track)[1])
        if set(self.children(ended)) - {first, second}:
            return None
        parents = {c: first if p == second else p for c, p in self.parents.items() if c != second}
        return self.renamed(lambda f, t: first if t == second else t, parents)

    def cut(self, track: int, frame: int, new: int) -> "Plain | None":
        if not self.has(track) or not self.span(track)[0] < frame <= self.span(track)[1]:
            return None
        parents = {c: new if p == track else p for c, p in self.parents.items()}
        return self.renamed(lambda f, t: new if t == track and f >= frame else t, parents)

    def divide(self, mother: int, daughters: tuple[int, int], at: int, new: int) -> "Plain | None":
        if not self.has(mother, *daughters) or len(set(daughters)) < 2 or self.children(mother):
            return None
        first, last = self.span(mother)
        if first >= at or (last >= at and mother not in daughters):
            return None
        found: Plain | None = self
        marked = []
        for daughter in daughters:
            start, end = self.span(daughter)
            if end < at or (start >= at and daughter in self.parents):
                return None
            if start < at:
                assert found is not None
                found, daughter, new = found.cut(daughter, at, new), new, new + 1
            marked.append(daughter)
        assert found is not None
        parents = {**found.parents, **dict.fromkeys(marked, mother)}
        return Plain(found.cells, parents).checked(len(found.cells))

    def swap(self, one: int, other: int, at: int) -> "Plain | None":
        if one == other or not self.has(one, other):
            return None
        pair = (one, other)
        head = {t: self.span(t)[0] < at for t in pair}
        tail = {t: self.span(t)[1] >= at for t in pair}
        if any(not head[t] and t in self.parents for t in pair):
            return None
        if not any(head.values()) or not any(tail.values()):
            return None
        if any(not head[t] and not tail[u] for t, u in (pair, pair[::-1])):
            return None
        partner = {one: other, other: one}
        parents = {c: partner.get(p, p) for c, p in self.parents.items()}
        return self.renamed(lambda f, t: partner.get(t, t) if f >= at else t, parents)

    def without(self, keys: set[tuple[int, int]]) -> "Plain":
        cells = {key: pixels for key, pixels in self.cells.items() if key not in keys}
        there = {t for _, t in cells}
        parents = {c: p for c, p in self.parents.items() if {c, p} <= there}
        return Plain(cells, parents)


class AgainstDicts(RuleBasedStateMachine):
    """A session and plain dicts, step by step."""

    @initialize(seed=st.integers(0, 999))
    def begin(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        cells: Cells = {}
        # The first one divides.
        spans = [(0, 2), (3, 5), (3, 5), *np.sort(random.integers(0, SHAPE[0], (2, 2))).tolist()]
        for track, (first, last) in enumerate(spans, 1):
            for frame in range(first, last + 1):
                if random.random() < 0.85 or track < 4:
                    cells[frame, track] = square(2 + int(random.integers(4)), 4 * (track - 1))
        self.folder = tempfile.TemporaryDirectory()
        self.plain = Plain(cells, {2: 1, 3: 1})
        self.table, self.labels = table_of(cells, self.plain.parents), draw(cells, SHAPE)
        self.session = TrackSession(self.table, self.labels.copy())
        self.journal = self.session.begin_journal(Path(self.folder.name), "cells")
        self.past: list[Plain] = []
        self.future: list[Plain] = []

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.session.close()
            self.folder.cleanup()

    def take(self, expected: Plain | None, edit: Any) -> None:
        """Take a step that the plain dicts took or refused."""
        if expected is None:
            with pytest.raises(InputError):
                self.session.apply(edit())
        else:
            self.session.apply(edit())
            self.note(expected)

    def pick(self, number: int) -> int:
        """A track that is there, if any is."""
        tracks = sorted({t for _, t in self.plain.cells})
        return tracks[number % len(tracks)] if tracks else number

    def note(self, now: Plain) -> None:
        self.past.append(self.plain)
        self.future.clear()
        self.plain = now

    # Steps ------------------------------------------------------------------------------------

    @rule(one=TRACKS, other=TRACKS)
    def join(self, one: int, other: int) -> None:
        one, other = self.pick(one), self.pick(other)
        self.take(self.plain.join(one, other), lambda: join_tracks(self.session.table, one, other))

    @rule(track=TRACKS, frame=FRAMES)
    def cut(self, track: int, frame: int) -> None:
        track = self.pick(track)
        new = self.session.next_id
        self.take(
            self.plain.cut(track, frame, new),
            lambda: cut_track(self.session.table, track, frame, new),
        )

    @rule(mother=TRACKS, daughters=st.tuples(TRACKS, TRACKS), frame=FRAMES)
    def divide(self, mother: int, daughters: tuple[int, int], frame: int) -> None:
        mother = self.pick(mother)
        daughters = self.pick(daughters[0]), self.pick(daughters[1])
        new = self.session.next_id
        self.take(
            self.plain.divide(mother, daughters, frame, new),
            lambda: mark_division(self.session.table, mother, daughters, frame, new),
        )

    @rule(mother=TRACKS)
    def no_division(self, mother: int) -> None:
        mother = self.pick(mother)
        plain = self.plain
        parents = {c: p for c, p in plain.parents.items() if p != mother}
        expected = Plain(plain.cells, parents) if len(parents) < len(plain.parents) else None
        self.take(expected, lambda: unmark_division(self.session.table, mother))

    @rule(one=TRACKS, other=TRACKS, frame=FRAMES)
    def swap(self, one: int, other: int, frame: int) -> None:
        one, other = self.pick(one), self.pick(other)
        self.take(
            self.plain.swap(one, other, frame),
            lambda: swap_tracks(self.session.table, one, other, frame),
        )

    @rule(track=TRACKS, frame=FRAMES)
    def delete_object(self, track: int, frame: int) -> None:
        track = self.pick(track)
        there = (frame, track) in self.plain.cells
        self.take(
            self.plain.without({(frame, track)}) if there else None,
            lambda: delete_object(self.session.table, frame, track),
        )

    @rule(track=TRACKS)
    def delete_track(self, track: int) -> None:
        track = self.pick(track)
        keys = {key for key in self.plain.cells if key[1] == track}
        self.take(
            self.plain.without(keys) if keys else None,
            lambda: delete_track(self.session.table, track),
        )

    @rule(one=TRACKS, other=TRACKS, frame=FRAMES)
    def merge(self, one: int, other: int, frame: int) -> None:
        one, other = self.pick(one), self.pick(other)
        expected, plain = None, self.plain
        if one != other and {(frame, one), (frame, other)} <= plain.cells.keys():
            joint = plain.cells[frame, one] | plain.cells[frame, other]
            left = plain.without({(frame, other)})
            expected = Plain({**left.cells, (frame, one): joint}, left.parents)
        self.take(expected, lambda: merge_objects(self.session.table, frame, [one, other]))

    @rule(track=TRACKS, frame=FRAMES, share=st.integers(1, 8))
    def split(self, track: int, frame: int, share: int) -> None:
        track = self.pick(track)
        pixels = sorted(self.plain.cells.get((frame, track), ()))
        if len(pixels) <= share:
            return
        one, two, new = frozenset(pixels[:share]), frozenset(pixels[share:]), self.session.next_id
        cells = {**self.plain.cells, (frame, track): one, (frame, new): two}
        masks = mask_of(one, SHAPE[1:]), mask_of(two, SHAPE[1:])
        self.take(
            Plain(cells, self.plain.parents),
            lambda: split_object(self.session.table, frame, track, masks, new),
        )

    @rule(track=TRACKS, frame=FRAMES, row=ROWS, col=COLS)
    def add(self, track: int, frame: int, row: int, col: int) -> None:
        track = self.pick(track)
        plain, pixels = self.plain, square(row, col)
        taken: set[Any] = set().union(*(p for (f, _), p in plain.cells.items() if f == frame))
        expected = None
        if (frame, track) not in plain.cells and not taken & pixels:
            expected = Plain({**plain.cells, (frame, track): pixels}, plain.parents)
            expected = expected.checked(len(expected.cells))
        mask = mask_of(pixels, SHAPE[1:])
        self.take(expected, lambda: add_object(self.session.table, frame, track, mask))

    @rule(
        label=st.integers(0, 9),
        frame=FRAMES,
        count=st.integers(1, 3),
        place=st.tuples(ROWS, COLS),
        size=st.integers(2, 6),
    )
    def paint(self, label: int, frame: int, count: int, place: tuple[int, int], size: int) -> None:
        """Paint as with a brush; objects of other frames may get other ids, but no other pixels."""
        before = self.session.frames.data.copy()
        painted = before.copy()
        frames = range(frame, min(frame + count, SHAPE[0]))
        row, col = place
        painted[frame : frames.stop, row : row + size, col : col + size] = label
        changed = [n for n in frames if (painted[n] != before[n]).any()]
        assert self.session.follow_frames((n, painted[n]) for n in frames) == len(changed)
        if not changed:
            return
        data = self.session.frames.data
        for source, found in zip(painted, data, strict=True):
            assert ((found > 0) == (source > 0)).all()
            pairs = set(zip(source.ravel().tolist(), found.ravel().tolist(), strict=True))
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        for n in changed:
            touched = {*np.unique(before[n][painted[n] != before[n]]).tolist(), label}
            untouched = {t for f, t in self.plain.cells if f == n} - touched
            assert all(((before[n] == t) == (data[n] == t)).all() for t in untouched)
        cells: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for f, r, c in np.argwhere(data).tolist():
            cells.setdefault((f, int(data[f, r, c])), set()).add((r, c))
        now = {key: frozenset(pixels) for key, pixels in cells.items()}
        self.note(Plain(now, dict(self.session.table.parents)))

    @rule()
    def undo(self) -> None:
        assert self.session.undo() == bool(self.past)
        if self.past:
            self.future.append(self.plain)
            self.plain = self.past.pop()

    @rule()
    def redo(self) -> None:
        assert self.session.redo() == bool(self.future)
        if self.future:
            self.past.append(self.plain)
            self.plain = self.future.pop()

    @rule()
    def crash(self) -> None:
        """The process ends without notice; the journal brings everything back."""
        before = self.session
        saved = read_track_journal(self.journal.path, SHAPE)
        assert (saved.damage, saved.closed) == ("", False)
        self.session = TrackSession.restore(saved, self.labels.copy())
        assert self.session.frames.data.tobytes() == before.frames.data.tobytes()
        assert self.session.next_id == before.next_id
        same(self.session.table, before.table)
        self.journal.close()
        self.journal = self.session.begin_journal(
            Path(self.folder.name), "cells", events=saved.events
        )

    @invariant()
    def labels_and_table_are_those_of_the_dicts(self) -> None:
        if not hasattr(self, "plain"):
            return
        table, cells = self.session.table, self.plain.cells
        assert (self.session.frames.data == draw(cells, SHAPE)).all()
        expected = table_of(cells, self.plain.parents)
        assert table.frame.tolist() == expected.frame.tolist()
        assert table.track.tolist() == table.label.tolist() == expected.track.tolist()
        assert table.area.tolist() == expected.area.tolist()
        np.testing.assert_allclose(table.position, expected.position)
        assert dict(table.parents) == self.plain.parents
        assert self.session.next_id > max(itertools.chain([0], (t for _, t in cells)))


def same(one: Any, two: Any) -> None:
    """Check that two tables are equal to the last bit."""
    for name in ("frame", "track", "label", "position", "area", "confidence"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
    assert dict(one.parents) == dict(two.parents)


def test_random_corrections_are_those_of_plain_dicts() -> None:
    run_state_machine_as_test(
        AgainstDicts,
        settings=settings(
            max_examples=choose_count(150, 25),
            stateful_step_count=choose_count(60, 30),
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
