"""Planes that are added to a project, from layers and from files."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.inputs import find_inputs
from napari_segany.batch.plan import ReadOptions, chosen_layout
from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.intensity import to_rgb
from napari_segany.io.read import open_image
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import viewed_plane
from napari_segany.plugin.learn.controller import LearnController, many
from napari_segany.training.project_folder import added

NamedPlane = tuple[str, NDArray[np.uint8]]
"""Name of a plane, and the plane as the model sees it, (H, W, 3)."""


def layer_planes(viewer: Any, layer: Any, every_plane: bool) -> tuple[ImageSource, list[Plane]]:
    """Return an image layer's source, and its plane in view or all planes parallel to it."""
    view = LayerView(layer)
    viewed = viewed_plane(viewer, view)
    if not every_plane:
        return view.source(), [viewed]
    counts = [n for n, at in zip(view.shape, viewed, strict=True) if at is not None]
    planes: list[Plane] = []
    for index in np.ndindex(*counts):
        at = iter(index)
        planes.append(tuple(None if n is None else int(next(at)) for n in viewed))
    return view.source(), planes


def read_planes(
    name: str, source: ImageSource, planes: Iterable[Plane], should_stop: ShouldStop
) -> Iterator[NamedPlane]:
    """Yield planes of an image with their names."""
    for plane in planes:
        check(should_stop)
        numbers = "".join(f"_{n}" for n in plane if n is not None)
        yield f"{name}{numbers}", to_rgb(source.read(plane), source.limits)


def read_files(paths: Iterable[Path], should_stop: ShouldStop) -> Iterator[NamedPlane]:
    """Yield all planes of image files, and of those in folders."""
    for path in find_inputs([str(each) for each in paths]):
        with open_image(path) as image:
            layout = chosen_layout(image, ReadOptions())
            for index in layout.chosen():
                check(should_stop)
                numbers = "".join(f"_{n}" for n in index)
                name = path.name.partition(".")[0]
                yield f"{name}{numbers}", to_rgb(layout.read(image.data, index))


class Additions:
    """Adds planes to the project of a controller.

    Parameters
    ----------
    controller : LearnController
        Holder of the project.
    on_added : callable
        Called after images were added.
    """

    def __init__(self, controller: LearnController, on_added: Callable[[], object]) -> None:
        self._of, self._on_added, self._count = controller, on_added, 0

    def add_layer(self, layer: Any, every_plane: bool = False) -> None:
        """Add the plane of an image layer that is in view, or all planes parallel to it."""
        source, planes = layer_planes(self._of.viewer, layer, every_plane)
        name = str(layer.name)
        self._add(lambda should_stop: read_planes(name, source, planes, should_stop))

    def add_files(self, paths: Iterable[str | Path]) -> None:
        """Add image files, and those in folders; stacks give all their planes."""
        given = [Path(each) for each in paths]
        self._add(lambda should_stop: read_files(given, should_stop))

    def _add(self, read: Callable[[ShouldStop], Iterator[NamedPlane]]) -> None:
        of, folder = self._of, self._of.require_folder()

        def work(should_stop: ShouldStop) -> tuple[list[str], int]:
            taken = {each.name for each in folder.project.images}
            names, known = [], 0
            for name, rgb in read(should_stop):
                called = folder.write_image(name, rgb, taken)
                if called is None:
                    known += 1
                else:
                    names.append(called)
                of.tell("Adding images", len(names) + known, 0)
            return names, known

        def done(found: tuple[list[str], int]) -> None:
            names, known = found
            if folder is not of.folder:
                return
            of.change(added(names))
            text = f"{many(len(names), 'image')} added."
            of.status.emit(f"{text} {known} were there already." if known else text, "info")
            of.changed.emit()
            of.unranked.emit()
            self._on_added()

        self._count += 1
        of.jobs.submit(("add", self._count), Priority.REQUEST, work, done, of.on_failed)
