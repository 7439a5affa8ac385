"""Objects asked for with what is there already: other layers, and tables of other tools."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.errors import InputError
from napari_segany.io.detections import Detections, TableImage, TableOptions, read_detections
from napari_segany.io.pixel_size import PixelSize, from_names
from napari_segany.plugin.layers.labels_to_prompts import How, objects_of
from napari_segany.plugin.prompt.controller import Given, PromptController

LETTERS = "QITZ"
"""Axes that count planes, the last ones of which stacks have most often."""


def take_labels(
    controller: PromptController, layer: Any, how: How = "mask", every_plane: bool = False
) -> None:
    """Begin an object for each one of a labels layer; it keeps its label.

    They are found in another thread and begun a few at a time.

    Parameters
    ----------
    controller : PromptController
        With an image, a plane of which is in view.
    layer : napari.layers.Labels
        Wherever it lies.
    how : {"mask", "box"}
        Refine each object's mask, or ask with its bounding box.
    every_plane : bool
        Of all planes parallel to the one in view, instead of that one.
    """
    if layer is None:
        raise InputError("Choose a labels layer first.")
    plane, picture = _plane(controller), controller.picture
    assert picture is not None
    if controller.labels is layer:
        # What is refined stays as it was, to be compared with.
        controller.into(None)
    planes = _parallel(controller, plane) if every_plane else [plane]
    notes: set[str] = set()
    viewer = controller.viewer
    searches = [objects_of(viewer, picture, layer, each, how, notes) for each in planes]

    def find(should_stop: ShouldStop) -> list[Given]:
        return [each for search in searches for each in search(should_stop)]

    controller.add_later(find, notes)


def take_layer(controller: PromptController, layer: Any) -> None:
    """Begin the objects that a points or shapes layer asks for; the layer stays as it is.

    See :meth:`Reader.read_other` for what its features may say.
    """
    if layer is None:
        raise InputError("Choose a points or shapes layer first.")
    found = controller.reader().read_other(layer)
    if not found:
        raise InputError(f"Nothing in {layer.name} lies in the image.")
    controller.add([prompt for _, prompt in found], [plane for plane, _ in found])


def take_table(
    controller: PromptController, path: str | Path, choices: TableOptions | None = None
) -> Detections:
    """Begin an object for each box or point of a file; see :func:`read_detections`.

    Those without a plane lie in the plane in view.

    Returns
    -------
    Detections
        How the file was understood, and which rows were left out.
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
    controller.add(prompts, planes)
    return found


def _letters(controller: PromptController, plane: Plane) -> dict[str, int]:
    """A letter for each axis that counts planes: its label if that is one, else a usual one."""
    picture = controller.picture
    assert picture is not None
    labels = [str(label).upper() for label in picture.layer.axis_labels[picture.left_out :]]
    axes = [axis for axis, n in enumerate(plane) if n is not None]
    own = [labels[axis] for axis in axes]
    usable = len(set(own)) == len(own) and all(len(a) == 1 and a in LETTERS for a in own)
    return dict(zip(own if usable else LETTERS[-len(axes) :] if axes else "", axes, strict=True))


def _pixel_size(controller: PromptController, plane: Plane) -> PixelSize:
    """The size of a pixel along the rows, columns and planes in view."""
    picture = controller.picture
    assert picture is not None
    scale = [float(step) for step in picture.layer.scale[picture.left_out :]]
    seen = [axis for axis, n in enumerate(plane) if n is None]
    axes = {**_letters(controller, plane), **dict(zip("YX", seen, strict=True))}
    units = {letter: str(picture.units[axis]) for letter, axis in axes.items()}
    return from_names({letter: scale[axis] for letter, axis in axes.items()}, units)


def _plane(controller: PromptController) -> Plane:
    if controller.plane is None:
        raise InputError("Choose an image, and a plane of it to look at.")
    return controller.plane


def _parallel(controller: PromptController, plane: Plane) -> list[Plane]:
    """All planes beside one along the last of its axes, itself included."""
    axes = [axis for axis, n in enumerate(plane) if n is not None]
    if not axes or controller.picture is None:
        return [plane]
    return [_moved(plane, {axes[-1]: n}) for n in range(controller.picture.shape[axes[-1]])]


def _moved(plane: Plane, to: Mapping[int, int]) -> Plane:
    """The plane with other indices along some of its axes."""
    return tuple(to.get(axis, n) for axis, n in enumerate(plane))
