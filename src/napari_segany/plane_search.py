"""Search of one plane of a stack with a recipe, and what linking keeps of it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.classification.classify_masks import (
    classify_objects,
    tile_classifier,
    without_left_out,
)
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.core.rasterize import paint
from napari_segany.core.region import region_of
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import choose_generator, generate_masks
from napari_segany.generators.quality import Quality
from napari_segany.generators.volumes.find_maps import check_finder, find_maps
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.region_volume import RegionVolume, segment_maps
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_stack import LinkedStack
from napari_segany.linking.linked_volume import LinkedVolume, link_volume
from napari_segany.linking.plane_candidates import PlaneCandidates, gather_candidates
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe
from napari_segany.tiled_planes import find_in_tiles, tiles_of
from napari_segany.weights.finder_card import FinderCard
from napari_segany.weights.finders import installed_finders

Volume = LinkedVolume | RegionVolume
"""Objects of one volume, from masks or from maps."""

PlaneParts = PlaneCandidates | PlaneMaps
"""Parts of a plane that linking keeps: candidates to link, or maps to cut into objects."""


def progress_over_planes(
    progress: Progress | None,
    layout: StackLayout,
    recipe: Recipe,
    region: NDArray[np.generic] | None,
) -> list[Progress] | None:
    """Return one callable a plane that reports steps of the whole stack."""
    if progress is None:
        return None
    shape = layout.labels_shape[-2], layout.labels_shape[-1]
    generator = choose_generator(recipe.params, recipe.faithful)
    if region is None or region.ndim == 2:
        counts = [generator.count_steps(shape, region_of(region, ()))] * layout.chosen_count
    else:
        counts = [generator.count_steps(shape, region_of(region, i)) for i in layout.chosen()]
    before = np.cumsum([0, *counts]).tolist()

    def from_plane(start: int) -> Progress:
        return lambda done, _: progress(start + done, before[-1])

    return [from_plane(start) for start in before[:-1]]


def find_masks(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    index: tuple[int, ...],
    *,
    region: NDArray[np.generic] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    refilter: bool = False,
) -> tuple[NDArray[np.generic], MaskSet]:
    """Return a plane as it was read, and the masks that are found in it, with their classes.

    Parameters
    ----------
    data, layout, recipe
        The stack, and the results of :func:`napari_segany.segmentation.resolve_stack`.
    model : PromptableModel
        The model.
    index : tuple of int
        Place of the plane along the leading axes.
    region : ndarray, optional
        (Y, X), or of the shape of the labels; points are prompted only where it is above zero.
    progress, should_stop : callable, optional
        Called with steps done and in all; polled all the time.
    refilter : bool
        Keep candidates beyond the thresholds, too; see :func:`generate_masks`.

    Raises
    ------
    PlaneError
        If the plane cannot be read, or is blank.
    """
    image = layout.read(data, index)
    ways: Any = {"progress": progress, "should_stop": should_stop, "refilter": refilter}
    embedding, classes = None, recipe.classes
    try:
        if classes is not None:
            classes.check_model(model.id, model.weights.sha256)
        if tiles_of(recipe, (image.shape[0], image.shape[1])) is not None:
            ways |= {"region": region_of(region, index), "classify": tile_classifier(classes)}
            masks = find_in_tiles(data, layout, recipe, model, index, **ways)
            return image, masks if classes is None else without_left_out(masks, classes)
        if classes is not None:
            # The plane is embedded once for objects and classes.
            rgb = to_rgb(image, recipe.limits)
            embedding = model.embed(rgb, stages=True, should_stop=should_stop)
        masks = generate_masks(
            model,
            image,
            recipe.params,
            faithful=recipe.faithful,
            limits=recipe.limits,
            region=region_of(region, index),
            embedding=embedding,
            **ways,
        )
        if classes is not None:
            found = classify_objects(model, rgb, masks, classes, embedding, should_stop)
            masks = without_left_out(replace(masks, classes=found), classes)
    except InputError as error:
        raise _of_plane(error, layout, index) from error
    return image, masks


def find_parts(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    index: tuple[int, ...],
    *,
    region: NDArray[np.generic] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> PlaneParts:
    """Search a plane and return what linking needs of it; see :func:`find_masks`.

    Raises
    ------
    InputError
        If objects are made from maps, and the recipe's generator is not the finder.
    PlaneError
        If the plane cannot be read, or is blank.
    """
    ways: Any = {"progress": progress, "should_stop": should_stop}
    if (recipe.link or LinkParams()).link_from == "maps":
        image, inside = layout.read(data, index), region_of(region, index)
        own = None if inside is None else np.asarray(inside) > 0
        try:
            return find_maps(model, image, recipe.params, limits=recipe.limits, region=own, **ways)
        except InputError as error:
            raise _of_plane(error, layout, index) from error
    _, masks = find_masks(data, layout, recipe, model, index, region=region, refilter=True, **ways)
    return candidates_of(masks, recipe)


def candidates_of(masks: MaskSet, recipe: Recipe) -> PlaneCandidates:
    """Return the candidates of a plane whose masks were found with a recipe."""
    labels, source = paint(masks, **asdict(recipe.labels))
    floor = getattr(recipe.params, "pred_iou_floor", 0.0)
    return gather_candidates(masks, labels, source, max(floor, 0.0), recipe.labels.min_area)


def decode_parts(content: bytes) -> PlaneParts:
    """Restore what linking keeps of a plane, of either kind, from its ``to_bytes()``.

    Raises
    ------
    SeganyError
        If the bytes are incomplete.
    """
    if PlaneMaps.is_of(content):
        return PlaneMaps.from_bytes(content)
    return PlaneCandidates.from_bytes(content)


def make_volume(
    load: Callable[[int], PlaneParts | None],
    shape: tuple[int, int, int],
    recipe: Recipe,
    should_stop: ShouldStop | None = None,
) -> Volume:
    """Make the objects of one volume from what is kept of its planes, without the model.

    Parameters
    ----------
    load : callable
        Returns what is kept of plane ``n``, None for a plane without any. It is called again while
        labels are painted.
    shape : tuple of int
        (planes, H, W).
    recipe : Recipe
        The recipe of the planes; its ``link`` says how objects are made, and which are left out.
    should_stop : callable, optional
        Polled from time to time.

    Raises
    ------
    InputError
        If the finder that predicted maps is not here.
    Cancelled
        If ``should_stop`` returned True.
    """
    params = recipe.link or LinkParams()
    if params.link_from == "masks":

        def load_masks(number: int) -> PlaneCandidates:
            parts = load(number)
            return parts if isinstance(parts, PlaneCandidates) else PlaneCandidates.empty(shape[1:])

        return link_volume(
            load_masks, shape, params, recipe.labels.overlap, should_stop=should_stop
        )

    def load_maps(number: int) -> PlaneMaps | None:
        parts = load(number)
        return parts if isinstance(parts, PlaneMaps) else None

    volume = segment_maps(
        load_maps,
        shape,
        quality_of_maps(check_finder(recipe.params), map(load_maps, range(shape[0]))).region,
        smoothing=params.smoothing,
        outline=params.outline,
        should_stop=should_stop,
    )
    return volume.filter(
        min_planes=params.min_planes,
        min_volume=params.min_volume,
        min_mean_score=params.min_mean_score,
    )


def link_parts(
    layout: StackLayout,
    recipe: Recipe,
    load: Callable[[tuple[int, ...]], PlaneParts | None],
    should_stop: ShouldStop | None = None,
) -> LinkedStack:
    """Link the planes of a stack as ``recipe.link`` says, without the model.

    Parameters
    ----------
    layout : StackLayout
        The planes.
    recipe : Recipe
        The recipe of the planes.
    load : callable
        Returns what is kept of the plane at an index, None for one without any.
    should_stop : callable, optional
        Polled from time to time.

    Raises
    ------
    InputError
        If the stack has no axis to link along, or the finder that predicted maps is not here.
    Cancelled
        If ``should_stop`` returned True.
    """

    def make(load_plane: Callable[[int], Any], shape: tuple[int, int, int]) -> Volume:
        return make_volume(load_plane, shape, recipe, should_stop)

    return LinkedStack(layout, load, recipe.link or LinkParams(), make_volume=make)


def quality_of_maps(params: FinderParams, planes: Iterable[PlaneMaps | None]) -> Quality:
    """Return the estimates of the finder that predicted most planes, which needs no model.

    Raises
    ------
    InputError
        If the finder is not on this machine.
    """
    card = finder_card(params.finder)
    if card.base is not None and not params.finder_everywhere:
        by_base = [each.by_base for each in planes if each is not None]
        if 2 * sum(by_base) > len(by_base):
            card = finder_card(card.base)
    return Quality.from_dict(card.quality)


def finder_card(sha256: str | None) -> FinderCard:
    """Return the card of an installed finder.

    Raises
    ------
    InputError
        If it is not on this machine.
    """
    for file in installed_finders():
        if file.sha256 == sha256:
            return file.card
    raise InputError(
        f"The finder {(sha256 or '')[:12]}... that predicts the maps is not on this machine. "
        "Import its file with: napari-segany models import-finder FILE"
    )


def _of_plane(error: InputError, layout: StackLayout, index: tuple[int, ...]) -> InputError:
    """Return an error that names the plane, if there are several."""
    return InputError(f"{layout.beginning(index)}{error}") if layout.leading else error
