"""Corrections of links: join, cut, divisions, swap. No pixel changes its object, only its id."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_edit import (
    BY_HAND,
    Relabel,
    TrackEdit,
    retracked,
    span_of,
    with_parents,
)
from napari_segany.linking.tracks.track_table import TrackTable


def join_tracks(table: TrackTable, one: int, other: int) -> TrackEdit:
    """Join two tracks: the end of one to the start of the other, or one into a gap of the other.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    one, other : int
        The tracks, in any order. The id of the earlier one is kept.

    Raises
    ------
    InputError
        If they overlap in time, or one of them is part of a division that the joint track
        contradicts.
    """
    first, second = sorted((one, other), key=lambda track: span_of(table, track))
    if first == second:
        raise InputError("Choose two tracks to join.")
    (_, end), (start, stop) = table.spans[first], table.spans[second]
    of_first, rows = table.rows_of(first), table.rows_of(second)
    before, after = np.searchsorted(table.frame[of_first], [start, stop + 1])
    if before != after or start == table.spans[first][0]:
        raise InputError(
            f"Tracks {first} and {second} overlap in time: {second} begins at frame {start}, and "
            f"{first} ends at frame {end}. Cut one of them first."
        )
    if (parent := table.parents.get(second, first)) != first:
        raise InputError(
            f"Track {second} is a daughter of {parent}; take that division back first."
        )
    # What ends before the other one goes on does not divide.
    ended, goes_on = (first, second) if start > end else (second, first)
    others = [child for child in table.children.get(ended, ()) if child != goes_on]
    if others:
        raise InputError(
            f"Track {ended} divides into {_named(others)}; take that division back first."
        )
    parents = {
        child: first if parent == second else parent
        for child, parent in table.parents.items()
        if child != second
    }
    sure = {int(rows[0]): BY_HAND}
    if after < len(of_first):
        sure[int(of_first[after])] = BY_HAND
    joined = retracked(table, rows, first, parents, sure)
    return TrackEdit(f"join {first} and {second}", joined, _relabels(table, rows, first))


def cut_track(table: TrackTable, track: int, frame: int, new_id: int) -> TrackEdit:
    """Cut a track before a frame; the part from this frame on becomes a track of its own.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    track : int
        The track.
    frame : int
        First frame of the new track, or of the gap before it.
    new_id : int
        Id of the new track, which is in use nowhere.

    Raises
    ------
    InputError
        If the track has no object before the frame, or none from there on.
    """
    first, last = span_of(table, track)
    _check_new(table, new_id)
    if not first < frame <= last:
        raise InputError(
            f"Track {track} lies in frames {first} to {last}; it cannot be cut before {frame}."
        )
    rows = _rows_from(table, track, frame)
    parents = {c: new_id if p == track else p for c, p in table.parents.items()}
    cut = retracked(table, rows, new_id, parents, {int(rows[0]): np.nan})
    return TrackEdit(f"cut {track} before frame {frame}", cut, _relabels(table, rows, new_id))


def mark_division(
    table: TrackTable, mother: int, daughters: tuple[int, int], frame: int, new_id: int
) -> TrackEdit:
    """Mark that a track divides into two from a frame on.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    mother : int
        The track that divides.
    daughters : tuple of int
        Two tracks. One that has objects before the frame is cut there, so the mother itself may be
        given for the daughter that its track follows.
    frame : int
        First frame of the daughters.
    new_id : int
        First of two ids that are in use nowhere, for what is cut.

    Raises
    ------
    InputError
        If the mother has no object before the frame, goes on after it, or divides already, or a
        daughter has none from there on or another parent.
    """
    first, last = span_of(table, mother)
    if len(set(daughters)) < 2:
        raise InputError("A division needs two daughters.")
    if first >= frame:
        raise InputError(
            f"Track {mother} begins at frame {first}; it cannot divide before frame {frame}."
        )
    if last >= frame and mother not in daughters:
        raise InputError(
            f"Track {mother} goes on to frame {last}; cut it before frame {frame}, or make it one "
            "of the daughters."
        )
    if mother in table.children:
        raise InputError(
            f"Track {mother} divides already, into {_named(table.children[mother])}; take that "
            "division back first."
        )
    edited, relabels, marked = table, list[Relabel](), list[int]()
    for daughter in daughters:
        start, end = span_of(table, daughter)
        if daughter != mother and daughter in table.parents and start >= frame:
            raise InputError(
                f"Track {daughter} is a daughter of {table.parents[daughter]}; take that division "
                "back first."
            )
        if end < frame:
            raise InputError(f"Track {daughter} ends at frame {end}, before frame {frame}.")
        if start < frame:
            cut = cut_track(edited, daughter, frame, new_id)
            edited, daughter, new_id = cut.table, new_id, new_id + 1
            relabels += cut.relabels
        marked.append(daughter)
    parents = {**edited.parents, **dict.fromkeys(marked, mother)}
    sure = {int(edited.rows_of(daughter)[0]): BY_HAND for daughter in marked}
    divided = with_parents(edited, parents, sure)
    name = f"division of {mother} into {_named(marked)}"
    return TrackEdit(name, divided, tuple(relabels))


def unmark_division(table: TrackTable, mother: int) -> TrackEdit:
    """Take a division back; the daughters are tracks without a parent.

    Raises
    ------
    InputError
        If the track does not divide.
    """
    span_of(table, mother)
    daughters = table.children.get(mother, ())
    if not daughters:
        raise InputError(f"Track {mother} does not divide.")
    parents = {c: p for c, p in table.parents.items() if p != mother}
    unsure = {int(table.rows_of(daughter)[0]): np.nan for daughter in daughters}
    return TrackEdit(f"no division of {mother}", with_parents(table, parents, unsure))


def swap_tracks(table: TrackTable, one: int, other: int, frame: int) -> TrackEdit:
    """Swap two tracks from a frame on, with what they divide into.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    one, other : int
        The tracks.
    frame : int
        First frame that is swapped.

    Raises
    ------
    InputError
        If nothing or all of them is swapped, or one of them begins there as a daughter.
    """
    if one == other:
        raise InputError("Choose two tracks to swap.")
    heads, tails = {}, {}
    for track in (one, other):
        first, last = span_of(table, track)
        heads[track], tails[track] = first < frame, last >= frame
        if not heads[track] and track in table.parents:
            raise InputError(
                f"Track {track} begins at frame {first} as a daughter of {table.parents[track]}; "
                "take that division back first."
            )
    if not any(tails.values()) or not any(heads.values()):
        raise InputError(
            f"Tracks {one} and {other} have nothing to swap at frame {frame}: one of them must go "
            "on from there, and one must begin before."
        )
    for track, partner in ((one, other), (other, one)):
        if not heads[track] and not tails[partner]:
            raise InputError(
                f"Track {partner} ends before track {track} begins; join them instead."
            )
    of_one, of_other = (_rows_from(table, track, frame) for track in (one, other))
    rows = np.concatenate([of_one, of_other])
    ids = np.repeat([other, one], [len(of_one), len(of_other)])
    partner_of = {one: other, other: one}
    parents = {child: partner_of.get(p, p) for child, p in table.parents.items()}
    sure = {
        int(part[0]): BY_HAND if heads[track] else np.nan
        for part, track in ((of_one, other), (of_other, one))
        if len(part)
    }
    swapped = retracked(table, rows, ids, parents, sure)
    relabels = _relabels(table, of_one, other) + _relabels(table, of_other, one)
    return TrackEdit(f"swap {one} and {other} from frame {frame} on", swapped, relabels)


def _check_new(table: TrackTable, new_id: int) -> None:
    if new_id < 1 or new_id in table.spans:
        raise InputError(f"{new_id} is no id for a new track.")


def _rows_from(table: TrackTable, track: int, frame: int) -> NDArray[np.intp]:
    rows = table.rows_of(track)
    return rows[table.frame[rows] >= frame]


def _relabels(table: TrackTable, rows: NDArray[np.intp], after: int) -> tuple[Relabel, ...]:
    frames, tracks = table.frame[rows].tolist(), table.track[rows].tolist()
    return tuple(Relabel(f, t, after) for f, t in zip(frames, tracks, strict=True))


def _named(tracks: tuple[int, ...] | list[int]) -> str:
    return " and ".join(map(str, tracks))
