"""Names for the answer to prompts: beside other results, never over them."""

import argparse
import json
import logging
import os
from itertools import chain, count
from pathlib import Path
from typing import Any

from napari_segany.cli.segment import chosen_outputs
from napari_segany.errors import InputError
from napari_segany.io.atomic import check_name
from napari_segany.io.read import stem
from napari_segany.io.result_files import PROMPTS, ResultFiles
from napari_segany.io.safe_names import shown
from napari_segany.schema import from_json

logger = logging.getLogger(__name__)


def free_files(args: argparse.Namespace, asked: dict[str, Any]) -> ResultFiles:
    """The files of the answer: called after the image, or so that they are not there yet.

    Parameters
    ----------
    args : Namespace
        Options of the command ``prompt``.
    asked : dict
        The question, as it will be recorded beside the answer.

    Raises
    ------
    InputError
        If the same was asked before.
    """
    name = stem(args.image)
    further = (f"{name}_prompt_{number}" for number in count(2))
    for called in chain((name, f"{name}_prompt"), further):
        files = ResultFiles.of(args.output, called, PROMPTS, chosen_outputs(args))
        for path in files.all():
            check_name(path)
        present = [path for path in files.all() if os.path.lexists(path)]
        if args.overwrite or not present:
            break
        if _was_asked(files.provenance, asked):
            raise InputError(f"{present[0]} is there already; give --overwrite.")
    if called != name:
        said = shown(name), shown(called)
        logger.info("%s has other results already, so these are called %s.", *said)
    return files


def _was_asked(path: Path, asked: dict[str, Any]) -> bool:
    """True for a result that is the answer to the same question."""
    try:
        kept = from_json(dict[str, Any], path.read_bytes(), str(path))
    except (OSError, InputError):
        return False
    again: dict[str, Any] = json.loads(json.dumps(asked))
    return {name: kept.get(name) for name in asked} == again
