"""A whole batch, as the command line and the dock run it: inspect, load the model, compute."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from napari_segany.batch.cluster import connect
from napari_segany.batch.executor import Executor, LocalExecutor
from napari_segany.batch.options import BatchOptions, ModelRequest, load_requested_model
from napari_segany.batch.plan import Batch, Outcome, error_of, inspect, log_notes
from napari_segany.batch.plane_loop import OnError, note_failure, run
from napari_segany.batch.products.labels import LABELS_PRODUCT
from napari_segany.batch.products.linked_labels import LINKED_LABELS_PRODUCT
from napari_segany.batch.products.tracked_labels import (
    TRACKED_LABELS_PRODUCT,
    TRACKED_VOLUMES_PRODUCT,
)
from napari_segany.batch.protocol import Files, Item, Product
from napari_segany.batch.report import write_report
from napari_segany.core.callbacks import OnBatchEvent, ShouldStop
from napari_segany.core.notes import note
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams, describe_choice
from napari_segany.io.exports import EXPORTS
from napari_segany.linking.tracks.laptrack_solver import check_installed
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe

logger = logging.getLogger(__name__)

LoadModel = Callable[[ModelRequest], PromptableModel]


class BatchRun:
    """One run of a batch.

    Parameters
    ----------
    options : BatchOptions
        The options.
    results : mapping of Path to Files
        The images, and the result files of each.
    product : Product, optional
        The kind of result; by default labels, linked if the options say so.
    axes_of : mapping of Path to str, optional
        Axes of single images, where they differ from those of the options.
    load_model : callable, optional
        Loads the model that computes in this process, or returns one that is loaded.
    on_error : callable, optional
        Called with every exception behind a failure.

    Raises
    ------
    InputError
        If objects are to be linked and an export cannot hold them, or a package is missing.
    """

    def __init__(
        self,
        options: BatchOptions,
        results: Mapping[Path, Files],
        product: Product | None = None,
        *,
        axes_of: Mapping[Path, str] | None = None,
        load_model: LoadModel = load_requested_model,
        on_error: OnError | None = None,
    ) -> None:
        self.options, self.results = options, results
        if options.link is not None or options.tracks is not None:
            _check_linked(options.outputs.exports)
        if options.tracks is not None:
            check_installed(options.tracks)
        self.product: Product = product or _labels_product(options)
        self.axes_of = axes_of or {}
        self._load_model, self._on_error = load_model, on_error

    def outcomes(
        self, progress: OnBatchEvent | None = None, should_stop: ShouldStop | None = None
    ) -> Generator[Outcome]:
        """Run the batch; see :func:`napari_segany.batch.plane_loop.run`.

        Parameters
        ----------
        progress, should_stop : callable, optional
            Called with the planes that are done; polled to end early.

        Yields
        ------
        Outcome
            One for each image, first those that cannot be read.

        Raises
        ------
        SeganyError
            If the model or the cluster is not available, or the model has other weights than the
            recipe.
        Cancelled
            If ``should_stop`` returned True; finished planes are kept.
        """
        options, items = self.options, []
        for found in inspect(self.results, options.read_options, self.axes_of):
            if isinstance(found, Item):
                items.append(found)
                log_notes(found.path, found.notes)
            else:
                yield self._unreadable(*found)
        if not items:
            if not self.product.name:
                write_report(options.output)
            return
        with self._executor() as executor:
            recipe = self._recipe(executor)
            batch = Batch(
                tuple(items),
                options.output,
                recipe,
                self.product,
                options.region,
                options.overwrite,
                options.region_box,
            )
            yield from run(
                batch, executor, progress=progress, should_stop=should_stop, on_error=self._on_error
            )

    def _unreadable(self, path: Path, error: Exception) -> Outcome:
        """Record that an image cannot be read."""
        if self._on_error is not None:
            self._on_error(error)
        text = error_of(path, error)
        output, name = self.options.output, self.results[path].name
        note_failure(output, name, path, text, self.product.name)
        return Outcome(path, "failed", error=text)

    @contextmanager
    def _executor(self) -> Iterator[Executor]:
        """Provide the executor; the model is loaded here, or on the workers."""
        options = self.options
        if options.is_local:
            yield LocalExecutor(self._load_model(options.request))
            return
        with connect(options.cluster, options.scheduler_file, options.request) as cluster:
            yield cluster
            for each in cluster.notes:
                note(logger, "on a worker %s; masks may differ in the last bits", each)

    def _recipe(self, executor: Executor) -> Recipe:
        """Return the recipe for the executor; log its differences from the recipe followed."""
        recipe = executor.make_recipe(**self.options.recipe_values)
        if isinstance(self.options.params, DefaultParams) and not recipe.faithful:
            # What is usual is no notice for a window.
            logger.info("note: %s", describe_choice(recipe.model, recipe.params.strategy))
        followed = self.options.recipe
        if followed is not None:
            followed.check_weights(recipe.model, recipe.weights_sha256)
            for difference in followed.differences_here(recipe.device_kind):
                note(logger, "%s; masks may differ in the last bits", difference)
        return recipe


def _labels_product(options: BatchOptions) -> Product:
    """Return the product that makes labels with the links of the options."""
    if options.tracks is not None:
        return TRACKED_LABELS_PRODUCT if options.link is None else TRACKED_VOLUMES_PRODUCT
    return LABELS_PRODUCT if options.link is None else LINKED_LABELS_PRODUCT


def _check_linked(exports: Iterable[str]) -> None:
    """Raise InputError if an export is about the masks of single planes."""
    for name in exports:
        if not EXPORTS[name].linked:
            able = " and ".join(kind for kind, known in EXPORTS.items() if known.linked)
            raise InputError(
                f"The export {name} is of masks of single planes, and objects are linked through "
                f"planes; with linking there are {able}."
            )
