"""``napari-segany track``: link the labels of a movie over time."""

import argparse
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.generator_options import add_fields, given
from napari_segany.cli.progress import progress_bar
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown
from napari_segany.io.tracks.formats import FORMATS, write_tracks

if TYPE_CHECKING:
    from napari_segany.io.pixel_size import PixelSize
    from napari_segany.io.write_tiff import LabelStack
    from napari_segany.linking.tracks.track_params import TrackParams
    from napari_segany.linking.tracks.track_table import TrackTable
    from napari_segany.tracking import Frames, TrackedMovie

EXAMPLES = """\
examples:
  napari-segany track cells_labels.ome.tif -o results
  napari-segany track masks.tif --axes TYX --image cells.tif -o results
  napari-segany track masks.tif --pixel-size Z=1um,Y=0.2um,X=0.2um,T=5min --max-gap 2 -o results
  napari-segany track masks.tif --no-divisions --format ctc geff -o results
  napari-segany track 01_RES -o results --format trackmate

LABELS is a movie of labels from any tool, TYX or TZYX. Labels of different frames say nothing about
each other. OUT receives NAME_tracks.ome.tif (one id a track), NAME_tracks.csv (one row for each
object and frame) and NAME_tracks.json, and other formats as --format says.

LABELS may also be tracks that are linked already: a folder of the Cell Tracking Challenge, a GEFF,
TrackMate's XML or a table. They are kept as they are, and those without masks give no label image;
--relink links the masks of a folder anew.
"""

FORMAT = 1
"""Version of the JSON beside the tracks."""

LABELS, TABLE, RECORD = "labels", "csv", "record"
"""Result files that every run writes."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``track`` to the command line."""
    from napari_segany.linking.tracks.track_params import TrackParams

    about = "Link the objects of a labelled movie over time."
    parser = arguments.add_command(subparsers, "track", about, EXAMPLES, run)
    parser.add_argument("labels", type=Path, metavar="LABELS", help="label image, or tracks")
    arguments.add_output(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    others = {name: each.about for name, each in FORMATS.items() if name != TABLE}
    parser.add_argument(
        "--format",
        nargs="+",
        choices=tuple(others),
        default=[],
        metavar="KIND",
        help="also write " + "; ".join(f"{name} ({text})" for name, text in others.items()),
    )
    parser.add_argument(
        "--relink", action="store_true", help="link the masks of tracks anew, by themselves"
    )
    group = parser.add_argument_group("movie")
    group.add_argument(
        "--axes",
        type=arguments.axes,
        metavar="AXES",
        help="one letter per dimension of the labels, such as TYX (default: as the file states)",
    )
    group.add_argument(
        "--pixel-size",
        type=pixel_size,
        metavar="SIZES",
        help="size of a step along axes, such as Y=0.2um,X=0.2um,T=5min (default: as the file "
        "states)",
    )
    group.add_argument(
        "--image", type=Path, metavar="FILE", help="movie of the labels; its brightness is compared"
    )
    group.add_argument(
        "--image-axes",
        type=arguments.axes,
        metavar="AXES",
        help="one letter per dimension of the image (default: as the file states)",
    )
    group.add_argument(
        "--channel",
        type=arguments.whole_numbers,
        metavar="C",
        help="channel of the image, counted from 0, or two or three (default: 0)",
    )
    add_fields(parser.add_argument_group("linking"), TrackParams)


def pixel_size(text: str) -> "PixelSize":
    """Parse sizes of steps, such as ``Y=0.2um,X=0.2um,T=5min``."""
    import re

    from napari_segany.io.pixel_size import check_sizes

    sizes: dict[str, tuple[float, str]] = {}
    for part in text.split(","):
        found = re.fullmatch(
            r"\s*([A-Za-z])\s*=\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*([^\d\s.]\S*)\s*", part
        )
        if found is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not such as Y=0.2um,X=0.2um,T=5min")
        try:
            sizes[found[1].upper()] = (float(found[2]), found[3])
            checked = check_sizes(sizes)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return checked


@dataclass(frozen=True, eq=False)
class Tracked:
    """Tracks that are linked or read.

    Attributes
    ----------
    table : TrackTable
        The tracks.
    movie : TrackedMovie or None
        Them with their labels; None for files of tracks without masks.
    name : str
        Name of the results.
    about : dict
        Entries of the record that say where the tracks come from.
    """

    table: "TrackTable"
    movie: "TrackedMovie | None"
    name: str
    about: dict[str, Any]


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.io.atomic import check_writable
    from napari_segany.linking.tracks.track_params import TrackParams

    started = time.monotonic()
    check_writable(args.output)
    values = given(args, TrackParams)
    params = TrackParams(**values)
    if _holds_tracks(args.labels):
        if values and not args.relink:
            raise InputError(f"{args.labels} holds tracks; give --relink to link its masks anew.")
        found = _from_tracks(args, params)
    elif args.relink:
        raise InputError(f"{args.labels} is no file of tracks; --relink is for those.")
    else:
        found = _from_labels(args, params)
    paths = _free_paths(args, found.name)
    for kind in args.format:
        if found.movie is None:
            write_tracks(kind, paths[kind], found.table)
        else:
            load, count = found.movie.given_frame, found.movie.count
            write_tracks(kind, paths[kind], found.table, load, count)
    _save(paths, found)
    _report(args, found, time.monotonic() - started)
    return 0


def _holds_tracks(path: Path) -> bool:
    """Return True for tracks, False for an image."""
    from napari_segany.io.ome_zarr import is_zarr
    from napari_segany.io.tracks.geff_file import is_geff

    if path.is_dir():
        return not is_zarr(path) or is_geff(path)
    return path.suffix.lower() in (".csv", ".tsv", ".txt", ".xml")


def _from_labels(args: argparse.Namespace, params: "TrackParams") -> Tracked:
    """Link a label image."""
    from napari_segany.batch.plan import log_notes, own_axes
    from napari_segany.io.read import open_image
    from napari_segany.io.save_labels import image_name
    from napari_segany.tracking import file_frames, label_movie

    name = image_name(args.labels)
    _free_paths(args, name)
    with open_image(args.labels, axes=args.axes or "", stored=True) as labels:
        log_notes(args.labels, labels.notes)
        axes = own_axes(labels, args.axes or "")
        frames = label_movie(labels.data, axes)
        sizes = args.pixel_size or labels.pixel_size
        found = _link(args, params, frames, frames.axes, sizes, name)
    # The file is closed; frames are read again where they are written.
    movie = found.movie and replace(found.movie, load_frame=file_frames(args.labels, axes))
    return replace(found, movie=movie)


def _link(
    args: argparse.Namespace,
    params: "TrackParams",
    frames: "Frames",
    axes: str,
    sizes: "PixelSize",
    name: str,
) -> Tracked:
    """Link label frames; the record says how."""
    from napari_segany.tracking import track_frames

    about: dict[str, Any] = {
        "labels": shown(args.labels.name),
        "image": shown(args.image.name) if args.image else None,
        "axes": f"T{axes}",
        "pixel_size": {axis: list(size) for axis, size in sizes.items()},
        "tracking": vars(params),
    }

    def note(distance: float, unit: str) -> None:
        about["estimated_max_distance"] = {"distance": distance, "unit": unit}

    with progress_bar("frames", args.json) as progress:
        movie = track_frames(
            frames,
            axes,
            params,
            image=args.image,
            image_axes=None if args.image_axes == "auto" else args.image_axes,
            channels=args.channel or (0,),
            pixel_size=sizes,
            on_estimate=note,
            progress=progress,
        )
    return Tracked(movie.table, movie, name, about)


def _from_tracks(args: argparse.Namespace, params: "TrackParams") -> Tracked:
    """Read tracks; link their masks anew if that is asked for."""
    from napari_segany.io.tracks.formats import read_tracks
    from napari_segany.tracking import TrackedMovie

    table, frames = read_tracks(args.labels)
    name = args.labels.resolve().name
    name = name.removesuffix("".join(args.labels.suffixes[-1:])).removesuffix("_tracks")
    _free_paths(args, name)
    sizes = args.pixel_size or table.pixel_size
    if args.relink and frames is None:
        raise InputError(f"{args.labels} holds no masks that could be linked.")
    if args.relink and frames is not None:
        return _link(args, params, frames, table.axes, sizes, name)
    table = replace(table, pixel_size=sizes)
    movie = None if frames is None else TrackedMovie(table, frames, frames.count, frames.shape)
    about = {"labels": shown(args.labels.name), "axes": f"T{table.axes}", "tracking": None}
    return Tracked(table, movie, name, about)


def _free_paths(args: argparse.Namespace, name: str) -> dict[str, Path]:
    """Return the paths of the results; InputError if one is there already."""
    from napari_segany.io.atomic import check_name

    endings = {LABELS: "_tracks.ome.tif", RECORD: "_tracks.json"}
    endings |= {kind: FORMATS[kind].ending for kind in (TABLE, *args.format)}
    paths = {kind: args.output / f"{name}{ending}" for kind, ending in endings.items()}
    for path in paths.values():
        check_name(path)
        if path.exists() and not args.overwrite:
            raise InputError(f"{path} is there already; give --overwrite.")
    return paths


def _save(paths: Mapping[str, Path], found: Tracked) -> None:
    """Write labels, table and record together, the record last."""
    from contextlib import closing

    from napari_segany.io.atomic import writing
    from napari_segany.io.table import CsvTable
    from napari_segany.io.tracks.track_csv import track_columns

    table = found.table
    record = {"format": FORMAT, **found.about, **_counts(found)}
    kinds = (RECORD, TABLE) if found.movie is None else (RECORD, TABLE, LABELS)
    with ExitStack() as together:
        sheet = together.enter_context(closing(CsvTable()))
        sheet.add(track_columns(table))
        labels = None if found.movie is None else together.enter_context(_painted(found.movie))
        # Contexts end last first; the record becomes visible when all else is there.
        temporary = {kind: together.enter_context(writing(paths[kind])) for kind in kinds}
        if labels is not None:
            labels.save(temporary[LABELS], table.pixel_size, found.name)
        sheet.save(temporary[TABLE])
        temporary[RECORD].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _painted(movie: "TrackedMovie") -> "LabelStack":
    """Return the labels of a movie, one id a track."""
    from napari_segany.io.write_tiff import LabelStack

    labels = LabelStack(f"T{movie.table.axes}", (movie.count, *movie.shape))
    for number in range(movie.count):
        frame = movie.frame(number)
        for plane in frame.reshape(-1, *frame.shape[-2:]):
            labels.add(plane)
    return labels


def _counts(found: Tracked) -> dict[str, int]:
    table = found.table
    last = int(table.frame.max(initial=-1)) + 1
    return {
        "frames": last if found.movie is None else found.movie.count,
        "objects": len(table.frame),
        "tracks": len(table.spans),
        "divisions": len(table.children),
    }


def _report(args: argparse.Namespace, found: Tracked, took: float) -> None:
    """Print the counts, or one JSON object."""
    from napari_segany.cli.report import counted, seconds

    counts = _counts(found)
    if args.json:
        print(json.dumps({**counts, **found.about, "output": str(args.output)}))
        return
    estimated = found.about.get("estimated_max_distance")
    if estimated:
        print(
            f"largest step {estimated['distance']:.3g} {estimated['unit']}, estimated from the "
            "movie; --max-distance says otherwise"
        )
    numbers = ", ".join(
        counted(counts[f"{noun}s"], noun) for noun in ("object", "track", "division")
    )
    frames = counted(counts["frames"], "frame")
    print(f"{numbers} in {frames}, {seconds(took)}; results in {shown(args.output)}")
