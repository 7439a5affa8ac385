"""Objects asked for with what is there already: other layers, and tables of other tools."""

from pathlib import Path
from typing import Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError
from napari_segany.io.detections import read_detections
from napari_segany.plugin.controller import Controller, Given
from napari_segany.plugin.from_labels import How, objects_of
from napari_segany.session.source import Plane, plane_shape


def take_labels(
    controller: Controller, layer: Any, how: How = "mask", every_plane: bool = False
) -> None:
    """Begin an object for each one of a labels layer; it keeps its label.

    They are found in another thread and begun a few at a time.

    Parameters
    ----------
    controller : Controller
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


def take_layer(controller: Controller, layer: Any) -> None:
    """Begin the objects that a points or shapes layer asks for; the layer stays as it is.

    See :meth:`Reader.read_other` for what its features may say.
    """
    if layer is None:
        raise InputError("Choose a points or shapes layer first.")
    found = controller.reader().read_other(layer)
    if not found:
        raise InputError(f"Nothing in {layer.name} lies in the image.")
    controller.add([prompt for _, prompt in found], [plane for plane, _ in found])


def take_table(controller: Controller, path: str | Path) -> None:
    """Begin an object for each box or point of a file; see :func:`read_detections`.

    Those without a plane lie in the plane in view.
    """
    plane = _plane(controller)
    assert controller.session is not None
    shape = controller.session.source.shape
    name = getattr(getattr(controller.image, "source", None), "path", None)
    found = read_detections(
        path, plane_shape(shape, plane), None if name is None else Path(name).name
    )
    planes = [_along(plane, each.plane) for each in found]
    if any(n is not None and n >= size for p in planes for n, size in zip(p, shape, strict=True)):
        raise InputError(f"{path} names planes that {controller.image.name} does not have.")
    controller.add([each.prompt() for each in found], planes)


def _plane(controller: Controller) -> Plane:
    if controller.plane is None:
        raise InputError("Choose an image, and a plane of it to look at.")
    return controller.plane


def _parallel(controller: Controller, plane: Plane) -> list[Plane]:
    """All planes beside one along the last of its axes, itself included."""
    axes = [axis for axis, n in enumerate(plane) if n is not None]
    if not axes or controller.picture is None:
        return [plane]
    return [_along(plane, n) for n in range(controller.picture.shape[axes[-1]])]


def _along(plane: Plane, index: int | None) -> Plane:
    """The plane with another index along the last of its axes."""
    axes = [axis for axis, n in enumerate(plane) if n is not None]
    if index is None or not axes:
        return plane
    return (*plane[: axes[-1]], index, *plane[axes[-1] + 1 :])
