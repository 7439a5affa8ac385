"""The run of a batch: planes are stored when they are computed, files when all planes are there."""

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from napari_segany.batch.executor import Executor, PlaneJob
from napari_segany.batch.log import Log
from napari_segany.batch.manifest import (
    Fingerprint,
    Record,
    ResultStore,
    image_location,
    is_unchanged,
)
from napari_segany.batch.plan import Batch, Outcome, error_of
from napari_segany.batch.plane_tiles import PlaneTiles, TileStore, grid_of, region_box
from napari_segany.batch.preparation import ImageJob, ImagePreparation
from napari_segany.batch.protocol import FinishedImage, Item
from napari_segany.batch.report import write_report
from napari_segany.core.callbacks import BatchEvent, OnBatchEvent, ShouldStop, check
from napari_segany.core.notes import note
from napari_segany.errors import Cancelled, InputError, PlaneError, SeganyError
from napari_segany.io.atomic import remove
from napari_segany.io.read import open_image
from napari_segany.io.safe_names import shown
from napari_segany.tiled_planes import with_plane_limits

logger = logging.getLogger(__name__)

OnError = Callable[[Exception], None]
"""Called with every exception behind a failure."""


class _Runner:
    """The images in work: jobs for their planes, and their files when all planes are there."""

    def __init__(self, batch: Batch, executor: Executor, on_error: OnError | None) -> None:
        self.batch, self.on_error = batch, on_error
        self.store, self.log = ResultStore(batch.output, batch.product.name), Log(batch.output)
        self.preparation = ImagePreparation(batch, self.store, executor.settle_tiles)
        self.images: dict[str, ImageJob] = {}
        # Outcomes of images that ended while plane jobs were made.
        self.ready: deque[Outcome] = deque()
        # Larger tiles, which follow when all smaller ones of a plane are there.
        self.larger: deque[PlaneJob] = deque()

    # Jobs -----------------------------------------------------------------------------------

    def plane_jobs(self, should_stop: ShouldStop | None) -> Iterator[PlaneJob]:
        """Prepare image after image, and yield a job for each plane that is not finished."""
        for item in self.batch.items:
            check(should_stop)
            lock = ExitStack()
            try:
                prepared = self.preparation.prepare(item, lock)
            except Exception as error:
                lock.close()
                self.ready.append(self.failed(item, error))
                continue
            if isinstance(prepared, Outcome):
                lock.close()
                self.ready.append(prepared)
                continue
            self.images[item.name] = prepared
            yield from self.jobs_of(prepared)
            yield from self.larger_tiles()

    def larger_tiles(self) -> Iterator[PlaneJob]:
        """Yield the jobs that came up since."""
        while self.larger:
            job = self.larger.popleft()
            if job.name in self.images:
                yield job

    def jobs_of(self, image: ImageJob) -> Iterator[PlaneJob]:
        """Yield a job for each unfinished plane of an image; finish the image if there is none."""
        item, checkpoint = image.item, self.preparation.checkpoint(image.item)
        to_do: list[PlaneJob] = []
        every = list(image.layout.chosen())
        image.missing = {image.layout.number(index) for index in every}
        for index in every:
            number = image.layout.number(index)
            if image.recipe.tiles is not None and self.batch.product.tiled:
                try:
                    to_do += self.tile_jobs(image, index)
                except PlaneError as error:
                    self.ready.extend(self.add_plane(self.job(image, index), error))
                    if image.failed:
                        return
            elif checkpoint.has(number):
                image.missing.discard(number)
                image.resumed += 1
            else:
                to_do.append(self.job(image, index))
        if not image.missing:
            if item.name in self.images:
                self.ready.append(self.finish(image))
            return
        for job in to_do:
            if image.failed:
                return
            yield job

    def job(self, image: ImageJob, index: tuple[int, ...]) -> PlaneJob:
        """Return the job of a whole plane."""
        item, batch = image.item, self.batch
        about = item.name, item.path, image.recipe, index, batch.product, batch.region, batch.box
        return PlaneJob(*about)

    def tile_jobs(self, image: ImageJob, index: tuple[int, ...]) -> list[PlaneJob]:
        """Return the jobs of the unfinished tiles of a plane; none if all of them are there.

        Raises
        ------
        PlaneError
            If the plane cannot be read, or is blank.
        """
        layout, number = image.layout, image.layout.number(index)
        shape = layout.labels_shape[-2], layout.labels_shape[-1]
        with open_image(image.item.path, axes=image.recipe.axes) as opened:
            # All tiles have the same black and white, and no worker looks for it again.
            recipe = with_plane_limits(opened.data, layout, image.recipe, index)
        store = TileStore(self.preparation.checkpoint(image.item).folder, number)
        searched = region_box(self.batch.box, shape)
        tiles = image.tiles[number] = PlaneTiles(grid_of(recipe, shape), store, searched)
        to_do = tiles.next_level()
        if tiles.resumed:
            note(
                logger,
                "%s: %d of its tiles were searched before, and %d are left.",
                *(image.item.path, tiles.resumed, len(to_do)),
            )
        if not to_do:
            image.missing.discard(number)
            image.resumed += 1
        whole = replace(self.job(image, index), recipe=recipe)
        return [replace(whole, tile=tile) for tile in to_do]

    # Results --------------------------------------------------------------------------------

    def add_plane(self, job: PlaneJob, result: bytes | Exception) -> Iterator[Outcome]:
        """Store a computed plane; when it was the last of its image, write the image's files."""
        image = self.images.get(job.name)
        if image is None:
            return
        logged = {}
        try:
            number = image.layout.number(job.index)
            if isinstance(result, PlaneError) and image.layout.chosen_count > 1:
                image.empty[number] = result
                logged = {"error": str(result)}
            elif isinstance(result, Exception):
                raise result
            elif job.tile is not None:
                more = image.tiles[number].add(job.tile, result)
                about = {"index": list(job.index), "tile": list(job.tile)}
                self.log.write("tile", image=str(job.path), **about)
                if more is None or more:
                    self.larger.extend(replace(job, tile=tile) for tile in more or ())
                    return
            else:
                self.preparation.checkpoint(image.item).save(number, result)
            image.missing.discard(number)
        except Exception as error:
            image.failed = True
            self.end_image(image)
            yield self.failed(image.item, error)
            return
        self.log.write("plane", image=str(job.path), index=list(job.index), **logged)
        if not image.missing:
            yield self.finish(image)

    def finish(self, image: ImageJob) -> Outcome:
        """Write the files and the record of an image whose planes are all there."""
        item = image.item
        try:
            record = self.write_results(image)
        except Exception as error:
            return self.failed(item, error)
        finally:
            self.end_image(image)
        summary = record.summary
        took = time.monotonic() - image.started
        self.log.write(
            "done", image=str(item.path), objects=summary.objects, seconds=round(took, 3)
        )
        return Outcome(
            item.path,
            "partly" if record.failed_planes else "done",
            item.files,
            summary.understood,
            summary.objects,
            summary.planes,
            took,
            summary.pictured,
            resumed=image.resumed,
            failed_planes=tuple(record.failed_planes),
            notes=tuple(record.notes),
        )

    def write_results(self, image: ImageJob) -> Record:
        """Write the files and the record of an image; return the record.

        Raises
        ------
        InputError
            If the image was changed since its planes were computed.
        """
        item, checkpoint = image.item, self.preparation.checkpoint(image.item)
        if len(image.empty) == image.layout.chosen_count:
            raise image.empty[min(image.empty)]
        old = self.store.read(item.name)
        # The planes are of two images then; doing it again takes the newer one. Looked at
        # before, as another image may not fit the planes, and after, as writing takes long.
        changed = InputError(f"{item.path} was changed while it was segmented; run it again.")
        if Fingerprint.of(image.files) != image.fingerprint:
            raise changed
        checkpoint.note_writing()
        about = item, image.recipe, checkpoint, image.content, image.empty
        finished = FinishedImage(*about, image.tiles, self.batch.box)
        record = self.batch.product.finish(finished)
        if record.stamp != image.fingerprint:
            raise changed
        failed, notes = image.remarks(blank=False), image.remarks(blank=True)
        record = replace(record, key=image.key, failed_planes=failed, notes=notes)
        self.store.write(item.name, record)
        _remove_stale(item, old, record)
        if failed:
            # Finished planes stay for when the others are tried again.
            checkpoint.note_written()
        else:
            checkpoint.clear()
        return record

    def failed(self, item: Item, error: Exception) -> Outcome:
        """Record the failure of an image; return its outcome."""
        if self.on_error is not None:
            self.on_error(error)
        text = error_of(item.path, error)
        note_failure(self.batch.output, item.name, item.path, text, self.batch.product.name)
        return Outcome(item.path, "failed", item.files, item.understood, error=text)

    def end_image(self, image: ImageJob) -> None:
        """Release the lock of an image."""
        self.images.pop(image.item.name, None)
        image.lock.close()

    def end_all(self) -> None:
        """Release the locks of all images in work."""
        for image in list(self.images.values()):
            self.end_image(image)


def _remove_stale(item: Item, old: Record | None, new: Record) -> None:
    """Remove unchanged results of an earlier recipe that the new recipe does not make."""
    folder = item.files.all()[0].parent
    for name, known in ({} if old is None else old.outputs).items():
        if name not in new.outputs and is_unchanged(folder / name, known):
            remove(folder / name)


def note_failure(output: Path, name: str, image: Path, text: str, product: str = "") -> None:
    """Record the error of an image for the report; a full disk must not end the batch."""
    store = ResultStore(output, product)
    try:
        before = store.read(name)
        if before is None or not before.outputs:
            before = Record(image_location(image))
        # Existing results stay those of the image that they were made of.
        store.write(name, replace(before, error=shown(text)))
        Log(output).write("failed", image=str(image), error=text)
    except (OSError, SeganyError):
        pass


def run(
    batch: Batch,
    executor: Executor,
    *,
    progress: OnBatchEvent | None = None,
    should_stop: ShouldStop | None = None,
    on_error: OnError | None = None,
) -> Generator[Outcome]:
    """Run a batch; results of the same content and recipe are left unchanged.

    Finished planes are on disk at once, so that a process that is killed loses the planes it was
    computing. A bad image is an outcome and does not end the batch. At the end the report of labels
    is written again.

    Parameters
    ----------
    batch : Batch
        The batch.
    executor : Executor
        The place where planes are computed.
    progress, should_stop : callable, optional
        Called with the planes that are done; polled to end early.
    on_error : callable, optional
        Called with every exception behind a failure.

    Yields
    ------
    Outcome
        For each image, as it ends.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True; finished planes are kept.
    """
    runner = _Runner(batch, executor, on_error)
    total = sum(item.planes for item in batch.items)
    planes = {item.name: item.planes for item in batch.items}
    done = dict.fromkeys(planes, 0.0)

    def report(part: BatchEvent) -> None:
        """Turn progress within a plane into progress of the batch."""
        if progress is not None:
            name, image = part.name, runner.images.get(part.name)
            finished = planes[name] - len(image.missing) if image else planes[name]
            if image is not None and image.tiles:
                done[name] = finished + image.fraction_in_tiles
            else:
                done[name] = finished + part.done
            progress(BatchEvent(name, sum(done.values()), total))

    def ended() -> Iterator[Outcome]:
        while runner.ready:
            outcome = runner.ready.popleft()
            yield outcome

    runner.log.write("started", images=len(batch.items), planes=total)
    try:
        jobs: Iterator[PlaneJob] | None = runner.plane_jobs(should_stop)
        while jobs is not None:
            for job, result in executor.compute_planes(jobs, report, should_stop):
                yield from ended()
                yield from runner.add_plane(job, result)
                report(BatchEvent(job.name, 0.0, 1))
            # Workers may have finished the last small tiles when there were no more jobs.
            jobs = runner.larger_tiles() if runner.larger else None
        yield from ended()
        runner.log.write("ended")
    except (Cancelled, KeyboardInterrupt):
        runner.log.write("stopped")
        raise
    finally:
        runner.end_all()
        if not batch.product.name:
            write_report(batch.output)
