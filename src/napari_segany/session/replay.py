"""Provenance of labels as JSON, and its replay.

Labels depend on the order of commits and removals. So the record holds every object that was added
to the labels or removed, with its prompt and the number of the chosen candidate. Masks are computed
again and not part of the record, except those of propagated parts. Paint by hand is not part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.image_source import DisplayedSource, ImageSource
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.searching import searching_model
from napari_segany.recipe import machine
from napari_segany.session.inference import Predictor
from napari_segany.session.label_compositor import LabelCompositor
from napari_segany.session.labels_target import ArrayTarget
from napari_segany.session.painting import apply_paint
from napari_segany.session.serialization import (
    ObjectRecord,
    Record,
    object_from_record,
    object_to_record,
)
from napari_segany.session.session import Session
from napari_segany.session.session_file import (
    FORMAT,
    SessionRecord,
    checked_session,
    limits_from_record,
    limits_to_record,
)
from napari_segany.session.state import SegmentedObject, State, Step


def provenance(session: Session) -> Record:
    """Return the record that :func:`replay` needs, of plain JSON values.

    Raises
    ------
    InputError
        If the session has no model.
    """
    model, source = session.predictor.model, session.source
    own = searching_model(model)
    # The model of the first commit; steps of other models name theirs.
    models = (each.commit.model for _, each in session.steps if each.commit and each.commit.model)
    name, weights, precision, *views = next(models, session.predictor.identity)
    return {
        "format": FORMAT,
        "napari_segany": version("napari-segany"),
        "model": name,
        "weights_sha256": weights,
        "precision": precision,
        **({"views": int(views[0])} if views else {}),
        "device_kind": model.device.type,
        **(machine() if own is None else own.machine),
        "image": {
            "name": source.name,
            "shape": list(source.shape),
            "limits": limits_to_record(source.limits),
            "reading": getattr(source, "read_options", {}),
        },
        "steps": _steps_to_record(session.steps),
    }


def append_new_steps(record: Record, session: Session) -> bool:
    """Append the steps since :func:`provenance` was called; cheaper than a new record.

    Returns
    -------
    bool
        True if ``record`` is of this session, and is now up to date.
    """
    # Labels that were made by a search have its recipe there.
    steps, count = session.steps, len(record.get("steps", ()))
    if not 0 < count <= len(steps) or record["steps"][:1] != _steps_to_record(steps[:1]):
        return False
    record["steps"] += _steps_to_record(steps[count:])
    return True


def _steps_to_record(steps: Sequence[Step]) -> list[Any]:
    return [
        # The mask of a propagated part does not follow from its prompt.
        [what, object_to_record(each, with_mask=each.propagated) if what == "put" else each.id]
        for what, each in steps
    ]


def object_table(state: State, area: Callable[[int], int]) -> dict[str, NDArray[np.generic]]:
    """Return columns with one row a label: label, scores, area, number of points.

    For objects in several planes with one label, scores and points are those of the object that
    was begun first; the area is the sum.

    Parameters
    ----------
    state : State
        The objects.
    area : callable
        Returns the pixels of an object in the labels, by its number; see :meth:`Session.area`.
    """
    same: dict[int | None, list[SegmentedObject]] = {}
    for each in state.committed:
        same.setdefault(each.label, []).append(each)
    masks = [some[0].commit.mask for some in same.values() if some[0].commit is not None]
    points = [some[0].prompt.points for some in same.values()]
    return {
        "index": np.array(list(same), np.int64),
        "predicted_iou": np.array([mask.predicted_iou[0] for mask in masks], np.float32),
        "stability_score": np.array([mask.stability_score[0] for mask in masks], np.float32),
        "area": np.array([sum(area(e.id) for e in some) for some in same.values()], np.int64),
        "points": np.array([0 if each is None else len(each) for each in points], np.int64),
    }


def replay(
    kept: Any,
    source: ImageSource,
    model: PromptableModel,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.integer]:
    """Compute the labels of a session again.

    Parameters
    ----------
    kept : dict or str
        Record from :func:`provenance`, or its JSON.
    source : ImageSource
        The same image; the record's intensity limits stand in place of its own.
    model : PromptableModel
        A model with the same weights.
    should_stop : callable, optional
        Polled between objects; True stops.

    Returns
    -------
    ndarray
        Labels of the image's shape: int32, or int64 where a label needs it. Pixels that an object
        left to labels from outside the session are left out again; those labels are not there.

    Raises
    ------
    InputError
        If ``kept`` cannot be replayed: another model, several models, another shape.
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
    # The whole record is checked before any computation.
    added = (given for _, given in record["steps"] if not isinstance(given, int))
    objects = [_open_object(given, source) for given in added]
    largest = max((each.label or 0 for each in objects), default=0)
    dtype = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    labels: NDArray[np.integer] = np.zeros(source.shape, dtype)
    compositor = LabelCompositor(ArrayTarget(labels))
    if "limits" in record["image"]:
        source = DisplayedSource(source, limits_from_record(record["image"]["limits"]))
    seen = with_views(model, record.get("views", 1))
    predictor = Predictor(source, seen, EmbeddingCache())
    # Pixels that each commit left out when it was made for the first time.
    left_out: dict[tuple[int, int], MaskSet | None] = {}
    opened = iter(objects)
    for _, given in record["steps"]:
        check(should_stop)
        if isinstance(given, int):
            compositor.remove(given)
            continue
        key = given["id"], given["commit"]["order"]
        computed = _computed(next(opened), given, left_out.get(key), predictor)
        written = compositor.add(computed)
        assert written.commit is not None
        left_out[key] = written.commit.left_out
    return labels


def _check_one_model(record: SessionRecord) -> None:
    views = [str(record["views"])] if "views" in record else []
    own = [record["weights_sha256"], record["precision"], *views]
    for _, given in record["steps"]:
        model = () if isinstance(given, int) else given["commit"].get("model", ())
        if model and model[1:] != own:
            assert not isinstance(given, int)
            raise InputError(
                f"The session used several models: {_describe([record['model'], *own])} and, for "
                f"object {given['id']}, {_describe(model)}. It can be replayed only if all "
                "objects were segmented with one."
            )


def _describe(model: Sequence[str]) -> str:
    """Return name, precision and views of a model, as :attr:`Predictor.identity` has them."""
    # A damaged record may have fewer.
    known = [*model[2:3], *(f"{views} views" for views in model[3:])]
    return f"{model[0]} ({', '.join(known)})"


def _open_object(record: ObjectRecord, source: ImageSource) -> SegmentedObject:
    """Return the object of a record as it was before its commit."""
    open_again = record.copy()
    open_again.pop("commit", None)
    return object_from_record(open_again, source.shape)


def _computed(
    each: SegmentedObject, record: ObjectRecord, left_out: MaskSet | None, predictor: Predictor
) -> SegmentedObject:
    """Return the committed object with a mask that is computed from its prompt.

    A propagated part has the mask of its record.
    """
    if each.propagated:
        return _known_pixels(object_from_record(record, predictor.source.shape), left_out)
    (found,) = predictor.candidates(each.plane, [(each.prompt, each.before)])
    if not each.choice < len(found):
        raise InputError(f"Object {each.id} has no candidate {each.choice}.")
    mask = found[each.choice]
    if each.painted is not None:
        mask = apply_paint(mask, each.painted)
    again = object_from_record(record, predictor.source.shape, mask)
    return _known_pixels(again, left_out)


def _known_pixels(each: SegmentedObject, left_out: MaskSet | None) -> SegmentedObject:
    """Return a committed object that left out pixels before, if it did."""
    if left_out is None or each.commit is None:
        return each
    return replace(each, commit=replace(each.commit, left_out=left_out))
