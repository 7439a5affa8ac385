"""``napari-segany evaluate``: the accuracy of models on images with ground truth."""

import argparse
import json
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments, evaluate_tracks
from napari_segany.cli.batch import load, model_request
from napari_segany.cli.generator_options import add_options, chosen_params, given
from napari_segany.cli.link_options import add_link_options, chosen_link
from napari_segany.cli.progress import batch_bar
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams, describe_choice
from napari_segany.io.safe_names import shown
from napari_segany.linking.link_params import LinkParams
from napari_segany.recipe import LabelParams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_segany.batch.plan import ReadOptions
    from napari_segany.evaluation.run import PlaneEvaluation
    from napari_segany.evaluation.tasks import EvaluatedModel, EvaluationSettings

EXAMPLES = """\
examples:
  napari-segany evaluate images/ --truth labels/ -o scores
  napari-segany evaluate images/ --truth labels/ -o scores --tasks clicks --clicks 9 --objects 25
  napari-segany evaluate images/ --truth labels/ -o scores --compare mobile_sam watershed
  napari-segany evaluate stack.tif --truth stack_labels.tif -o scores --every 10 --tasks automatic
  napari-segany evaluate volume.tif --truth labels.tif -o scores --tasks volumes --link z
  napari-segany evaluate volume.tif --truth labels.tif -o scores --tasks propagation --objects 20
  napari-segany evaluate photos/ --truth boundaries/ -o scores --tasks edges
  napari-segany evaluate 01_RES --truth 01_GT -o scores --tasks tracks
  napari-segany evaluate cells_tracks.ome.tif --truth truth/ -o scores --tasks tracks

The ground truth is a label image of the same name for each image (NAME.tif, NAME_labels.tif).
Images in folders (images/KIND/NAME.tif, labels/KIND/NAME.tif) also give a row for each kind, and
the mean over kinds.

Tracks need no model: IN are folders of the Cell Tracking Challenge, or label images with a table
of tracks beside them (NAME_tracks.csv); without one, labels are tracks without divisions.

OUT receives evaluation.txt and evaluation.json (all scores), objects.csv (one row per object),
plots and sheets of examples: clicks.png, precision_recall.png, worst.png, or edges.png and
edges_precision_recall.png. The same command resumes a run that was stopped.
"""


PLAUSIBLE: Any = "plausible"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``evaluate`` to the command line."""
    about = "Measure the accuracy of models on images with ground truth."
    parser = arguments.add_command(subparsers, "evaluate", about, EXAMPLES, run)
    parser.add_argument("inputs", nargs="+", metavar="IN", help="image files, folders or patterns")
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="PATH",
        help="folder of label images, or one label image",
    )
    arguments.add_output(parser)
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    _add_tasks(parser)
    arguments.add_model(parser)
    arguments.add_image(parser, brightness=False)
    add_options(parser)
    add_link_options(parser)


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is measured."""
    measured = parser.add_argument_group("tasks")
    measured.add_argument(
        "--tasks",
        nargs="+",
        choices=(
            *("clicks", "boxes", "automatic", "proposals"),
            *("volumes", "propagation", "edges", "tracks"),
        ),
        default=["clicks", "boxes", "automatic"],
        metavar="TASK",
        help="clicks (mIoU over clicks, NoC), boxes (mIoU) and automatic (mSA, AP, AR, panoptic "
        "quality, candidate recall), which are the default; proposals (AR of the 64 x 64 grid); "
        "volumes (3-D mSA and panoptic quality of linked objects; the options of --link say how); "
        "propagation (3-D IoU of objects that are followed from the box on their largest plane); "
        "edges (ODS, OIS, AP, R50; the truth is hand-drawn boundaries, one page per annotator); "
        "or tracks (DET, SEG, TRA, LNK and division F1 of tracks that are there already)",
    )
    measured.add_argument(
        "--clicks", type=int, default=9, metavar="N", help="clicks per object (default: 9)"
    )
    measured.add_argument(
        "--objects",
        type=int,
        metavar="N",
        help="maximum number of objects per plane for clicks and boxes, drawn at random "
        "(default: all)",
    )
    measured.add_argument(
        "--min-pixels",
        type=int,
        default=1,
        metavar="N",
        help="smallest object in pixels (default: 1)",
    )
    measured.add_argument(
        "--jitter",
        type=float,
        default=0.0,
        metavar="X",
        help="move the sides of boxes at random by this fraction of their length (0.1: as in the "
        "training of SAM; default: 0)",
    )
    measured.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="measure every N-th plane of a stack (default: 1)",
    )
    measured.add_argument(
        "--compare",
        nargs="+",
        default=[],
        metavar="WHO",
        help="further models, plausible (the model with the ranking of the docks), and the "
        "baselines watershed and random_walker (clicks only); edges are always compared with "
        "Sobel and Canny",
    )
    measured.add_argument(
        "--binary-truth",
        choices=("tell", "components", "one", "refuse"),
        default="tell",
        help="ground truth that does not separate objects, such as a mask of 0 and 255: tell "
        "(count each value as one object and print a note, the default), components (count each "
        "connected component as an object), one (count each value as one object), or refuse",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.batch.inputs import find_inputs, name_inputs
    from napari_segany.batch.plan import ReadOptions
    from napari_segany.evaluation.export_evaluation import (
        as_json,
        kinds_as_json,
        report_text,
        write_all,
    )
    from napari_segany.evaluation.kinds import summarise_kinds
    from napari_segany.evaluation.run import (
        EvaluationFailure,
        evaluate_folder,
        pair_files,
        predictor_identity,
    )
    from napari_segany.evaluation.summary import summarise

    settings = chosen_settings(args)
    if "tracks" in settings.tasks:
        return evaluate_tracks.run(args, settings)
    if args.every < 1:
        raise InputError(f"--every must be 1 or more, got {args.every}.")
    if not args.truth.exists():
        raise InputError(f"There is no file or folder {args.truth}.")
    options = ReadOptions(args.axes or "auto", args.channel or (0,))
    # Truth may lie among the images.
    inputs = find_inputs(args.inputs, apart=[args.truth], series=args.series)
    names = name_inputs(inputs, args.output)
    paired = list(pair_files(inputs, args.truth))
    pairs = [each for each in paired if not isinstance(each, EvaluationFailure)]
    for image, _ in pairs:
        note_assumptions(image, options.axes)
    models = predictors(args) if pairs else []
    params = params_of(models, settings)
    note_strategies(params, settings)
    how: Any = {"options": options, "every": args.every, "names": names}
    with batch_bar() as progress:
        found = list(
            evaluate_folder(pairs, models, settings, args.output, progress=progress, **how)
        )
    measured = [each for each in found if not isinstance(each, EvaluationFailure)]
    failures = [each for each in [*paired, *found] if isinstance(each, EvaluationFailure)]
    for failure in failures:
        text = shown(f"{failure.image}: {failure.error}")
        print(f"napari-segany: error: {text}", file=sys.stderr)
    note_binary_truth(measured)
    failed = {str(failure.image): failure.error for failure in failures}
    summaries, kinds = summarise(measured), summarise_kinds(measured)
    if not measured:
        if args.json:
            print(json.dumps({"scores": {}, "failed": list(failed)}))
        return 1
    about = {
        "predictors": [predictor_identity(each) for each in models],
        "params": params,
        "reading": asdict(options),
        "every": args.every,
        "failed": failed,
    }
    written = write_all(args.output, summaries, measured, settings, about, kinds)
    written += write_examples(args.output, measured, pairs, models, options, settings, names)
    if args.json:
        scores = {"scores": as_json(summaries), **kinds_as_json(kinds)}
        print(json.dumps(scores | {"failed": list(failed)}))
    else:
        print(report_text(summaries, kinds), end="")
        print(f"results in {shown(args.output)}: {', '.join(path.name for path in written)}")
    return 1 if failures else 0


def note_strategies(
    params: "Mapping[str, Mapping[str, Any]]", settings: "EvaluationSettings"
) -> None:
    """Print the strategy of each model to which it was left, from the result of params_of."""
    if isinstance(settings.params, DefaultParams):
        for name, chosen in params.items():
            print(f"note: {describe_choice(name, chosen['strategy'])}", file=sys.stderr)


def note_binary_truth(measured: "Sequence[PlaneEvaluation]") -> None:
    """Print a note, once for each image, if its truth does not separate objects."""
    noted: dict[str, str] = {}
    for each in measured:
        if noticed := each.values.get("binary_truth"):
            noted.setdefault(each.image, noticed)
    for image, noticed in noted.items():
        print(
            f"note: the truth of {image} holds {noticed}, and each value counts as one object; "
            "--binary-truth components counts each part",
            file=sys.stderr,
        )


def note_assumptions(path: Path, axes: str) -> None:
    """Log the assumptions made about an image; its errors are reported when it is measured."""
    from napari_segany.batch.plan import log_notes
    from napari_segany.io.read import open_image

    with suppress(Exception), open_image(path, axes=axes) as image:
        log_notes(path, image.notes)


def chosen_settings(args: argparse.Namespace) -> "EvaluationSettings":
    """Return the settings of the evaluation."""
    from napari_segany.evaluation.tasks import EvaluationSettings

    volumes = "volumes" in args.tasks
    link = chosen_link(args, LinkParams() if volumes else None)
    if link is not None and not volumes:
        raise InputError("--link goes with --tasks volumes.")
    return EvaluationSettings(
        tasks=tuple(dict.fromkeys(args.tasks)),
        clicks=args.clicks,
        objects=args.objects,
        min_pixels=args.min_pixels,
        jitter=args.jitter,
        params=chosen_params(args),
        labels=LabelParams(**given(args, LabelParams)),
        binary_truth=args.binary_truth,
        link=link,
    )


def predictors(args: argparse.Namespace) -> "list[EvaluatedModel]":
    """Return the model and the predictors to compare it with."""
    from napari_segany.evaluation.edge_detectors import EDGE_BASELINES
    from napari_segany.evaluation.interactive_models import BASELINES, SamInteractiveModel

    edges = "edges" in args.tasks
    known: dict[str, Any] = {} if edges else {name: make() for name, make in BASELINES.items()}
    request = model_request(args)
    found: list[Any] = [load(request)]
    for name in args.compare:
        if name == PLAUSIBLE and not edges:
            found.append(SamInteractiveModel(found[0], ranking=PLAUSIBLE))
        elif name in known:
            found.append(known[name])
        else:
            found.append(load(replace(request, model=name)))
    return found + (list(EDGE_BASELINES.values()) if edges else [])


def params_of(
    models: "Sequence[EvaluatedModel]", settings: "EvaluationSettings"
) -> dict[str, dict[str, Any]]:
    """Return the parameters of automatic segmentation by the name of each model that does it."""
    from napari_segany.evaluation.run import predictor_name
    from napari_segany.models.protocol import PromptableModel

    if not {"automatic", "volumes"} & set(settings.tasks):
        return {}
    resolved = {
        predictor_name(each): settings.resolved_for(each).params
        for each in models
        if isinstance(each, PromptableModel)
    }
    return {name: params.to_dict() for name, params in resolved.items() if params is not None}


def write_examples(
    output: Path,
    measured: "Sequence[PlaneEvaluation]",
    pairs: "Sequence[tuple[Path, Path]]",
    models: "Sequence[EvaluatedModel]",
    options: "ReadOptions",
    settings: "EvaluationSettings",
    names: "Mapping[Path, str]",
) -> list[Path]:
    """Write sheets of examples; return the paths of those that were written."""
    from napari_segany.evaluation.edge_detectors import SamEdgeDetector
    from napari_segany.evaluation.export_evaluation import write_edges, write_worst
    from napari_segany.evaluation.interactive_models import SamInteractiveModel
    from napari_segany.models.protocol import PromptableModel

    detectors: list[Any] = [
        SamEdgeDetector(m) if isinstance(m, PromptableModel) else m for m in models
    ]
    interactive: list[Any] = [
        SamInteractiveModel(m) if isinstance(m, PromptableModel) else m for m in models
    ]
    sheets = (
        write_worst(output, measured, pairs, interactive[0], options, settings, names),
        write_edges(output, measured, pairs, detectors, options, names),
    )
    return [sheet for sheet in sheets if sheet is not None]
