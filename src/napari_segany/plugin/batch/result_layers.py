"""Layers of a batch's images and labels."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Layer

from napari_segany.batch.plan import Outcome
from napari_segany.errors import InputError
from napari_segany.plugin.jobs.chunked import do_in_turns
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.reader_writer import LayerData, read, read_images


def open_results(viewer: Any, paths: Iterable[Path], outcomes: Sequence[Outcome]) -> list[Any]:
    """Add images with their labels to a viewer, and return the layers; see :func:`read_results`."""
    layers = [_make_layer(each) for each in read_results(paths, outcomes)]
    return [add_layer(viewer, layer) for layer in layers]


def open_in_turns(
    viewer: Any,
    jobs: JobQueue,
    paths: Iterable[Path],
    outcomes: Sequence[Outcome],
    failed: Callable[[Exception], None],
) -> None:
    """Read images and their labels in the background, and add a layer a turn of the event loop.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue of the work.
    paths, outcomes
        As for :func:`read_results`.
    failed : callable
        Called with an error.
    """
    chosen, known = list(paths), list(outcomes)

    def add(described: list[LayerData]) -> None:
        parts = (add_layer(viewer, _make_layer(each)) for each in described)
        do_in_turns(jobs, "results", parts, failed)

    jobs.run_beside(lambda _: read_results(chosen, known), add, failed)


def read_results(paths: Iterable[Path], outcomes: Sequence[Outcome]) -> list[LayerData]:
    """Return values, properties and kind of the layers of images and of their labels.

    Parameters
    ----------
    paths : iterable of Path
        The images.
    outcomes : sequence of Outcome
        Outcomes of a batch, those of the images among them.

    Raises
    ------
    InputError
        If an image has no labels yet.
    """
    return [each for path in paths for each in _read_result(path, outcomes)]


def _read_result(path: Path, outcomes: Sequence[Outcome]) -> list[LayerData]:
    outcome = next((each for each in outcomes if each.path == path), None)
    if outcome is None or outcome.files is None or not outcome.files.all()[0].exists():
        raise InputError(f"{path.name} has no labels yet.")
    # napari's own reader ignores the pixel size.
    return [*read_images(path), *read(str(outcome.files.all()[0]))]


def _make_layer(described: LayerData) -> Any:
    values, given, kind = described
    return Layer.create(values, given, kind)
