"""``napari-segany evaluate --tasks tracks``: the scores of movies with tracks."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segany.cli.progress import batch_bar
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from napari_segany.evaluation.tasks import EvaluationSettings


def run(args: argparse.Namespace, settings: "EvaluationSettings") -> int:
    """Run the command; return the exit code."""
    from napari_segany.evaluation.export_evaluation import as_json, report_text, write_all
    from napari_segany.evaluation.run import EvaluationFailure
    from napari_segany.evaluation.summary import summarise
    from napari_segany.evaluation.track_files import evaluate_tracks, find_movies, pair_movies

    if args.compare:
        raise InputError("--compare is for models; tracks are compared with their truth.")
    if not args.truth.exists():
        raise InputError(f"There is no file or folder {args.truth}.")
    movies = find_movies(Path(each) for each in args.inputs)
    paired = list(pair_movies(movies, args.truth))
    pairs = [each for each in paired if not isinstance(each, EvaluationFailure)]
    axes = args.axes or "auto"
    with batch_bar() as progress:
        found = list(evaluate_tracks(pairs, axes=axes, progress=progress))
    measured = [each for each in found if not isinstance(each, EvaluationFailure)]
    failures = [each for each in [*paired, *found] if isinstance(each, EvaluationFailure)]
    for failure in failures:
        text = shown(f"{failure.image}: {failure.error}")
        print(f"napari-segany: error: {text}", file=sys.stderr)
    summaries = summarise(measured)
    failed = {str(failure.image): failure.error for failure in failures}
    if args.json:
        print(json.dumps({"scores": as_json(summaries), "failed": list(failed)}))
    if not measured:
        return 1
    movies_scores = [{"movie": each.image, **each.values["tracks"]} for each in measured]
    about = {"failed": failed, "movies": movies_scores}
    written = write_all(args.output, summaries, measured, settings, about, {})
    if not args.json:
        print(report_text(summaries, {}), end="")
        print(f"results in {shown(args.output)}: {', '.join(path.name for path in written)}")
    return 1 if failures else 0
