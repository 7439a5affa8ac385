"""How labels came about, as JSON that can be kept with them and done again.

The labels depend on the order of commits and on what was taken out in between, so that is what is
kept: every object put into the labels or taken out, with its prompt and the candidate meant. Masks
are left out; they are computed again. What was painted by hand is not part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.image_source import ImageSource
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import machine
from napari_segany.session.inference import Predictor
from napari_segany.session.labels_target import ArrayTarget, LabelCompositor
from napari_segany.session.serialization import (
    ObjectRecord,
    Record,
    object_from_record,
    object_to_record,
)
from napari_segany.session.session import Session
from napari_segany.session.session_file import FORMAT, SessionRecord, checked_session
from napari_segany.session.state import SegmentedObject, State, Step


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


def table(state: State, area: Callable[[int], int]) -> dict[str, NDArray[np.generic]]:
    """One row a label, as columns: label, scores, area, number of points.

    Of an object that goes through several planes, scores and points are those of the one that was
    begun first, and the area is that of all.

    Parameters
    ----------
    state : State
        Which objects there are.
    area : callable
        Pixels of an object in the labels, by its number; see :meth:`Session.area`.
    """
    same: dict[int | None, list[SegmentedObject]] = {}
    for each in state.committed:
        same.setdefault(each.label, []).append(each)
    masks = [some[0].commit.mask for some in same.values() if some[0].commit is not None]
    asked = [some[0].prompt.points for some in same.values()]
    return {
        "index": np.array(list(same), np.int64),
        "predicted_iou": np.array([mask.predicted_iou[0] for mask in masks], np.float32),
        "stability_score": np.array([mask.stability_score[0] for mask in masks], np.float32),
        "area": np.array([sum(area(e.id) for e in some) for some in same.values()], np.int64),
        "points": np.array([0 if each is None else len(each) for each in asked], np.int64),
    }


def replay(
    kept: Any,
    source: ImageSource,
    model: PromptableModel,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.integer]:
    """Do again what a session did.

    Parameters
    ----------
    kept : dict or str
        From :func:`provenance`, or its JSON.
    source : ImageSource
        The same image.
    model : PromptableModel
        With the same weights.
    should_stop : callable, optional
        Polled between objects.

    Returns
    -------
    ndarray
        Labels of the image's shape: int32, or int64 where a label needs it. Pixels that an object
        left to labels which are not of this session are left out again; those labels are not there.

    Raises
    ------
    InputError
        If ``kept`` is nothing that can be replayed here: another model or several, another shape.
    Cancelled
        If ``should_stop`` returned True.
    """
    record = checked_session(kept)
    if record["weights_sha256"] != model.weights.sha256:
        raise InputError(
            f"The session used other weights ({record['model']}) than those of {model.weights.id}."
        )
    if record["image"]["shape"] != list(source.shape):
        raise InputError(
            f"The session was about an image of shape {record['image']['shape']}, this one has "
            f"shape {list(source.shape)}."
        )
    _check_one_model(record)
    # All of it is checked before anything is computed.
    objects = [_asked(given, source) for _, given in record["steps"] if not isinstance(given, int)]
    largest = max((each.label or 0 for each in objects), default=0)
    dtype = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    labels: NDArray[np.integer] = np.zeros(source.shape, dtype)
    ledger, asker = LabelCompositor(ArrayTarget(labels)), Predictor(source, model, EmbeddingCache())
    # What each commit left out when it was made for the first time.
    left_out: dict[tuple[int, int], MaskSet | None] = {}
    asked = iter(objects)
    for _, given in record["steps"]:
        check(should_stop)
        if isinstance(given, int):
            ledger.take(given)
            continue
        key = given["id"], given["commit"]["order"]
        put = ledger.put(_computed(next(asked), given, left_out.get(key), asker))
        assert put.commit is not None
        left_out[key] = put.commit.left_out
    return labels


def _check_one_model(record: SessionRecord) -> None:
    for _, given in record["steps"]:
        answered = () if isinstance(given, int) else given["commit"].get("model", ())
        if answered and answered[1:] != [record["weights_sha256"], record["precision"]]:
            assert not isinstance(given, int)
            raise InputError(
                f"The session used several models: {record['model']} ({record['precision']}) and, "
                f"for object {given['id']}, {answered[0]} ({answered[-1]}). It can be replayed "
                "only if all objects were segmented with one."
            )


def _asked(record: ObjectRecord, source: ImageSource) -> SegmentedObject:
    """An object as it was asked for."""
    open_again = record.copy()
    open_again.pop("commit", None)
    return object_from_record(open_again, source.shape)


def _computed(
    each: SegmentedObject, record: ObjectRecord, left_out: MaskSet | None, asker: Predictor
) -> SegmentedObject:
    """A committed object whose mask is computed from its prompt."""
    (found,) = asker.candidates(each.plane, [(each.prompt, each.before)])
    if not each.choice < len(found):
        raise InputError(f"Object {each.id} has no candidate {each.choice}.")
    again = object_from_record(record, asker.source.shape, found[each.choice])
    if left_out is None or again.commit is None:
        return again
    return replace(again, commit=replace(again.commit, left_out=left_out))
