"""``napari-segany train``: train a finder further on labels, or a new one from training sets."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments, train_from_scratch
from napari_segany.cli.progress import progress_bar
from napari_segany.cli.timed_lines import TimedLines
from napari_segany.core.callbacks import Progress
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from napari_segany.training.tuning import TrainedFinder

EXAMPLES = """\
examples:
  napari-segany train images/ --truth labels/ -o mine.safetensors
  napari-segany train stack.tif --truth stack_labels.tif -o mine.safetensors --minutes 10
  napari-segany segment more/ --finder mine.safetensors -o results

The labels of an image have its name (NAME.tif, NAME_labels.tif): 0 is background, 1, 2, ... are
objects, and negative labels are unknown. Planes without an object are left out. A part of the
planes is held back, and shows whether the finder became better. The same command continues a run
that was stopped.

for developers, a new finder from training sets:
  napari-segany train --from-scratch train -o finder
  napari-segany train --from-scratch train -o trial --views 400 --steps 300
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``train`` to the command line."""
    about = "Train the finder on your labels, in minutes."
    parser = arguments.add_command(subparsers, "train", about, EXAMPLES, run)
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="image files, folders or patterns; with --from-scratch the folder of training sets",
    )
    parser.add_argument(
        "--truth", type=Path, metavar="PATH", help="folder of label images, or one label image"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=arguments.folder,
        required=True,
        metavar="OUT",
        help="file of the new finder, ending in .safetensors; with --from-scratch a folder",
    )
    parser.add_argument(
        "--base",
        metavar="FINDER",
        help="finder to begin with: a file, name or hash (default: the one that fits the model)",
    )
    parser.add_argument(
        "--minutes", type=float, default=5.0, metavar="X", help="most time (default: 5)"
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="most steps (default: 300; from scratch 10000)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=2,
        metavar="N",
        help="threads that learn; the last bits of the result depend on them (default: 2)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of all that is random (default: 0)"
    )
    parser.add_argument("--licence", metavar="TEXT", help="note about the licence of the result")
    messages = parser.add_mutually_exclusive_group()
    messages.add_argument(
        "--json", action="store_true", help="print progress and result as JSON, one object a line"
    )
    messages.add_argument("--quiet", action="store_true", help="print errors only")
    arguments.add_model(parser)
    arguments.add_image(parser, brightness=False)
    train_from_scratch.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if args.from_scratch:
        return train_from_scratch.run(args)
    train_from_scratch.refuse_options(args)
    if args.truth is None:
        raise InputError("Give the labels of the images with --truth.")
    from napari_segany.batch.plan import ReadOptions
    from napari_segany.cli.batch import load, model_request
    from napari_segany.io.atomic import check_writable
    from napari_segany.training.labelled_files import read_labelled
    from napari_segany.training.own_finder import train_finder
    from napari_segany.training.tuning import FINISH, TuneOptions, work_folder

    given = {
        name: getattr(args, name)
        for name in ("minutes", "steps", "threads", "seed", "licence")
        if getattr(args, name) is not None
    }
    options = TuneOptions(**given)
    check_writable(args.output.parent)
    reading = ReadOptions(args.axes or "auto", args.channel or (0,))
    planes = read_labelled(args.inputs, args.truth, reading)
    model = load(model_request(args), args.quiet or args.json)
    finish = work_folder(args.output) / FINISH
    say: Callable[[str], None] = (
        (lambda _: None) if args.quiet or args.json else lambda text: print(shown(text), flush=True)
    )

    @contextmanager
    def stage(name: str) -> Iterator[Progress | None]:
        if args.json:
            yield lambda done, total: _print_json(stage=name, done=done, total=total)
        else:
            with progress_bar(name, args.quiet) as bar:
                yield (
                    bar
                    if bar is not None or args.quiet
                    else TimedLines(name, say, most=60 * options.minutes)
                )

    trained = train_finder(
        *([each.rgb for each in planes], [each.labels for each in planes], args.output),
        names=[each.name for each in planes],
        model=model,
        base=args.base,
        options=options,
        stage=stage,
        should_end=finish.exists,
    )
    picture = _write_picture(args.output, trained)
    if args.json:
        _print_json(**_as_json(trained, picture))
    else:
        _say_result(trained, picture, say)
    return 0


def _print_json(**values: Any) -> None:
    print(json.dumps(values, allow_nan=False), flush=True)


def _write_picture(output: Path, trained: "TrainedFinder") -> Path | None:
    """Write the picture of the first held-back plane beside the finder."""
    if trained.picture is None:
        return None
    from PIL import Image

    from napari_segany.io.atomic import writing

    path = output.with_suffix(".png")
    with writing(path) as temporary:
        Image.fromarray(trained.picture).save(temporary, "PNG")
    return path


def _as_json(trained: "TrainedFinder", picture: Path | None) -> dict[str, Any]:
    tuning = trained.tuning
    scores = (
        {}
        if not trained.before
        else {
            "msa_before": trained.msa_before,
            "msa_after": trained.msa_after,
        }
    )
    return {
        "finder": str(trained.file.path),
        "sha256": trained.file.sha256,
        "held_back": trained.held_back,
        **scores,
        "before": [each.to_dict() for each in trained.before],
        "after": [each.to_dict() for each in trained.after],
        "steps": tuning.steps,
        "ended_by": tuning.ended_by,
        "seconds": round(trained.seconds, 1),
        "picture": None if picture is None else str(picture),
    }


def _say_result(trained: "TrainedFinder", picture: Path | None, say: Callable[[str], None]) -> None:
    from napari_segany.cli.report import seconds

    tuning, file = trained.tuning, trained.file
    more = " (--minutes gives it more)" if tuning.ended_by == "time" else ""
    say(
        f"{tuning.steps} steps in {seconds(trained.seconds)} in all; learning was ended by "
        f"{tuning.ended_by}{more}."
    )
    if trained.before:
        what = "whole planes" if trained.held_back == "planes" else "quarters of planes"
        say(
            f"mSA on {len(trained.before)} held-back {what}: {trained.msa_before:.3f} before, "
            f"{trained.msa_after:.3f} after."
        )
        if not trained.msa_after > trained.msa_before:
            say("It is not better there. Label more planes, or keep using the finder as it was.")
    else:
        say("Nothing was held back, as too few objects are labelled; look at results yourself.")
    if picture is not None:
        say(f"{picture}: labels, found before, found after")
    say(f"{file.path} ({file.path.stat().st_size / 1e6:.1f} MB, sha256 {file.sha256[:12]}...)")
    say(f"To use it: napari-segany segment IN --finder {file.path} -o OUT")
