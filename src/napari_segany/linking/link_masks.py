"""Linking of mask sets, for scripts: one set a plane, one volume of objects."""

from collections.abc import Iterable

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.overlap import Overlap
from napari_segany.core.rasterize import paint
from napari_segany.errors import InputError
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_volume import LinkedVolume, link_volume
from napari_segany.linking.plane_candidates import gather_candidates


def link_masks(
    masks: Iterable[MaskSet],
    params: LinkParams | None = None,
    *,
    overlap: Overlap = "small_on_top",
    min_area: int = 0,
    threshold: float | None = None,
    should_stop: ShouldStop | None = None,
) -> LinkedVolume:
    """Link the masks of planes into objects of a volume, without the model.

    Sets from a generator bring the candidates that they left out, and one of them is taken where it
    fits the neighbouring planes better.

    Parameters
    ----------
    masks : iterable of MaskSet
        One set a plane, in order, such as :func:`generate_masks` returns; all of one shape.
    params : LinkParams, optional
        Rules and filters.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Mask that owns a pixel which several masks of a plane cover.
    min_area : int
        Leave out masks with fewer pixels, and objects that keep fewer in a plane.
    threshold : float, optional
        Predicted IoU that masks needed to be found, 0..1; by default the lowest of the masks.
    should_stop : callable, optional
        Polled from time to time.

    Returns
    -------
    LinkedVolume
        Its ``labels()`` are (planes, H, W) int32, ``objects()`` is a table, and ``filter`` leaves
        out objects.

    Raises
    ------
    InputError
        If there are no masks, or the planes have different shapes.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> import numpy as np
    >>> disc = np.hypot(*np.mgrid[-8:9, -8:9]) < 6
    >>> volume = link_masks([MaskSet.from_masks([disc])] * 3)
    >>> volume.count, volume.labels().max(axis=(1, 2)).tolist()
    (1, [1, 1, 1])
    """
    planes = list(masks)
    shapes = {each.shape for each in planes}
    if len(shapes) != 1:
        sizes = " and ".join(f"{h} x {w}" for h, w in sorted(shapes))
        raise InputError(f"Planes of one size are linked, got {sizes or 'none'}.")
    if threshold is None:
        lowest = [float(each.predicted_iou.min()) for each in planes if len(each)]
        threshold = min(lowest, default=0.0)
    candidates = [
        gather_candidates(each, *paint(each, overlap, min_area), threshold, min_area)
        for each in planes
    ]
    shape = (len(planes), *shapes.pop())
    return link_volume(
        candidates.__getitem__, shape, params, overlap=overlap, should_stop=should_stop
    )
