"""Import of prompts from other layers, and from tables of other tools."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.errors import InputError
from napari_segany.io.detections import Detections, TableImage, TableOptions, read_detections
from napari_segany.io.pixel_size import PixelSize, from_names
from napari_segany.plugin.layers.labels_to_prompts import How, objects_of
from napari_segany.plugin.prompt.bulk_steps import NewObject
from napari_segany.plugin.prompt.controller import PromptController

LETTERS = "QITZ"
"""Letters of the axes along which planes are counted; stacks use the last ones most often."""


def import_labels(
    controller: PromptController, layer: Any, how: How = "mask", every_plane: bool = False
) -> None:
    """Begin an object for each object of a labels layer, with the same label.

    Objects are found in another thread and begun in chunks.

    Parameters
    ----------
    controller : PromptController
        Controller with an image, a plane of which is in view.
    layer : napari.layers.Labels
        Any labels layer; its transform is applied.
    how : {"mask", "box"}
        Prompt with the mask of each object, or with its bounding box.
    every_plane : bool
        Import from all planes parallel to the one in view, instead of that one.
    """
    if layer is None:
        raise InputError("Choose a labels layer first.")
    plane, view = _plane(controller), controller.view
    assert view is not None
    if controller.labels is layer:
        # The labels that are refined stay unchanged, for comparison.
        controller.commit_into(None)
    planes = _parallel(controller, plane) if every_plane else [plane]
    notes: set[str] = set()
    viewer = controller.viewer
    searches = [objects_of(viewer, view, layer, each, how, notes) for each in planes]

    def find(should_stop: ShouldStop) -> list[NewObject]:
        return [each for search in searches for each in search(should_stop)]

    controller.add_later(find, notes)


def import_layer(controller: PromptController, layer: Any) -> None:
    """Begin an object for each prompt of a points or shapes layer; the layer is not changed.

    See :meth:`LayerReader.read_other` for the features of the layer.
    """
    if layer is None:
        raise InputError("Choose a points or shapes layer first.")
    found = controller.make_reader().read_other(layer)
    if not found:
        raise InputError(f"Nothing in {layer.name} lies in the image.")
    controller.add_prompts([prompt for _, prompt in found], [plane for plane, _ in found])


def import_table(
    controller: PromptController, path: str | Path, choices: TableOptions | None = None
) -> Detections:
    """Begin an object for each box or point of a file; see :func:`read_detections`.

    Boxes and points without a plane belong to the plane in view.

    Returns
    -------
    Detections
        The content of the file, with remarks on its interpretation and on skipped rows.
    """
    plane = _plane(controller)
    assert controller.session is not None
    shape = controller.session.source.shape
    axes = _letters(controller, plane)
    source = getattr(getattr(controller.image, "source", None), "path", None)
    image = TableImage(
        plane_shape(shape, plane),
        {letter: shape[axis] for letter, axis in axes.items()},
        _pixel_size(controller, plane),
        None if source is None else Path(source).name,
        plane_is_last=plane[-2:] == (None, None),
    )
    found = read_detections(path, image, choices)
    prompts = [each.prompt(image.shape) for each in found]
    planes = [_moved(plane, {axes[a]: n for a, n in each.place.items()}) for each in found]
    controller.add_prompts(prompts, planes)
    return found


def _letters(controller: PromptController, plane: Plane) -> dict[str, int]:
    """Return the axis of each letter; an axis label is used if it is such a letter."""
    view = controller.view
    assert view is not None
    labels = [str(label).upper() for label in view.layer.axis_labels[view.left_out :]]
    axes = [axis for axis, n in enumerate(plane) if n is not None]
    own = [labels[axis] for axis in axes]
    usable = len(set(own)) == len(own) and all(len(a) == 1 and a in LETTERS for a in own)
    return dict(zip(own if usable else LETTERS[-len(axes) :] if axes else "", axes, strict=True))


def _pixel_size(controller: PromptController, plane: Plane) -> PixelSize:
    """Return the size of a pixel along the rows, columns and planes in view."""
    view = controller.view
    assert view is not None
    scale = [float(step) for step in view.layer.scale[view.left_out :]]
    seen = [axis for axis, n in enumerate(plane) if n is None]
    axes = {**_letters(controller, plane), **dict(zip("YX", seen, strict=True))}
    units = {letter: str(view.units[axis]) for letter, axis in axes.items()}
    return from_names({letter: scale[axis] for letter, axis in axes.items()}, units)


def _plane(controller: PromptController) -> Plane:
    if controller.plane is None:
        raise InputError("Choose an image, and a plane of it to look at.")
    return controller.plane


def _parallel(controller: PromptController, plane: Plane) -> list[Plane]:
    """Return all planes parallel to a plane along the last of its axes, itself included."""
    axes = [axis for axis, n in enumerate(plane) if n is not None]
    if not axes or controller.view is None:
        return [plane]
    return [_moved(plane, {axes[-1]: n}) for n in range(controller.view.shape[axes[-1]])]


def _moved(plane: Plane, to: Mapping[int, int]) -> Plane:
    """Return the plane with other indices along some of its axes."""
    return tuple(to.get(axis, n) for axis, n in enumerate(plane))
