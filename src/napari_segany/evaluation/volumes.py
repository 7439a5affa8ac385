"""Accuracy of linked objects: scores of whole volumes, by contingency over their planes."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.label_images import as_ids
from napari_segany.core.planes import StackLayout
from napari_segany.errors import BlankPlaneError
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.evaluation.instance_metrics import (
    ObjectOverlaps,
    mean_scores,
    score_instances,
)
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.io.atomic import writing
from napari_segany.io.read import OpenedImage
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_stack import check_axis
from napari_segany.models.protocol import PromptableModel
from napari_segany.plane_search import PlaneParts, decode_parts, find_parts, link_parts
from napari_segany.segmentation import make_recipe


def measure_volumes(
    model: PromptableModel,
    image: OpenedImage,
    truth: OpenedImage,
    layout: StackLayout,
    settings: EvaluationSettings,
    store: Path,
    report: Callable[[float], None],
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Segment and link the planes of an image, and score its volumes.

    Parameters
    ----------
    model : PromptableModel
        Model to measure.
    image, truth : OpenedImage
        The image, and labels of which an object has one id in all planes of a volume.
    layout : StackLayout
        The planes of both.
    settings : EvaluationSettings
        Parameters of automatic segmentation and of linking.
    store : Path
        Folder for what linking needs of planes, which are not computed a second time.
    report : callable
        Called with the share of planes that are done.
    should_stop : callable, optional
        Polled all the time.

    Returns
    -------
    dict
        ``instances``, the :class:`InstanceScores` of the mean volume.

    Raises
    ------
    InputError
        If the image has no axis to link along.
    Cancelled
        If ``should_stop`` returned True.
    """
    params = settings.link or LinkParams()
    check_axis(layout, params)
    own: Any = {"axes": layout.axes, "channels": layout.channels, "planes": layout.ranges}
    recipe = make_recipe(model, settings.params, settings.labels, link=params, **own)
    planes = list(layout.chosen())
    kind = "candidates" if params.link_from == "masks" else "maps"

    def stored(index: tuple[int, ...]) -> Path:
        """Return the file with what is known of a plane; empty for a blank one."""
        return store / f"{kind}_{layout.number(index):06d}.npz"

    for done, index in enumerate(planes):
        report(done / len(planes))
        path = stored(index)
        if not path.exists():
            try:
                content = find_parts(
                    image.data, layout, recipe, model, index, should_stop=should_stop
                ).to_bytes()
            except BlankPlaneError:
                content = b""
            with writing(path) as temporary:
                temporary.write_bytes(content)

    def load(index: tuple[int, ...]) -> PlaneParts | None:
        content = stored(index).read_bytes()
        return decode_parts(content) if content else None

    stack = link_parts(layout, recipe, load, should_stop)
    tables: dict[tuple[int, ...], list[ContingencyTable]] = {}
    for index, labels in stack.planes():
        true = as_ids(np.asarray(truth.data[index]), "The truth")
        tables.setdefault(stack.volume_of(index), []).append(
            ContingencyTable.from_labels(true, labels)
        )
    scores = []
    for parts in tables.values():
        table = ContingencyTable.concatenate(parts)
        scores.append(score_instances(ObjectOverlaps.from_pairs(table.labels, table.pixels)))
    return {"instances": asdict(mean_scores(scores))}
