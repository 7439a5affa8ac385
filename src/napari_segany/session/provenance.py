"""How labels came about, as JSON that can be kept with them and done again.

The labels depend on the order of commits and on what was taken out in between, so that is what is
kept: every object put into the labels or taken out, with its prompt and the candidate meant. Masks
are left out; they are computed again. What was painted by hand is not part of it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.embeddings import EmbeddingCache
from napari_segany.errors import InputError
from napari_segany.models.model import SamModel
from napari_segany.recipe import machine
from napari_segany.session.asking import Asker
from napari_segany.session.objects import Commit, SegmentedObject, State, Step
from napari_segany.session.records import (
    Record,
    earlier_from_record,
    object_to_record,
    prompt_from_record,
)
from napari_segany.session.session import Session
from napari_segany.session.source import ImageSource
from napari_segany.session.target import ArrayTarget, Ledger

FORMAT = 1


def provenance(session: Session) -> Record:
    """What :func:`replay` needs, of plain JSON values.

    Raises
    ------
    InputError
        If the session has no model.
    """
    model, source = session.asker.model, session.source
    # Who answered first; steps of others say so.
    answered = (each.commit.model for _, each in session.steps if each.commit and each.commit.model)
    name, weights, precision = next(answered, session.asker.identity)
    return {
        "format": FORMAT,
        "napari_segany": version("napari-segany"),
        "model": name,
        "weights_sha256": weights,
        "precision": precision,
        "device_kind": model.device.type,
        **machine(),
        "image": {
            "name": source.name,
            "shape": list(source.shape),
            "limits": source.limits,
            "reading": getattr(source, "reading", {}),
        },
        "steps": _recorded(session.steps),
    }


def steps_since(kept: Record, session: Session) -> bool:
    """Add what happened since :func:`provenance` was called, so that it costs no more than that.

    Returns
    -------
    bool
        Whether ``kept`` is of this session, and now up to date.
    """
    steps, count = session.steps, len(kept["steps"])
    if not 0 < count <= len(steps) or kept["steps"][:1] != _recorded(steps[:1]):
        return False
    kept["steps"] += _recorded(steps[count:])
    return True


def _recorded(steps: Sequence[Step]) -> list[Any]:
    return [
        [what, object_to_record(each, with_mask=False) if what == "put" else each.id]
        for what, each in steps
    ]


def table(state: State) -> dict[str, NDArray[np.generic]]:
    """One row a label, as columns: label, scores, area in pixels, number of points.

    Of an object that goes through several planes, the one that was begun first.
    """
    first: dict[int | None, tuple[SegmentedObject, MaskSet]] = {}
    for each in state.committed:
        if each.commit is not None:
            first.setdefault(each.label, (each, each.commit.mask))
    done = list(first.values())
    points = [0 if each.prompt.points is None else len(each.prompt.points) for each, _ in done]
    return {
        "index": np.array([each.label for each, _ in done], np.int64),
        "predicted_iou": np.array([mask.predicted_iou[0] for _, mask in done], np.float32),
        "stability_score": np.array([mask.stability_score[0] for _, mask in done], np.float32),
        "area": np.array([mask.area[0] for _, mask in done], np.int64),
        "points": np.array(points, np.int64),
    }


def replay(
    kept: Record | str,
    source: ImageSource,
    model: SamModel,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.int32]:
    """Do again what a session did.

    Parameters
    ----------
    kept : dict or str
        From :func:`provenance`, or its JSON.
    source : ImageSource
        The same image.
    model : SamModel
        With the same weights.
    should_stop : callable, optional
        Polled between objects.

    Returns
    -------
    ndarray
        int32 labels of the image's shape.

    Raises
    ------
    InputError
        If ``kept`` is nothing that can be replayed here: another model or several, another shape.
    Cancelled
        If ``should_stop`` returned True.
    """
    record: Record = json.loads(kept) if isinstance(kept, str) else kept
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError("This is no record of a session that this version can replay.")
    if record["weights_sha256"] != model.weights.sha256:
        raise InputError(
            f"The session used other weights ({record['model']}) than those of {model.weights.id}."
        )
    for what, given in record["steps"]:
        answered = given["commit"].get("model") if what == "put" else None
        if answered and tuple(answered[1:]) != (record["weights_sha256"], record["precision"]):
            raise InputError(
                f"The session used several models: {record['model']} ({record['precision']}) and, "
                f"for object {given['id']}, {answered[0]} ({answered[2]}). It can be replayed only "
                "if all objects were segmented with one."
            )
    if list(record["image"]["shape"]) != list(source.shape):
        raise InputError(
            f"The session was about an image of shape {record['image']['shape']}, this one has "
            f"shape {list(source.shape)}."
        )
    labels = np.zeros(source.shape, np.int32)
    ledger, asker = Ledger(ArrayTarget(labels)), Asker(source, model, EmbeddingCache())
    for what, given in record["steps"]:
        check(should_stop)
        if what == "take":
            ledger.take(given)
        else:
            ledger.put(_computed(given, asker.candidates))
    return labels


def _computed(record: Record, ask: Callable[..., list[MaskSet]]) -> SegmentedObject:
    """A committed object whose mask is computed from its prompt."""
    plane: tuple[Any, ...] = tuple(record["plane"])
    prompt = prompt_from_record(record["prompt"])
    before = earlier_from_record(record.get("before", ()))
    (found,) = ask(plane, [(prompt, before)])
    if not record["choice"] < len(found):
        raise InputError(f"Object {record['id']} has no candidate {record['choice']}.")
    mask = found[record["choice"]]
    each = SegmentedObject(
        record["id"], plane, prompt, record["choice"], record["label"], before=before
    )
    return replace(
        each, commit=Commit(mask, record["commit"]["on_overlap"], record["commit"]["order"])
    )
