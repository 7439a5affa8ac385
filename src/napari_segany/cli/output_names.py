"""Names of the results of prompts: beside other results, never in place of them."""

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


def free_files(args: argparse.Namespace, request: dict[str, Any]) -> ResultFiles:
    """Return result files named after the image, or with another name if these exist.

    Parameters
    ----------
    args : Namespace
        Options of the command ``prompt``.
    request : dict
        The prompts, as they will be recorded beside the result.

    Raises
    ------
    InputError
        If the result of the same prompts exists.
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
        if _is_result_of(files.provenance, request):
            raise InputError(f"{present[0]} is there already; give --overwrite.")
    if called != name:
        text = "%s has other results already, so these are called %s."
        logger.info(text, shown(name), shown(called))
    return files


def _is_result_of(path: Path, request: dict[str, Any]) -> bool:
    """Return True if a record has the same prompts."""
    try:
        kept = from_json(dict[str, Any], path.read_bytes(), str(path))
    except (OSError, InputError):
        return False
    same: dict[str, Any] = json.loads(json.dumps(request))
    return {name: kept.get(name) for name in request} == same
