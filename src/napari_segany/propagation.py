"""Objects through the planes of a stack, for Python, command line and docks alike."""

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.display import Normalise
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.core.sequences import as_array
from napari_segany.core.units import convert
from napari_segany.errors import BlankPlaneError, InputError
from napari_segany.linking.propagation.appearance import PlaneView
from napari_segany.linking.propagation.chains import OnAnswer
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.region_source import FindRegions
from napari_segany.linking.propagation.result import Given, Propagation
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.registry import load_model
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe, resolve_stack
from napari_segany.volume_regions import VolumeRegions

MOTION_AXIS = "T"
"""Axis along which objects move, so that their motion is predicted."""


SPACE_AXIS = "Z"
"""Axis along which the step between planes is a length."""


class StackPlanes:
    """Planes along one axis of a stack, read and embedded when they are asked for.

    Parameters
    ----------
    data : array
        The stack, maybe lazy.
    layout : StackLayout
        Its axes.
    along : str
        The axis.
    index : tuple of int
        A plane of the stack: the place along the other leading axes.
    recipe : Recipe
        Its intensity limits, settled.
    model : PromptableModel
        The model that embeds planes.
    should_stop : callable, optional
        Polled while planes are embedded.
    """

    def __init__(
        self,
        data: Any,
        layout: StackLayout,
        along: str,
        index: tuple[int, ...],
        recipe: Recipe,
        model: PromptableModel,
        should_stop: ShouldStop | None = None,
    ) -> None:
        self._data, self._layout, self._index, self._model = data, layout, index, model
        self._axis = layout.leading.index(along)
        self._limits = recipe.limits
        self._should_stop = should_stop
        self._embeddings = EmbeddingCache()
        self._regions = VolumeRegions(model, self.read, len(self.planes), self._limits)

    @property
    def find_regions(self) -> FindRegions:
        """Callable that looks at all planes once, and returns the regions of the volume."""
        return self._regions.find

    @property
    def planes(self) -> range:
        """The planes along the axis."""
        return range(self._layout.leading_shape[self._axis])

    def index(self, plane: int) -> tuple[int, ...]:
        """Return the index of a plane along all leading axes."""
        return (*self._index[: self._axis], plane, *self._index[self._axis + 1 :])

    def read(self, plane: int) -> NDArray[np.generic]:
        """Return the pixels of a plane; raise BlankPlaneError if it is blank."""
        return self._layout.read(self._data, self.index(plane))

    def __call__(self, plane: int) -> PlaneView | None:
        """Return a plane; None if it is blank."""
        try:
            image = self.read(plane)
        except BlankPlaneError:
            return None
        embedding = self._embeddings.get(plane)
        if embedding is None:
            embedding = self._model.embed(image, limits=self._limits, should_stop=self._should_stop)
            self._embeddings.put(plane, embedding)
        return PlaneView(embedding, image)


def default_params(along: str) -> PropagationParams:
    """Return the parameters for an axis: along T, motion is predicted."""
    return PropagationParams(predict_motion=along == MOTION_AXIS)


def choose_axis(layout: StackLayout, along: str | None) -> str:
    """Return the axis along which objects are followed: by default the last one of planes.

    Raises
    ------
    InputError
        If the stack has no such axis.
    """
    if along is None and layout.leading:
        longer = [
            axis
            for axis, length in zip(layout.leading, layout.leading_shape, strict=True)
            if length > 1
        ]
        return (longer or [*layout.leading])[-1]
    if along is None or along not in layout.leading:
        has = f"has planes along {', '.join(layout.leading)}" if layout.leading else "is one plane"
        raise InputError(f"Objects are followed along an axis of planes; the image {has}.")
    return along


def plane_spacing(pixel_size: Mapping[str, tuple[float, str]], along: str) -> float | None:
    """Return the step between planes in pixels of a plane, from size and unit of a step by axis.

    None for other axes than Z, and where a size is not known or units cannot be compared.

    Examples
    --------
    >>> plane_spacing({"Z": (50, "nm"), "Y": (0.005, "um")}, "Z")
    10.0
    """
    if along != SPACE_AXIS or not {along, "Y"} <= set(pixel_size):
        return None
    (step, unit), (height, other) = pixel_size[along], pixel_size["Y"]
    same = convert(step, unit, other)
    return None if same is None else same / height


def propagate(
    image: ArrayLike,
    prompts: Mapping[int, Mapping[int, Given]],
    axes: str | None = None,
    model: PromptableModel | str | os.PathLike[str] = "auto",
    params: PropagationParams | None = None,
    *,
    along: str | None = None,
    at: Mapping[str, int] | None = None,
    spacing: float | None = None,
    channels: int | tuple[int, ...] = 0,
    normalise: Normalise = "plane",
    earlier: Propagation | None = None,
    on_answer: OnAnswer | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Propagation:
    """Follow objects from the planes on which they are prompted through a volume or a movie.

    Parameters
    ----------
    image : array_like
        3-D to 5-D; numpy, dask or zarr, read plane by plane. An iterable of planes is put together.
    prompts : mapping
        For each object, by id (1 or more), its prompts by plane along the axis. A
        :class:`napari_segany.Prompt` is given to the model; a :class:`napari_segany.MaskSet` of
        one mask is taken as it is; None says that the object is not there. Prompted planes are
        never overwritten. A prompt that gives no mask is left out, with a warning, if the object
        has a mask on another plane: what is found there without the prompt stays.
    axes : str, optional
        One letter a dimension, as for :func:`napari_segany.segment_everything`.
    model : PromptableModel, str or path
        A loaded model or what :func:`napari_segany.load_model` takes.
    params : PropagationParams, optional
        When an object ends, and how it is searched for. By default, motion is predicted along T.
    along : str, optional
        The axis, such as "Z" or "T"; by default the last one that counts planes.
    at : mapping, optional
        Place along other axes that count planes, such as ``{"T": 3}``; by default 0.
    spacing : float, optional
        Step between planes in pixels of a plane, above 0: 10 for sections of 50 nm with pixels of
        5 nm.
    channels : int or tuple of int
        The channel to look at, or two or three to be seen as red, green and blue.
    normalise : "plane", "stack", tuple or Display
        Source of intensity limits, or the limits themselves, one (low, high) a channel; a
        :class:`Display` has gamma and colours, too.
    earlier : Propagation, optional
        The result before a correction: only the planes between the corrected plane and the next
        prompted ones are computed again, and the same object as before is given for a prompt that
        has not changed. With the method "regions" no plane is looked at again.
    on_answer : callable, optional
        Called with object, plane and what was found there.
    progress, should_stop : callable, optional
        Called with planes done and in all; polled to end early.

    Returns
    -------
    Propagation
        The objects; :meth:`Propagation.to_labels` paints them.

    Raises
    ------
    InputError
        If the data, axes or prompts cannot be used, or no prompt of an object gives a mask.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> box = Prompt(box=[40, 30, 90, 75])  # doctest: +SKIP
    >>> found = propagate(stack, {1: {12: box}}, axes="ZYX")  # doctest: +SKIP
    >>> labels = found.to_labels()  # doctest: +SKIP
    """
    loaded = load_model(model) if isinstance(model, (str, os.PathLike)) else model
    data = as_array(image)
    recipe = make_recipe(
        loaded,
        axes=axes or "",
        channels=tuple(channels) if isinstance(channels, Iterable) else (channels,),
        normalise=normalise,
    )
    layout, recipe = resolve_stack(data, recipe)
    axis = choose_axis(layout, along)
    index = tuple((at or {}).get(each, 0) for each in layout.leading)
    if unknown := sorted({*(at or {})} - {*layout.leading}):
        raise InputError(f"The image has no axis {unknown[0]} that counts planes.")
    if not all(0 <= i < n for i, n in zip(index, layout.leading_shape, strict=True)):
        raise InputError(f"There is no plane {dict(at or {})} in an image of shape {layout.shape}.")
    params = params or default_params(axis)
    # A memory sees planes as they are.
    loaded = with_views(loaded, 1) if params.method == "memory" else loaded
    stack = StackPlanes(data, layout, axis, index, recipe, loaded, should_stop)
    found = propagate_objects(
        loaded,
        stack,
        stack.planes,
        prompts,
        params,
        spacing=spacing,
        earlier=earlier,
        find_regions=(earlier and earlier.find_regions) or stack.find_regions,
        on_answer=on_answer,
        progress=progress,
        should_stop=should_stop,
    )
    for i, each in found.objects.items():
        for plane in each.without_mask:
            warnings.warn(
                f"Object {i}: its prompt on plane {plane} gives no mask and is left out; the "
                "object is followed there from its other planes.",
                stacklevel=2,
            )
    return found


def masks_as_prompts(labels: NDArray[np.integer]) -> dict[int, dict[int, Given]]:
    """Return each object of a sparse (N, Y, X) label stack as a mask on each of its planes.

    Planes without any label are planes to propagate to.

    Examples
    --------
    >>> labels = np.zeros((3, 8, 8), int)
    >>> labels[1, 2:5, 2:5] = 7
    >>> {i: list(planes) for i, planes in masks_as_prompts(labels).items()}
    {7: [1]}
    """
    prompts: dict[int, dict[int, Given]] = {}
    for plane, image in enumerate(labels):
        for i in np.unique(image[image > 0]).tolist():
            prompts.setdefault(i, {})[plane] = MaskSet.from_masks((image == i)[None])
    return prompts
