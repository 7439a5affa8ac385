"""Corrections on the selected tracks, or on tracks that a script names."""

from collections.abc import Callable

from napari_segany.errors import InputError
from napari_segany.linking.tracks.doubts import Doubt, find_doubts
from napari_segany.linking.tracks.link_edits import (
    cut_track,
    join_tracks,
    mark_division,
    swap_tracks,
    unmark_division,
)
from napari_segany.linking.tracks.object_edits import delete_object, delete_track, merge_objects
from napari_segany.linking.tracks.track_edit import TrackEdit, row_of
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.tracks.controller import TracksController


class TrackActions:
    """Corrections; tracks and frame that are not given are those selected and in view.

    Parameters
    ----------
    controller : TracksController
        The tracks.
    """

    def __init__(self, controller: TracksController) -> None:
        self._controller = controller
        # Doubtful places of a table; they are ranked anew when the table is another one.
        self._ranked: tuple[object, object, list[Doubt]] = (None, None, [])
        self.doubt: Doubt | None = None

    # Links ----------------------------------------------------------------------------------

    def join(self, one: int | None = None, other: int | None = None) -> int:
        """Join two tracks, and return the id that both have now."""
        one, other = self._two(one, other, "join")
        edit = join_tracks(self._table, one, other)
        kept = one if one in edit.table.spans else other
        self._controller.apply(edit, select=[kept])
        return kept

    def cut(self, track: int | None = None, frame: int | None = None) -> int:
        """Cut a track before a frame, and return the id of the part from there on."""
        track, frame = self._one(track, "cut"), self._at(frame)
        new = self._controller.opened().next_id
        self._controller.apply(cut_track(self._table, track, frame, new), select=[new, track])
        return new

    def divide(
        self,
        mother: int | None = None,
        daughters: tuple[int, int] | None = None,
        frame: int | None = None,
    ) -> tuple[int, ...]:
        """Mark that a track divides from a frame on, and return the daughters.

        Of two selected tracks the first one divides: into its own continuation and the second. Of
        three, the first one divides into the two others.
        """
        if mother is None or daughters is None:
            chosen = self._controller.selected
            if len(chosen) < 2:
                raise InputError(
                    "Select the mother, then one daughter (the mother goes on as the other one) "
                    "or two."
                )
            mother, daughters = chosen[0], (chosen[-2], chosen[-1])
        new = self._controller.opened().next_id
        edit = mark_division(self._table, mother, daughters, self._at(frame), new)
        found = edit.table.children[mother]
        self._controller.apply(edit, select=[mother, *found])
        return found

    def undivide(self, mother: int | None = None) -> None:
        """Take a division back; the mother or a daughter is given."""
        track = self._one(mother, "take its division back")
        table = self._table
        if track not in table.children:
            track = table.parents.get(track, track)
        self._controller.apply(unmark_division(table, track))

    def swap(
        self, one: int | None = None, other: int | None = None, frame: int | None = None
    ) -> None:
        """Swap two tracks from a frame on."""
        one, other = self._two(one, other, "swap")
        self._controller.apply(swap_tracks(self._table, one, other, self._at(frame)))

    # Objects --------------------------------------------------------------------------------

    def delete_object(self, track: int | None = None, frame: int | None = None) -> None:
        """Delete objects of a frame: those of the selected tracks, or the one that is given."""
        frame = self._at(frame)
        tracks = [self._one(track, "delete")] if track else self._selected_in(frame)
        edits: list[TrackEdit] = []
        for each in tracks:
            edits.append(delete_object(edits[-1].table if edits else self._table, frame, each))
        named = " and ".join(map(str, tracks))
        self._controller.apply(*edits, name=f"delete {named} in frame {frame}")

    def delete_track(self, track: int | None = None) -> None:
        """Delete a track with all its objects."""
        self._controller.apply(delete_track(self._table, self._one(track, "delete")))

    def merge(self, tracks: tuple[int, ...] = (), frame: int | None = None) -> None:
        """Merge objects of a frame into one, which belongs to the first track."""
        chosen = tracks or self._controller.selected
        self._controller.apply(merge_objects(self._table, self._at(frame), chosen))

    # Doubtful places ------------------------------------------------------------------------

    @property
    def doubts(self) -> list[Doubt]:
        """Doubtful places that are not accepted, the most doubtful first."""
        session = self._controller.opened()
        table, accepted = session.table, session.accepted
        if self._ranked[0] is not table or self._ranked[1] is not accepted:
            shape = session.frames.data.shape[1:]
            self._ranked = table, accepted, find_doubts(table, shape, accepted)
        return self._ranked[2]

    def rank_doubts(self, ranked: Callable[[], object]) -> None:
        """Rank doubtful places in the background, which takes long for long movies.

        Parameters
        ----------
        ranked : callable
            Called when :attr:`doubts` are known.
        """
        controller = self._controller
        session = controller.opened()
        table, accepted = session.table, session.accepted
        shape = session.frames.data.shape[1:]

        def done(found: list[Doubt]) -> None:
            if controller.session is session and session.table is table:
                self._ranked = table, accepted, found
                ranked()

        controller.jobs.submit(
            "doubts",
            Priority.VIEW,
            lambda should_stop: find_doubts(table, shape, accepted),
            done,
            controller.refuse,
        )

    def next_doubt(self) -> Doubt | None:
        """Show the next doubtful place, and return it; after the last one the first again."""
        found = self.doubts
        if not found:
            self.doubt = None
            return None
        places = [(each.frame, each.track) for each in found]
        at = -1
        if self.doubt is not None and (self.doubt.frame, self.doubt.track) in places:
            at = places.index((self.doubt.frame, self.doubt.track))
        self.doubt = found[(at + 1) % len(found)]
        self._controller.go_to(self.doubt.track, self.doubt.frame)
        return self.doubt

    def accept_doubt(self) -> Doubt | None:
        """Accept the doubtful place that was shown last, and show the next one."""
        if self.doubt is None:
            raise InputError("Show a doubtful place first.")
        found = self.doubts
        places = [(each.frame, each.track) for each in found]
        accepted = self.doubt
        if (accepted.frame, accepted.track) in places:
            at = places.index((accepted.frame, accepted.track))
            # The one before stays in the list, so the next one follows it.
            self.doubt = found[at - 1] if at else None
        self._controller.accept(accepted.frame, accepted.track)
        return self.next_doubt()

    # Choices --------------------------------------------------------------------------------

    @property
    def _table(self) -> TrackTable:
        return self._controller.opened().table

    def _at(self, frame: int | None) -> int:
        return self._controller.frame if frame is None else frame

    def _one(self, track: int | None, act: str) -> int:
        if track is not None:
            return track
        self._controller.opened()
        if not self._controller.selected:
            raise InputError(f"Select the track to {act}: click on it.")
        return self._controller.selected[0]

    def _two(self, one: int | None, other: int | None, act: str) -> tuple[int, int]:
        if one is not None and other is not None:
            return one, other
        self._controller.opened()
        if len(self._controller.selected) != 2:
            raise InputError(f"Select two tracks to {act}: click on one, and Shift+click another.")
        first, second = self._controller.selected
        return first, second

    def _selected_in(self, frame: int) -> list[int]:
        table = self._table
        self._one(None, "delete")
        found = [t for t in self._controller.selected if row_of(table, frame, t) is not None]
        if not found:
            raise InputError(f"No selected track has an object in frame {frame}.")
        return found
