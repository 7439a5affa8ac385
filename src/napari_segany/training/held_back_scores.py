"""Scores of a finder on planes that it did not learn from."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.rasterize import paint
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.recipe import LabelParams
from napari_segany.training.labelled_planes import LabelledPlane

IGNORED = 0.5
"""Part of a found object on unknown ground above which it is not counted."""


@dataclass(frozen=True)
class PlaneScore:
    """Objects that a finder found in a plane, and their scores.

    Attributes
    ----------
    name : str
        The plane.
    objects, found : int
        Number of true and of found objects on known ground.
    msa, sa50 : float
        Mean of TP / (TP + FP + FN) over IoU .5 to .95, and at IoU .5, 0..1.
    labels : ndarray
        (H, W) labels that were found, also on unknown ground.
    """

    name: str
    objects: int
    found: int
    msa: float
    sa50: float
    labels: NDArray[np.unsignedinteger]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores, as files store them."""
        return {
            "plane": self.name,
            "objects": self.objects,
            "found": self.found,
            "msa": round(self.msa, 4),
            "sa50": round(self.sa50, 4),
        }


def score_plane(
    model: PromptableModel,
    params: FinderParams,
    plane: LabelledPlane,
    *,
    embedding: Embedding | None = None,
    should_stop: ShouldStop | None = None,
) -> PlaneScore:
    """Find the objects of a plane with a finder, and compare them with its labels.

    Parameters
    ----------
    model : PromptableModel
        The model.
    params : FinderParams
        The finder, installed or loaded, and how it is used.
    plane : LabelledPlane
        The plane. Found objects that lie mostly on unknown ground are not counted, nor are
        unknown pixels of the others.
    embedding : Embedding, optional
        Of the plane, with stages.
    should_stop : callable, optional
        Polled often.
    """
    masks = generate_masks(
        *(model, plane.rgb, params),
        embedding=embedding,
        should_stop=should_stop,
        refilter=False,
    )
    labels, _ = paint(masks, **asdict(LabelParams()))
    known = plane.labels >= 0
    size = np.bincount(labels.ravel())
    outside = np.bincount(labels[~known], minlength=len(size))
    counted = known & (outside <= IGNORED * size)[labels]
    found = np.where(counted, labels, 0)
    scores = score_instances(ObjectOverlaps.from_labels(np.maximum(plane.labels, 0), found))
    return PlaneScore(plane.name, scores.truth, scores.found, scores.msa, scores.sa50, labels)
