"""Messages of ``napari-segany prompt``: the candidates of each prompt, as sentences or JSON."""

import argparse
import json
from typing import Any

from napari_segany.cli.prompt_record import table_record
from napari_segany.cli.prompt_requests import SourcedPrompt
from napari_segany.cli.prompt_results import PaintedLabels
from napari_segany.cli.report import counted, seconds
from napari_segany.core.masks import MaskSet
from napari_segany.io.detections import Detections
from napari_segany.io.safe_names import shown


def chosen_candidates(candidate: str) -> slice:
    """Return the slice of the ranked candidates of a prompt that are kept."""
    if candidate == "all":
        return slice(None)
    number = 0 if candidate == "best" else int(candidate) - 1
    return slice(number, number + 1)


def print_candidates(
    args: argparse.Namespace,
    prompts: list[SourcedPrompt],
    predicted: list[MaskSet],
    result: PaintedLabels,
    table: Detections | None,
    took: float,
) -> None:
    """Print the scores of the candidates of each prompt, and the folder of the results."""
    scores = [scores_of(found, chosen_candidates(args.candidate)) for found in predicted]
    if args.json:
        pairs = zip(prompts, scores, strict=True)
        rows = [{"prompt": repr(p.prompt), "from": p.source, "candidates": s} for p, s in pairs]
        about = {} if table is None else {"table": table_record(args, table)}
        print(
            json.dumps(
                {
                    "prompts": rows,
                    **about,
                    "without_object": dict(result.without_object),
                    "objects": result.count,
                    "output": str(args.output),
                }
            )
        )
        return
    for each, candidates in zip(prompts, scores, strict=True):
        print(f"{shown(each.source)}: {each.prompt!r}" if each.row else f"{each.prompt!r}")
        for number, row in enumerate(candidates, start=1):
            print(
                f"  {number}  predicted IoU {row['predicted_iou']:.3f}, "
                f"stability {row['stability_score']:.3f}, {row['area']} px"
                + ("  <- kept" if row["kept"] else "")
            )
    objects = counted(result.count, "object")
    print(f"{objects} in {seconds(took)}; results in {shown(args.output)}")


def scores_of(found: MaskSet, kept: slice) -> list[dict[str, Any]]:
    """Return the scores of the candidates of one prompt, and which of them are kept."""
    scores = zip(found.predicted_iou, found.stability_score, found.area, strict=True)
    return [
        {
            "predicted_iou": round(float(iou), 4),
            "stability_score": round(float(stable), 4),
            "area": int(area),
            "kept": i in range(len(found))[kept],
        }
        for i, (iou, stable, area) in enumerate(scores)
    ]
