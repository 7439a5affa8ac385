"""Correction of tracks: a table and the labels of its frames, with undo, redo and a journal."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.errors import InputError, SeganyError
from napari_segany.linking.tracks.track_edit import TrackEdit, with_track_labels
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.session.serialization import Record
from napari_segany.session.tracks.changes import Patch, Step, TableChange
from napari_segany.session.tracks.label_frames import LabelFrames
from napari_segany.session.tracks.outside_changes import follow_pixels, link_track
from napari_segany.session.tracks.track_journal import SavedTracks, TrackJournal, Travel

UNDO_STEPS = 1000
UNDO_BYTES = 256 * 2**20
"""Steps that can be undone, and the memory that they may take."""

OpenTrackJournal = Callable[[Path, Record], TrackJournal]
"""Opens a journal in a folder, with the header given: :class:`TrackJournal` or a stand-in."""


@dataclass(frozen=True, eq=False)
class TracksChanged:
    """Change of tracks, as observers see it.

    Attributes
    ----------
    name : str
        The step in words.
    patches : tuple of Patch
        Changes of pixels, in order.
    table : bool
        True if the table has changed.
    """

    name: str
    patches: tuple[Patch, ...]
    table: bool


class TrackSession:
    """Tracks in correction. Ids are the labels of objects; new ids were never in use before.

    Parameters
    ----------
    table : TrackTable
        The tracks as they were linked.
    data : ndarray
        (T, Y, X) or (T, Z, Y, X) int32: labels with the ids of tracks, see
        :func:`~napari_segany.session.tracks.label_frames.relabel_frames`. Written in place.

    Attributes
    ----------
    changed : Signal
        Emitted with a :class:`TracksChanged` after every step, undo and redo.
    trouble : Signal
        Emitted once if the journal cannot be written any more, with the reason.
    table : TrackTable
        The tracks at present.
    frames : LabelFrames
        The labels at present.
    accepted : frozenset
        Doubtful links that were accepted: frame and track of their later object.
    next_id : int
        Id of the next new track.
    """

    changed = Signal(TracksChanged)
    trouble = Signal(str)

    def __init__(self, table: TrackTable, data: NDArray[np.int32]) -> None:
        if data.ndim != 1 + table.position.shape[1]:
            raise InputError(f"Labels of shape {data.shape} do not have the axes T{table.axes}.")
        self.linked = table
        self.table = with_track_labels(table)
        self.frames = LabelFrames(data)
        self.accepted: frozenset[tuple[int, int]] = frozenset()
        self.next_id = 1 + int(table.track.max(initial=0))
        self._past: list[Step] = []
        self._future: list[Step] = []
        self._bytes = 0
        self._journal: TrackJournal | None = None
        self._journal_error = ""

    @classmethod
    def restore(cls, saved: SavedTracks, data: NDArray[np.int32]) -> "TrackSession":
        """Return the session that a journal recorded, with its undo and redo.

        Parameters
        ----------
        saved : SavedTracks
            The journal.
        data : ndarray
            Labels with the ids of ``saved.table``, as for a new session.

        Raises
        ------
        InputError
            If the labels are not those that the journal was begun with.
        """
        session = cls(saved.table, data)
        for event in saved.events:
            if isinstance(event, Step):
                session._check_fits(event)
                session._take(event)
            elif not session._travel(event):
                raise InputError(f"The journal {saved.path} undoes more than was done.")
        return session

    # Steps ----------------------------------------------------------------------------------

    def apply(self, *edits: TrackEdit, name: str = "", link: int | None = None) -> None:
        """Take edits as one step.

        Parameters
        ----------
        *edits : TrackEdit
            Edits; the first is one of the present table, every other of the table before it.
        name : str
            The step in words; by default the name of the first edit.
        link : int, optional
            A new track that is linked to neighbouring frames as well, if it overlaps there.

        Raises
        ------
        InputError
            If an edit paints over an object that it does not name; nothing is changed then.
        """
        patches: list[Patch] = []
        try:
            for edit in edits:
                found = self.frames.patches_of(edit)
                self.frames.apply(found)
                patches += found
        except InputError:
            self.frames.apply(patch.reversed() for patch in reversed(patches))
            raise
        after = edits[-1].table
        if link is not None:
            after, relabels = link_track(after, self.frames, link)
            found = self.frames.patches_of(TrackEdit("", after, relabels))
            self.frames.apply(found)
            patches += found
        self._advance(name or edits[0].name, after, patches)

    def accept(self, frame: int, track: int) -> None:
        """Accept a doubtful link, given by frame and track of its later object."""
        if (frame, track) not in self.accepted:
            change = TableChange.between(self.table, self.table)
            self._record(Step(f"accept {track}", change, (), frozenset({(frame, track)})))

    def follow_frames(self, frames: Iterable[tuple[int, NDArray[np.integer]]]) -> int:
        """Take pixels of frames that were changed from outside, and measure their objects again.

        New tracks are linked to tracks that end before them or begin after them. An object on the
        wrong side of a division becomes a track of its own. All of it is one step.

        Parameters
        ----------
        frames : iterable of tuple
            Frames, and their labels now, with ids of tracks.

        Returns
        -------
        int
            Number of frames that have changed.
        """
        changes = {frame: self.frames.patches_to(frame, pixels) for frame, pixels in frames}
        changes = {frame: patches for frame, patches in sorted(changes.items()) if patches}
        if not changes:
            return 0
        patches = [patch for each in changes.values() for patch in each]
        self.frames.apply(patches)
        table, more = follow_pixels(self.table, self.frames, changes, self.next_id)
        where = f"frame {min(changes)}" if len(changes) == 1 else f"{len(changes)} frames"
        self._advance(f"paint in {where}", table, [*patches, *more])
        return len(changes)

    def _advance(self, name: str, after: TrackTable, patches: Sequence[Patch]) -> None:
        """Record a step whose pixels are written already."""
        self._record(Step(name, TableChange.between(self.table, after), tuple(patches)), after)

    def _record(self, step: Step, after: TrackTable | None = None) -> None:
        self._remember(step, after)
        self._write(lambda journal: journal.record_step(step))
        self._emit(step)

    def _take(self, step: Step) -> None:
        """Take a step that was recorded."""
        self.frames.apply(step.patches)
        self._remember(step, step.change.apply(self.table))

    def _remember(self, step: Step, after: TrackTable | None) -> None:
        if after is not None:
            self._set_table(after)
        self.accepted |= step.accepted
        self._bytes += step.size - sum(each.size for each in self._future)
        self._future.clear()
        self._past.append(step)
        while len(self._past) > 1 and (len(self._past) > UNDO_STEPS or self._bytes > UNDO_BYTES):
            self._bytes -= self._past.pop(0).size

    def _set_table(self, table: TrackTable) -> None:
        self.table = table
        self.next_id = max(self.next_id, 1 + int(table.track.max(initial=0)))

    def _check_fits(self, step: Step) -> None:
        """Raise InputError unless a step of a journal can be taken."""
        try:
            known = all(
                bool((self.frames.data[p.frame][p.mask.box][p.mask.pixels] == p.before).all())
                for p in _first_patches(step.patches)
            )
        except IndexError:
            known = False
        if not known:
            raise InputError(
                f"The step {step.name!r} does not fit the labels; they are not those that were "
                "corrected."
            )

    # Undo and redo --------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """True if there is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """True if there is a step to redo."""
        return bool(self._future)

    @property
    def is_begun(self) -> bool:
        """True if any step was taken, undone or not."""
        return bool(self._past or self._future)

    def undo(self) -> bool:
        """Undo one step; False without one."""
        return self._go("undo")

    def redo(self) -> bool:
        """Redo the step that was undone last; False without one."""
        return self._go("redo")

    def _go(self, direction: Travel) -> bool:
        step = self._travel(direction)
        if step is None:
            return False
        self._write(lambda journal: journal.record_travel(direction))
        self._emit(step)
        return True

    def _travel(self, direction: Travel) -> Step | None:
        """Undo or redo a step; return what was done, None without a step."""
        source, target = self._past, self._future
        if direction == "redo":
            source, target = target, source
        if not source:
            return None
        step = source.pop()
        target.append(step)
        if direction == "undo":
            done = Step(
                f"undo: {step.name}",
                step.change.reversed(),
                tuple(patch.reversed() for patch in reversed(step.patches)),
            )
            self.accepted -= step.accepted
        else:
            done = Step(f"redo: {step.name}", step.change, step.patches)
            self.accepted |= step.accepted
        self.frames.apply(done.patches)
        if not done.change.is_empty:
            self._set_table(done.change.apply(self.table))
        return done

    def _emit(self, step: Step) -> None:
        self.changed.emit(TracksChanged(step.name, step.patches, not step.change.is_empty))

    # Journal --------------------------------------------------------------------------------

    def begin_journal(
        self,
        folder: Path,
        labels: str,
        open_journal: OpenTrackJournal = TrackJournal,
        events: Iterable[Step | Travel] = (),
    ) -> TrackJournal:
        """Record the linked tracks, and every further step; the first thing to do.

        Parameters
        ----------
        folder : Path
            Folder of the journals of these labels.
        labels : str
            Name of the labels.
        open_journal : callable
            Opens the journal.
        events : iterable
            Events that this session was restored from, see :class:`SavedTracks`.

        Raises
        ------
        SeganyError
            If the journal cannot be written.
        """
        header: dict[str, Any] = {"labels": labels, "shape": list(self.frames.data.shape)}
        journal = open_journal(folder, header)
        journal.record_table(self.linked)
        for event in events:
            if isinstance(event, Step):
                journal.record_step(event)
            else:
                journal.record_travel(event)
        self._journal = journal
        return journal

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def _write(self, record: Callable[[TrackJournal], None]) -> None:
        """Record something. An error of the journal does not stop the session."""
        if self._journal is None or self._journal_error:
            return
        try:
            record(self._journal)
        except SeganyError as error:
            self._journal_error = str(error)
            self.trouble.emit(self._journal_error)


def _first_patches(patches: Sequence[Patch]) -> Sequence[Patch]:
    """Return the patches of pixels that no earlier patch has changed; others depend on those."""
    seen: set[tuple[int, int]] = set()
    found = []
    for patch in patches:
        if (patch.frame, patch.before) not in seen:
            found.append(patch)
        seen.add((patch.frame, patch.after))
    return found
