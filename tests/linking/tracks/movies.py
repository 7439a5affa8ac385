"""Movies of moving, dividing and vanishing discs, with the truth about them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.track_table import TrackTable

Node = tuple[int, int]
"""Frame and label."""


@dataclass
class Movie:
    """Labels of a movie, and its links.

    Attributes
    ----------
    labels : ndarray
        (T, Y, X) or (T, Z, Y, X) int64; ids are drawn anew for each frame.
    links : set
        Pairs of frame and label, from each object to where it is seen next.
    divisions : set
        Frame and label of parents and of both daughters, in ascending order.
    """

    labels: NDArray[np.int64]
    links: set[tuple[Node, Node]] = field(default_factory=set)
    divisions: set[tuple[Node, Node, Node]] = field(default_factory=set)


@dataclass
class Disc:
    place: NDArray[np.float64]
    velocity: NDArray[np.float64]
    radius: float
    seen: Node | None = None
    sister: "Disc | None" = None


def moving_discs(
    seed: int,
    frames: int = 8,
    count: int = 30,
    shape: tuple[int, ...] = (240, 240),
    radius: float = 7.0,
    step: float = 2.0,
    persistence: float = 0.5,
    drift: tuple[float, ...] | None = None,
    missing: float = 0.0,
    dividing: float = 0.0,
    spacing: tuple[float, ...] | None = None,
) -> Movie:
    """Return a movie of discs or balls.

    Parameters
    ----------
    seed : int
        Of all that is random.
    frames, count, shape, radius
        Of the movie, and of its discs at first.
    step : float
        Standard deviation of a disc's velocity along each axis.
    persistence : float
        Part of the velocity that stays from frame to frame.
    drift : tuple, optional
        Way of all discs from frame to frame.
    missing, dividing : float
        Part of the discs that are not drawn, or divide, in a frame.
    spacing : tuple, optional
        Length of a pixel along each axis, the unit of all other lengths.
    """
    rng = np.random.default_rng(seed)
    size = np.array(spacing or (1.0,) * len(shape))
    extent = np.array(shape) * size
    way = np.zeros(len(shape)) if drift is None else np.array(drift)
    discs = _scattered(rng, count, extent, radius, step)
    movie = Movie(np.zeros((frames, *shape), np.int64))
    for t in range(frames):
        if t:
            discs = [
                new for each in discs for new in _moved(rng, each, step, persistence, dividing)
            ]
            for each in discs:
                each.place = each.place + way
        ids = (1 + rng.permutation(100 * len(discs) + 1)[: len(discs)]).tolist()
        hidden = rng.random(len(discs)) < missing
        for label, each, skip in zip(ids, discs, hidden.tolist(), strict=True):
            if not skip:
                _draw(movie.labels[t], each, each.radius * rng.normal(1, 0.03), label, size)
        _record(movie, t, discs, ids)
    return movie


def _scattered(rng, count, extent, radius, step) -> list[Disc]:
    """Place discs that do not touch."""
    discs: list[Disc] = []
    for _ in range(100 * count):
        if len(discs) == count:
            break
        place = rng.uniform(radius, np.maximum(extent - radius, radius + 1e-9))
        if all(np.linalg.norm(place - each.place) > 2.2 * radius for each in discs):
            own = radius * rng.uniform(0.8, 1.2)
            discs.append(Disc(place, rng.normal(0, step, len(extent)), own))
    return discs


def _moved(rng, disc: Disc, step: float, persistence: float, dividing: float) -> list[Disc]:
    fresh = rng.normal(0, step * np.sqrt(1 - persistence**2), len(disc.place))
    disc.velocity = persistence * disc.velocity + fresh
    disc.place = disc.place + disc.velocity
    disc.sister = None
    if disc.seen is None or rng.random() >= dividing:
        return [disc]
    way = rng.normal(size=len(disc.place))
    way *= 0.8 * disc.radius / np.linalg.norm(way)
    small = disc.radius * 0.5 ** (1 / len(disc.place))
    pair = [Disc(disc.place + s * way, disc.velocity, small, disc.seen) for s in (1, -1)]
    pair[0].sister, pair[1].sister = pair[1], pair[0]
    return pair


def _draw(
    frame: NDArray[np.int64], disc: Disc, radius: float, label: int, size: NDArray[np.float64]
) -> None:
    low = np.maximum(0, np.floor((disc.place - radius) / size)).astype(int)
    high = np.minimum(frame.shape, np.ceil((disc.place + radius) / size).astype(int) + 1)
    if (high <= low).any():
        return
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    grid = np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    away = [(g * s - p) ** 2 for g, s, p in zip(grid, size, disc.place, strict=True)]
    inside = sum(away) <= radius**2
    part = frame[window]
    part[inside & (part == 0)] = label


def _record(movie: Movie, t: int, discs: list[Disc], ids: list[int]) -> None:
    seen = set(np.unique(movie.labels[t]).tolist())
    label_of = {id(each): label for each, label in zip(discs, ids, strict=True)}
    parents = {id(each): each.seen for each in discs}
    for label, each in zip(ids, discs, strict=True):
        if label not in seen:
            continue
        node = (t, label)
        if each.seen is not None:
            movie.links.add((each.seen, node))
        other = label_of.get(id(each.sister)) if each.sister is not None else None
        parent = parents[id(each)]
        if other in seen and parent is not None and other is not None and label < other:
            movie.divisions.add((parent, node, (t, other)))
        each.seen = node


def found_links(table: TrackTable) -> set[tuple[Node, Node]]:
    """Return the links of a table as pairs of frame and label."""
    last: dict[int, Node] = {}
    links = set()
    rows = zip(table.frame.tolist(), table.track.tolist(), table.label.tolist(), strict=True)
    for frame, track, label in rows:
        earlier = last.get(track, last.get(table.parents.get(track, 0)))
        if earlier is not None:
            links.add((earlier, (frame, label)))
        last[track] = (frame, label)
    return links


def found_divisions(table: TrackTable) -> set[tuple[Node, Node, Node]]:
    """Return the divisions of a table: the parent, and its daughters in ascending order."""
    found = set()
    for parent, children in table.children.items():
        at = table.rows_of(parent)[-1]
        first = [table.rows_of(child)[0] for child in children]
        nodes = sorted((int(table.frame[i]), int(table.label[i])) for i in first)
        found.add(((int(table.frame[at]), int(table.label[at])), *nodes))
    return found
