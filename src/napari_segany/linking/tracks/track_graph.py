"""Tracks as a graph: objects, and links to those that follow them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_table import TrackTable


def links_of(table: TrackTable) -> NDArray[np.int64]:
    """Return every link as a pair of rows, the earlier first.

    Parameters
    ----------
    table : TrackTable
        The tracks.

    Returns
    -------
    ndarray
        (m, 2) int64: within tracks, over gaps, and from parents to daughters; ordered.
    """
    order = np.lexsort((table.frame, table.track))
    track = table.track[order]
    same = np.flatnonzero(track[1:] == track[:-1])
    pairs = np.stack([order[same], order[same + 1]], axis=1)
    ids, first = np.unique(track, return_index=True)
    last = np.append(first[1:], len(track)) - 1
    starts = dict(zip(ids.tolist(), order[first].tolist(), strict=True))
    ends = dict(zip(ids.tolist(), order[last].tolist(), strict=True)) if len(ids) else {}
    births = [(ends[parent], starts[child]) for child, parent in table.parents.items()]
    links = np.concatenate([pairs, np.array(births, np.int64).reshape(-1, 2)]).astype(np.int64)
    return links[np.lexsort(links.T[::-1])]


def lineages_of(count: int, links: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the lineage of each object, from 0 on: all that is linked, over divisions, too."""
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (count, count))
    _, lineage = connected_components(graph, directed=False)
    # Numbered by their first object.
    _, first, inverse = np.unique(lineage, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def tracks_of_links(
    frame: NDArray[np.integer],
    links: NDArray[np.integer],
    stated: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.int64], Mapping[int, int]]:
    """Return the track of each object, and the parents of tracks.

    An object with one link forward goes on in the next one; with several it divides.

    Parameters
    ----------
    frame : ndarray
        (n,) frame of each object.
    links : ndarray
        (m, 2) pairs of objects; the earlier one is found by the frame.
    stated : ndarray, optional
        (n,) tracks that a file states. They are taken if they agree with the links, which keeps
        ids, and only daughters.

    Returns
    -------
    track : ndarray
        (n,) int64, from 1 on.
    parents : dict
        Parent by track.

    Raises
    ------
    InputError
        If a link is within a frame, or an object has two before it.
    """
    pairs = np.array(links, np.int64).reshape(-1, 2)
    is_back = frame[pairs[:, 0]] > frame[pairs[:, 1]]
    pairs[is_back] = pairs[is_back, ::-1]
    pairs = np.unique(pairs, axis=0)
    if (frame[pairs[:, 0]] == frame[pairs[:, 1]]).any():
        raise InputError("two objects of one frame are linked.")
    before = np.bincount(pairs[:, 1], minlength=len(frame))
    if (before > 1).any():
        at = int(frame[np.argmax(before > 1)])
        raise InputError(f"two tracks merge into one object of frame {at}; tracks only divide.")
    if stated is not None and _agree(frame, pairs, stated):
        within = stated[pairs[:, 0]] == stated[pairs[:, 1]]
        track = np.asarray(stated, np.int64)
    else:
        within = np.bincount(pairs[:, 0], minlength=len(frame))[pairs[:, 0]] == 1
        track = lineages_of(len(frame), pairs[within]) + 1
    births = track[pairs[~within]]
    return track, {int(child): int(parent) for parent, child in births}


def _agree(
    frame: NDArray[np.integer], links: NDArray[np.int64], stated: NDArray[np.integer]
) -> bool:
    """Return True if stated tracks are chains of links, and others leave from ends to starts."""
    if len(stated) and stated.min() < 1:
        return False
    within = stated[links[:, 0]] == stated[links[:, 1]]
    order = np.lexsort((frame, stated))
    track = stated[order]
    same = track[1:] == track[:-1]
    chain = np.stack([order[:-1][same], order[1:][same]], axis=1)
    inner = links[within]
    chain, inner = (pairs[np.lexsort(pairs.T)] for pairs in (chain, inner))
    if chain.shape != inner.shape or (chain != inner).any():
        return False
    is_last = np.append(~same, True) if len(track) else np.zeros(0, bool)
    is_first = np.append(True, ~same) if len(track) else np.zeros(0, bool)
    ends, starts = order[is_last], order[is_first]
    outer = links[~within]
    return bool(np.isin(outer[:, 0], ends).all() and np.isin(outer[:, 1], starts).all())
