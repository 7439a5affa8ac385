"""Links over time: ours, laptrack's own defaults, and the largest overlap, on the same masks.

    python benchmarks/tracking.py --data FOLDER [--own --cache FOLDER]

``FOLDER`` has ``SET/images`` and ``SET/labels``. The ids of the truth are drawn anew for each
frame, and every linker gets the same masks. Scores are those of py-ctcmetrics on folders of the
Cell Tracking Challenge that are written and read as users write them. laptrack links centroids in
pixels, or in micrometres where the size of a pixel is known, with nothing changed but, in one row,
its cutoff for divisions, which is off by default: it is set to that of its links. ``--own`` links
labels of the default model in place of the truth's masks. Discs are drawn by the tests' generator;
only they have divisions in their truth.

The truth of two sets was linked by an IoU of 0.3 or more and knows no divisions. It says nothing
about the link of an object that begins in it to one that ends in it, which may be one object that
moved far, nor about the link of one that begins in it to a parent. ``known`` scores leave out such
links, from every linker alike.

``image`` is the mean correlation of the image around objects that are linked, which knows no truth.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from tifffile import imread

from data import add_data_option, data_folder
from napari_segany.io.tracks.formats import write_tracks
from napari_segany.linking.tracks.frame_objects import (
    measure_frame,
    number_objects,
    shared_pixels,
)
from napari_segany.linking.tracks.link_labels import link_labels
from napari_segany.linking.tracks.observed_movie import frame_spacing
from napari_segany.linking.tracks.track_graph import links_of, tracks_of_links
from napari_segany.linking.tracks.track_table import TrackTable

sys.path.append(str(Path(__file__).parents[1]))

SETS = ("tl_hela", "tl_cho3d", "tl_nuclei_laptrack")

SIZES = {
    "tl_hela": (0.645, 0.645),
    "tl_cho3d": (1.0, 0.202, 0.202),
}
"""Micrometres along the axes of a frame, where they are known."""

SILENT = ("tl_hela", "tl_cho3d")
"""Sets whose truth was linked by overlap."""

METRICS = ("DET", "TRA", "LNK")

AROUND = 10
"""Half the side of the squares around linked objects whose pixels are compared."""


@dataclass(frozen=True)
class Truth:
    """A movie with its tracks.

    Attributes
    ----------
    labels : ndarray
        (T, Y, X) or (T, Z, Y, X); ids are drawn anew for each frame.
    table : TrackTable
        Its tracks.
    divides : bool
        Whether the truth knows divisions.
    """

    labels: np.ndarray
    table: TrackTable
    divides: bool

    @property
    def axes(self) -> str:
        return "YX" if self.labels.ndim == 3 else "ZYX"


def table_of(labels: np.ndarray, size: dict, links: np.ndarray | None = None) -> TrackTable:
    """Tracks of a movie by links between its objects, or with labels that are tracks."""
    objects = [measure_frame(*number_objects(frame)) for frame in labels]
    frame = np.repeat(np.arange(len(labels)), [len(each) for each in objects]).astype(np.int64)
    label = np.concatenate([each.label for each in objects])
    track, parents = (label, {}) if links is None else tracks_of_links(frame, links)
    order = np.lexsort((track, frame))
    return TrackTable(
        frame=frame,
        track=track[order],
        label=label[order],
        position=np.concatenate([each.position for each in objects])[order],
        area=np.concatenate([each.area for each in objects])[order],
        confidence=np.full(len(frame), np.nan),
        parents=parents,
        axes="YX" if labels.ndim == 3 else "ZYX",
        pixel_size=size,
    )


def with_own_ids(labels: np.ndarray, table: TrackTable, divides: bool, seed: int = 0) -> Truth:
    """A movie whose ids are drawn anew for each frame."""
    rng = np.random.default_rng(seed)
    shuffled = np.zeros(labels.shape, np.int32)
    label = table.label.copy()
    for t, frame in enumerate(labels):
        values, numbered = number_objects(frame)
        ids = np.append(0, 1 + rng.permutation(len(values)))
        shuffled[t] = ids[numbered]
        rows = table.rows_at(t)
        label[rows] = ids[1 + np.searchsorted(values, table.label[rows])]
    columns = {name: getattr(table, name) for name in TrackTable.__dataclass_fields__}
    return Truth(shuffled, TrackTable(**(columns | {"label": label})), divides)


def read_truth(folder: Path, name: str) -> Truth:
    """The labels of a set, whose ids are tracks."""
    (path,) = sorted((folder / name / "labels").iterdir())
    labels = imread(path)
    axes = "YX" if labels.ndim == 3 else "ZYX"
    size = {a: (s, "um") for a, s in zip(axes, SIZES.get(name, ()), strict=False)}
    return with_own_ids(labels, table_of(labels, size), divides=False)


def discs(seed: int) -> Truth:
    """Discs that move, divide and vanish."""
    from tests.linking.tracks.movies import moving_discs

    movie = moving_discs(seed, frames=12, count=25, step=3.0, dividing=0.03, missing=0.02)
    table = table_of(movie.labels, {})
    rows = {pair: i for i, pair in enumerate(zip(*(table.frame, table.label), strict=True))}
    links = np.array([(rows[one], rows[two]) for one, two in sorted(movie.links)])
    return Truth(movie.labels, table_of(movie.labels, {}, links), divides=True)


def ours(truth: Truth) -> TrackTable:
    """Our links, with default parameters."""
    load, count = truth.labels.__getitem__, range(len(truth.labels))
    return link_labels(load, count, axes=truth.axes, pixel_size=truth.table.pixel_size)


def by_laptrack(truth: Truth, splitting: bool) -> TrackTable:
    """Laptrack's links of centroids, with its own defaults."""
    from laptrack import LapTrack

    spacing, _ = frame_spacing(truth.table.pixel_size, truth.axes)
    objects = [measure_frame(*number_objects(frame)) for frame in truth.labels]
    first = np.cumsum([0, *map(len, objects)])
    tracker = LapTrack(splitting_cutoff=15**2) if splitting else LapTrack()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = tracker.predict([each.position * spacing for each in objects])
    links = [(first[a] + i, first[b] + j) for (a, i), (b, j) in graph.edges()]
    return table_of(truth.labels, dict(truth.table.pixel_size), np.array(links).reshape(-1, 2))


def by_overlap(truth: Truth) -> TrackTable:
    """Each object goes on in the one that it shares most pixels with, if that says the same."""
    numbered = [number_objects(frame)[1] for frame in truth.labels]
    first = np.cumsum([0, *(int(frame.max(initial=0)) for frame in numbered)])
    links = []
    for t, (one, two) in enumerate(pairwise(numbered)):
        shared = shared_pixels(one, two, (0,) * one.ndim)
        i, j = shared.pairs.T
        best = [np.zeros(int(frame.max(initial=0))) for frame in (one, two)]
        np.maximum.at(best[0], i, shared.count)
        np.maximum.at(best[1], j, shared.count)
        mutual = (shared.count == best[0][i]) & (shared.count == best[1][j])
        seen: set[int] = set()
        for a, b in shared.pairs[mutual].tolist():
            if a not in seen and -1 - b not in seen:
                seen |= {a, -1 - b}
                links.append((first[t] + a, first[t + 1] + b))
    return table_of(truth.labels, dict(truth.table.pixel_size), np.array(links).reshape(-1, 2))


LINKERS: dict[str, Callable[[Truth], TrackTable]] = {
    "ours": ours,
    "laptrack": lambda truth: by_laptrack(truth, splitting=False),
    "laptrack, divisions on": lambda truth: by_laptrack(truth, splitting=True),
    "largest overlap": by_overlap,
}


def known_links(truth: Truth, found: TrackTable) -> TrackTable:
    """Tracks without the links that the truth says nothing about."""
    key = 1 + int(max(truth.table.label.max(), found.label.max()))
    names = truth.table.frame * key + truth.table.label
    links = links_of(truth.table)
    goes_on, comes_from = (np.unique(names[side]) for side in links.T)
    made = links_of(found)
    one, two = (found.frame * key + found.label)[made].T
    is_birth = found.track[made[:, 0]] != found.track[made[:, 1]]
    said = np.isin(two, comes_from) | (np.isin(one, goes_on) & ~is_birth)
    track, parents = tracks_of_links(found.frame, made[said])
    return ordered(found, track, parents)


def ordered(table: TrackTable, track: np.ndarray, parents: dict) -> TrackTable:
    """The table with other tracks."""
    order = np.lexsort((track, table.frame))
    columns = {name: getattr(table, name) for name in ("frame", "label", "position", "area")}
    return TrackTable(
        **{name: column[order] for name, column in columns.items()},
        track=track[order],
        confidence=np.full(len(track), np.nan),
        parents=parents,
        axes=table.axes,
        pixel_size=table.pixel_size,
    )


def scores(truth: Truth, found: TrackTable, labels: np.ndarray) -> dict[str, float]:
    """Scores of tracks, from folders that are written for it."""
    from ctc_metrics.scripts.evaluate import evaluate_sequence

    wanted = [*METRICS, "BC"] if truth.divides else list(METRICS)
    count = len(labels)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        result, reference = base / "01_RES", base / "01_GT"
        write_tracks("ctc", result, found, labels.__getitem__, count)
        write_tracks("ctc-truth", reference / "TRA", truth.table, truth.labels.__getitem__, count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = evaluate_sequence(str(result), str(reference), wanted, threads=1)
    return {name: float(made[name]) for name in METRICS} | (
        {f"division F1, {i} frames off": float(made[f"BC({i})"]) for i in (0, 1)}
        if truth.divides
        else {}
    )


def likeness(image: np.ndarray, table: TrackTable) -> float:
    """Mean correlation of the image around linked objects of neighbouring frames, without a truth.

    Objects near the edge of the image are left out.
    """
    found = []
    inside = np.array(image.shape[1:]) - AROUND
    smooth = np.stack([gaussian_filter(frame.astype(float), 1) for frame in image])
    places = np.rint(table.position).astype(int)
    usable = (places >= AROUND).all(axis=1) & (places < inside).all(axis=1)
    for pair in links_of(table):
        frames = table.frame[pair]
        if frames[1] - frames[0] == 1 and usable[pair].all():
            squares = [
                smooth[t, r - AROUND : r + AROUND + 1, c - AROUND : c + AROUND + 1].ravel()
                for t, (r, c) in zip(frames, places[pair], strict=True)
            ]
            found.append(np.corrcoef(*squares)[0, 1])
    return float(np.mean(found))


def own_labels(folder: Path, name: str, cache: Path) -> np.ndarray:
    """Labels of the default model on every frame, from the cache where they are there."""
    from napari_segany import segment_everything

    path = cache / f"{name}.npy"
    if not path.exists():
        (image,) = sorted((folder / name / "images").iterdir())
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, segment_everything(imread(image), axes="TYX"))
    return np.load(path)


def measure_speed() -> None:
    """Print the seconds that 60 frames of 1000 discs take, with and without missing ones."""
    from tests.linking.tracks.movies import moving_discs

    for missing in (0.0, 0.05):
        about = {"shape": (1024, 1024), "radius": 8.0, "step": 3.0, "dividing": 0.005}
        part = moving_discs(0, frames=20, count=1000, missing=missing, **about).labels
        labels = np.concatenate([part, part[::-1], part])
        start = time.perf_counter()
        found = link_labels(labels.__getitem__, range(len(labels)))
        took = time.perf_counter() - start
        print(
            f"{missing:.0%} missing: {len(found.frame)} objects in {len(labels)} frames, "
            f"{took:.1f} s"
        )


def main() -> None:
    """Print one line for each set and linker."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--own", action="store_true", help="link the default model's labels")
    parser.add_argument("--cache", type=Path, default=Path("own_labels"))
    parser.add_argument("--discs", type=int, default=4, help="movies of discs")
    parser.add_argument("--speed", action="store_true", help="time 60 frames of 1000 discs")
    args = parser.parse_args()
    if args.speed:
        measure_speed()
        return
    folder = data_folder(args)
    movies = {name: [read_truth(folder, name)] for name in args.sets}
    if args.discs and not args.own:
        movies["discs"] = [discs(seed) for seed in range(args.discs)]
    for name, truths in movies.items():
        image = None
        if name in args.sets and truths[0].axes == "YX":
            image = imread(next((folder / name / "images").iterdir()))
            print(f"{name:20s} {'the truth':24s} image {likeness(image, truths[0].table):.4f}")
        for linker, link in LINKERS.items():
            rows, took = [], 0.0
            for truth in truths:
                given = truth
                if args.own:
                    labels = own_labels(folder, name, args.cache)
                    given = Truth(labels, table_of(labels, dict(truth.table.pixel_size)), False)
                start = time.perf_counter()
                found = link(given)
                took += time.perf_counter() - start
                rows.append(scores(truth, found, given.labels))
                if image is not None:
                    rows[-1]["image"] = likeness(image, found)
                if name in SILENT and not args.own:
                    known = scores(truth, known_links(truth, found), given.labels)
                    rows[-1] |= {f"known {key}": known[key] for key in ("TRA", "LNK")}
            mean = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
            text = "  ".join(f"{key} {value:.4f}" for key, value in mean.items())
            print(f"{name:20s} {linker:24s} {text}  {took:.2f} s", flush=True)


if __name__ == "__main__":
    main()
