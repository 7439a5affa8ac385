"""Folders of the Cell Tracking Challenge: a list of tracks, and a mask image a frame."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_segany.core.label_images import as_ids
from napari_segany.errors import InputError
from napari_segany.io.read import open_image
from napari_segany.io.tracks.assembly import LARGEST_FRAME, TrackColumns, check_file_size
from napari_segany.io.tracks.formats import TrackFile
from napari_segany.linking.tracks.contiguous import join_gaps, split_at_gaps
from napari_segany.linking.tracks.frame_objects import measure_frame, number_objects
from napari_segany.linking.tracks.track_table import DIMENSIONS, TrackTable

LISTS = {"man_track.txt": "man_track", "res_track.txt": "mask"}
"""Names of the list of tracks, and what the names of masks beside it begin with."""

LARGEST_ID = 2**16 - 1
"""Masks are 16-bit images."""

_MASK = re.compile(r"(man_track|mask)(\d{3,9})\.tiff?")
_ROW = re.compile(r"\s*(\d{1,10})[ \t]+(\d{1,10})[ \t]+(\d{1,10})[ \t]+(\d{1,10})\s*", re.ASCII)

Row = tuple[int, int, int, int]
"""Track, first frame, last frame and parent (0 without)."""


def is_track_list(path: Path) -> bool:
    """Return True for the list of tracks of a folder."""
    return path.name in LISTS


def holds_list(folder: Path) -> bool:
    """Return True for a folder with a list of tracks, or with one in its folder ``TRA``."""
    return _listed_in(folder) is not None


def _listed_in(folder: Path) -> Path | None:
    places = (folder, folder / "TRA")
    found = [place / name for place in places for name in LISTS if (place / name).is_file()]
    return found[0] if found else None


def holds_only_tracks(folder: Path) -> bool:
    """Return True if a folder holds a list of tracks, masks, and nothing else."""
    names = [path.name for path in folder.iterdir()]
    return all(name in LISTS or _MASK.fullmatch(name) for name in names)


def write_result(
    folder: Path,
    table: TrackTable,
    load_frame: Callable[[int], NDArray[np.integer]],
    frames: int,
) -> None:
    """Write ``res_track.txt`` and ``mask000.tif``; see :func:`write_truth`."""
    _write(folder, "res_track.txt", table, load_frame, frames)


def write_truth(
    folder: Path,
    table: TrackTable,
    load_frame: Callable[[int], NDArray[np.integer]],
    frames: int,
) -> None:
    """Write ``man_track.txt`` and ``man_track000.tif``.

    A track of this format has an object in each of its frames. One with gaps is written as
    several, each the parent of the next. Masks are 16-bit; ids stay as they are where they fit.

    Raises
    ------
    InputError
        If there are too many tracks, or labels lack an object of the table.
    """
    _write(folder, "man_track.txt", table, load_frame, frames)


def _write(
    folder: Path,
    name: str,
    table: TrackTable,
    load_frame: Callable[[int], NDArray[np.integer]],
    frames: int,
) -> None:
    parts = split_at_gaps(table)
    ids, rows = _fitting_ids(parts.track, parts.rows)
    folder.mkdir()
    lines = [" ".join(map(str, row)) + "\n" for row in rows.tolist()]
    (folder / name).write_text("".join(lines), encoding="ascii", newline="\n")
    digits = 3 if frames <= 1000 else 4
    for frame in range(frames):
        at = table.rows_at(frame)
        mask = _paint(load_frame(frame), table.label[at], ids[at], frame, table.axes)
        tifffile.imwrite(
            folder / f"{LISTS[name]}{frame:0{digits}d}.tif",
            mask,
            photometric="minisblack",
            compression="zlib",
            software=False,
            metadata=None,
        )


def _fitting_ids(
    track: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return tracks and rows with ids of 16 bits: the same ones, or 1, 2, 3 where one is larger."""
    if len(rows) > LARGEST_ID:
        raise InputError(
            f"There are {len(rows)} tracks (one with gaps counts as several); folders of the Cell "
            f"Tracking Challenge hold {LARGEST_ID}. Choose another format, or write parts of the "
            "movie."
        )
    if not len(rows) or rows[-1, 0] <= LARGEST_ID:
        return track, rows
    old = rows[:, 0].copy()
    rows = rows.copy()
    rows[:, 0] = np.arange(1, len(rows) + 1)
    is_child = rows[:, 3] > 0
    rows[is_child, 3] = np.searchsorted(old, rows[is_child, 3]) + 1
    return np.searchsorted(old, track) + 1, rows


def _paint(
    labels: NDArray[np.integer],
    values: NDArray[np.int64],
    ids: NDArray[np.int64],
    frame: int,
    axes: str,
) -> NDArray[np.uint16]:
    """Return labels of a frame with new ids; objects that are not named become 0."""
    labels = np.asarray(labels)
    if labels.ndim != DIMENSIONS[axes]:
        raise InputError(f"Frame {frame} has shape {labels.shape}; the tracks have axes {axes}.")
    found, inverse = np.unique(labels, return_inverse=True)
    missing = np.setdiff1d(values, found)
    if len(missing):
        raise InputError(
            f"The labels of frame {frame} have no object {missing[0]}, which is one of the tracks. "
            "Give the labels that the tracks were made of."
        )
    new = np.zeros(len(found), np.uint16)
    new[np.searchsorted(found, values)] = ids
    return new[inverse].reshape(labels.shape)


@dataclass(frozen=True, eq=False)
class MaskFiles:
    """Masks of a folder, read when they are called; see :class:`FrameLabels`.

    Attributes
    ----------
    paths : tuple of Path
        One file a frame.
    shape : tuple of int
        Shape of a frame, (Y, X) or (Z, Y, X).
    """

    paths: tuple[Path, ...]
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.paths)

    def __call__(self, frame: int) -> NDArray[np.integer]:
        """Return the labels of a frame.

        Raises
        ------
        InputError
            If the file cannot be read, or has another shape than the first one.
        """
        labels = read_mask(self.paths[frame])
        if labels.shape != self.shape:
            raise InputError(
                f"{self.paths[frame]} has shape {labels.shape}, {self.paths[0].name} has "
                f"{self.shape}; frames of a movie have one shape."
            )
        return labels


def read_mask(path: Path) -> NDArray[np.integer]:
    """Read a mask image, (Y, X) or (Z, Y, X).

    Raises
    ------
    InputError
        If it is no label image.
    """
    with open_image(path, stored=True) as image:
        labels = as_ids(np.asarray(image.data[...]), str(path))
    if labels.ndim not in DIMENSIONS.values():
        raise InputError(f"{path} has shape {labels.shape}; a mask is (Y, X) or (Z, Y, X).")
    return labels


def read(path: Path) -> TrackFile:
    """Read a folder, or the list of tracks in it.

    Tracks that were written as several because of gaps are joined: a track and the only daughter
    that it has, if frames lie between the two.

    Raises
    ------
    InputError
        If it cannot be read, or list and masks do not agree.
    """
    listed = _find_list(path)
    rows = _read_list(listed)
    masks = _find_masks(listed)
    track, frame, label, position, area = [], [], [], [], []
    joined, parents = join_gaps(rows)
    expected = _ids_by_frame(rows, masks, listed)
    for number, ids in enumerate(expected):
        objects = measure_frame(*number_objects(masks(number)))
        if objects.label.tolist() != ids:
            odd = min(set(objects.label.tolist()) ^ set(ids))
            where = "in the list, but not" if odd in ids else "not in the list, but"
            raise InputError(
                f"{listed.parent}: track {odd} is {where} in the mask of frame {number}."
            )
        frame += [number] * len(ids)
        track += [joined[value] for value in ids]
        label += ids
        position.append(objects.position)
        area += objects.area.tolist()
    axes = "YX" if len(masks.shape) == 2 else "ZYX"
    columns = TrackColumns(
        frame, track, np.concatenate(position), label, area, parents=parents, axes=axes
    )
    return TrackFile(columns.table(listed.parent), masks)


def _find_list(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = _listed_in(path)
    if found is None:
        raise InputError(
            f"{path} is no folder of tracks: it holds neither {' nor '.join(LISTS)} (Cell Tracking "
            "Challenge)."
        )
    return found


def _read_list(path: Path) -> list[Row]:
    """Return the rows of the list, checked."""
    check_file_size(path)
    rows: dict[int, Row] = {}
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = _ROW.fullmatch(line)
        row = tuple(map(int, found.groups())) if found else ()
        if len(row) != 4 or not 0 < row[0] <= LARGEST_FRAME or row[1] > row[2]:
            raise InputError(
                f"{path}, line {number} is {line[:60]!r}; a line is four whole numbers: track, "
                "first frame, last frame, parent."
            )
        if row[0] in rows:
            raise InputError(f"{path}: track {row[0]} is listed twice.")
        rows[row[0]] = row
    for track, first, _, parent in rows.values():
        if parent and (parent not in rows or rows[parent][2] >= first):
            why = "ends later than it begins" if parent in rows else "is not listed"
            raise InputError(f"{path}: the parent {parent} of track {track} {why}.")
    return list(rows.values())


def _find_masks(listed: Path) -> MaskFiles:
    """Return the masks beside a list, one for each frame from 0 on."""
    found: dict[int, Path] = {}
    for path in sorted(listed.parent.iterdir()):
        name = _MASK.fullmatch(path.name)
        if name and name[1] == LISTS[listed.name]:
            found[int(name[2])] = path
    if not found:
        raise InputError(f"{listed.parent} holds no masks {LISTS[listed.name]}000.tif.")
    missing = next((n for n in range(len(found)) if n not in found), None)
    if missing is not None:
        raise InputError(f"{listed.parent} holds no mask of frame {missing}.")
    paths = tuple(found[number] for number in range(len(found)))
    return MaskFiles(paths, read_mask(paths[0]).shape)


def _ids_by_frame(rows: Sequence[Row], masks: MaskFiles, listed: Path) -> list[list[int]]:
    """Return the tracks that each frame must have, in ascending order."""
    expected: list[list[int]] = [[] for _ in range(masks.count)]
    for track, first, last, _ in sorted(rows):
        if last >= masks.count:
            raise InputError(
                f"{listed}: track {track} ends at frame {last}, and there are masks of "
                f"{masks.count} frames."
            )
        for frame in range(first, last + 1):
            expected[frame].append(track)
    return expected
