"""Doing a batch: planes are kept as they are finished, files are written when all are there."""

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_segany.batch.executor import Executor, Task
from napari_segany.batch.log import Log
from napari_segany.batch.manifest import (
    FORMAT,
    Fingerprint,
    PlaneCheckpoint,
    Record,
    ResultStore,
    hash_content,
    is_unchanged,
    where,
)
from napari_segany.batch.plan import Batch, Item, Outcome, own_axes, sentence
from napari_segany.batch.report import write_report
from napari_segany.batch.result_metadata import recall
from napari_segany.core.callbacks import BatchEvent, OnBatchEvent, ShouldStop, check
from napari_segany.core.planes import StackLayout
from napari_segany.errors import BlankPlaneError, Cancelled, InputError, PlaneError, SeganyError
from napari_segany.io.atomic import check_inside, remove, remove_unfinished
from napari_segany.io.read import open_image
from napari_segany.io.safe_names import shown
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack

OnError = Callable[[Exception], None]


class _Job:
    """One image while it is in work."""

    def __init__(self, item: Item, recipe: Recipe, layout: StackLayout, held: ExitStack) -> None:
        self.item, self.recipe, self.layout, self.held = item, recipe, layout, held
        self.key = self.content = ""
        self.stamp = Fingerprint(0, 0)
        self.read: tuple[Path, ...] = ()
        self.missing: set[int] = set()
        # Planes that nothing could be made of, by number.
        self.empty: dict[int, PlaneError] = {}
        self.resumed = 0
        self.failed = False
        self.started = time.monotonic()

    def told(self, blank: bool) -> list[str]:
        """Lines about the planes that are blank, or about those that cannot be read."""
        ordered = sorted(self.empty.items())
        return [str(e) for _, e in ordered if isinstance(e, BlankPlaneError) is blank]


class _Runner:
    def __init__(self, batch: Batch, executor: Executor, on_error: OnError | None) -> None:
        self.batch, self.executor, self.on_error = batch, executor, on_error
        self.book, self.log = ResultStore(batch.output, batch.product.name), Log(batch.output)
        self.jobs: dict[str, _Job] = {}
        # What became of images while tasks were being made.
        self.ready: deque[Outcome] = deque()
        self.region = hash_content([batch.region]) if batch.region else ""

    # Preparing ------------------------------------------------------------------------------

    def tasks(self, should_stop: ShouldStop | None) -> Iterator[Task]:
        for item in self.batch.items:
            check(should_stop)
            held = ExitStack()
            try:
                job = self.prepare(item, held)
            except Exception as error:
                held.close()
                self.ready.append(self.failed(item, error))
                continue
            if job is None:
                held.close()
                continue
            self.jobs[item.name] = job
            yield from self.of_job(job)

    def of_job(self, job: _Job) -> Iterator[Task]:
        item, work = job.item, self.work(job.item)
        to_do = []
        for index in job.layout.chosen():
            number = job.layout.number(index)
            if work.has(number):
                job.resumed += 1
            else:
                to_do.append((number, index))
        job.missing = {number for number, _ in to_do}
        if not to_do:
            self.ready.append(self.finish(job))
            return
        for _, index in to_do:
            if job.failed:
                return
            product, region = self.batch.product, self.batch.region
            yield Task(item.name, item.path, job.recipe, index, product, region)

    def prepare(self, item: Item, held: ExitStack) -> _Job | None:
        """What is left to do of an image; None if nothing is."""
        if not held.enter_context(self.book.hold(item.name)):
            self.ready.append(Outcome(item.path, "elsewhere", item.files, item.understood))
            return None
        work = self.work(item)
        record = self.book.read(item.name)
        if record is None or not record.outputs:
            record = recall(item.files.all()) or record
        with open_image(item.path, axes=item.axes or self.batch.recipe.axes) as image:
            axes = own_axes(image, item.axes or self.batch.recipe.axes)
            asked = replace(self.batch.recipe, axes=axes)
            stamp, place = Fingerprint.of(image.files), where(item.path)
            touched = record is None or record.stamp != stamp or record.image != place
            known = "" if touched or record is None else record.content
            content = known or hash_content(image.files)
            key = self.key(content, asked, item)
            if not self.batch.overwrite and record is not None and record.key == key:
                outcome = self.earlier(item, record)
                if outcome is not None:
                    # An image that was moved is still the same.
                    self.keep_record(item, replace(record, image=place, stamp=stamp, error=""))
                    self.ready.append(outcome)
                    return None
            self.check_replaceable(item, record, work, content)
            settled = self.settled(work, key, asked)
            # Limits of a whole stack are not computed a second time.
            layout, recipe = resolve_stack(image.data, asked if settled is None else settled)
            if settled is None:
                work.begin(key, recipe.to_json(), content)
        for path in item.files.all():
            remove_unfinished(path)
        job = _Job(item, recipe, layout, held)
        job.key, job.content, job.stamp, job.read = key, content, stamp, image.files
        return job

    def keep_record(self, item: Item, record: Record) -> None:
        if record != self.book.read(item.name):
            self.book.write(item.name, record)

    def settled(self, work: PlaneCheckpoint[Any], key: str, asked: Recipe) -> Recipe | None:
        """The recipe that finished planes were made by, if it is the same."""
        text = work.take_up(key)
        if text is None:
            return None
        try:
            settled = Recipe.from_json(text)
        except InputError:
            return None
        left_open = {name: getattr(asked, name) for name in ("axes", "normalise", "planes")}
        return settled if replace(settled, **left_open) == asked else None

    def key(self, content: str, recipe: Recipe, item: Item) -> str:
        made = [self.batch.product.name, dict(item.files.kinds())]
        whole = [FORMAT, content, json.loads(recipe.to_json()), made, self.region]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def earlier(self, item: Item, record: Record) -> Outcome | None:
        """The outcome if all results are there already; None if not."""
        folder = item.files.all()[0].parent
        if record.failed_planes or not all((folder / name).exists() for name in record.outputs):
            return None
        same = all(is_unchanged(folder / name, known) for name, known in record.outputs.items())
        summary = record.summary
        return Outcome(
            item.path,
            "same" if same else "edited",
            item.files,
            summary.understood,
            summary.objects,
            summary.planes,
            pictured=summary.pictured,
            notes=tuple(record.notes),
        )

    def check_replaceable(
        self, item: Item, record: Record | None, work: PlaneCheckpoint[Any], content: str
    ) -> None:
        """Raise InputError if results are there that this package did not write, or not as such."""
        for path in item.files.all():
            check_inside(self.batch.output, path.parent)
        if self.batch.overwrite or work.is_writing(content):
            return
        present = [path for path in item.files.all() if os.path.lexists(path)]
        known = {} if record is None else record.outputs
        place = where(item.path)
        if (
            record is not None
            and any(path.name in known for path in present)
            and record.content != content
            and record.image != place
        ):
            raise InputError(
                f"{present[0]} is a result of {record.image}, which is another image than {place}; "
                "give another folder with -o, or --overwrite to replace it."
            )
        for path in present:
            if not is_unchanged(path, known.get(path.name)):
                was = "was changed since it was made" if path.name in known else "is there already"
                raise InputError(f"{path} {was}; give --overwrite or another folder.")

    def work(self, item: Item) -> PlaneCheckpoint[Any]:
        return PlaneCheckpoint(self.book.path(item.name, ".work"), self.batch.product.decode)

    # Ending ---------------------------------------------------------------------------------

    def take(self, task: Task, answer: bytes | Exception) -> Iterator[Outcome]:
        """Keep a finished plane; when it was the last of its image, write everything."""
        job = self.jobs.get(task.name)
        if job is None:
            return
        said = {}
        try:
            number = job.layout.number(task.index)
            if isinstance(answer, PlaneError) and job.layout.chosen_count > 1:
                job.empty[number] = answer
                said = {"error": str(answer)}
            elif isinstance(answer, Exception):
                raise answer
            else:
                self.work(job.item).keep(number, answer)
            job.missing.discard(number)
        except Exception as error:
            job.failed = True
            self.close(job)
            yield self.failed(job.item, error)
            return
        self.log.write("plane", image=str(task.path), index=list(task.index), **said)
        if not job.missing:
            yield self.finish(job)

    def finish(self, job: _Job) -> Outcome:
        item, work = job.item, self.work(job.item)
        try:
            if len(job.empty) == job.layout.chosen_count:
                raise job.empty[min(job.empty)]
            old = self.book.read(item.name)
            # The planes are of two images then; doing it again takes the newer one. Looked at
            # before, as another image may not fit the planes, and after, as writing takes long.
            changed = InputError(f"{item.path} was changed while it was segmented; run it again.")
            if Fingerprint.of(job.read) != job.stamp:
                raise changed
            work.note_writing()
            record = self.batch.product.finish(item, job.recipe, work, job.content, job.empty)
            if record.stamp != job.stamp:
                raise changed
            failed, notes = job.told(blank=False), job.told(blank=True)
            record = replace(record, key=job.key, failed_planes=failed, notes=notes)
            self.book.write(item.name, record)
            self.remove_stale(item, old, record)
            if failed:
                # Finished planes stay for when the others are tried again.
                work.note_written()
            else:
                work.clear()
        except Exception as error:
            return self.failed(item, error)
        finally:
            self.close(job)
        summary = record.summary
        took = time.monotonic() - job.started
        self.log.write(
            "done", image=str(item.path), objects=summary.objects, seconds=round(took, 3)
        )
        return Outcome(
            item.path,
            "partly" if failed else "done",
            item.files,
            summary.understood,
            summary.objects,
            summary.planes,
            took,
            summary.pictured,
            resumed=job.resumed,
            failed_planes=tuple(failed),
            notes=tuple(notes),
        )

    def remove_stale(self, item: Item, old: Record | None, new: Record) -> None:
        """Results of another recipe that are not made any more; what was changed by hand stays."""
        folder = item.files.all()[0].parent
        for name, known in ({} if old is None else old.outputs).items():
            if name not in new.outputs and is_unchanged(folder / name, known):
                remove(folder / name)

    def failed(self, item: Item, error: Exception) -> Outcome:
        if self.on_error is not None:
            self.on_error(error)
        text = sentence(error)
        text = text if str(item.path) in text else f"{item.path}: {text}"
        note_failure(self.batch.output, item.name, item.path, text, self.batch.product.name)
        return Outcome(item.path, "failed", item.files, item.understood, error=text)

    def close(self, job: _Job) -> None:
        self.jobs.pop(job.item.name, None)
        job.held.close()

    def close_all(self) -> None:
        for job in list(self.jobs.values()):
            self.close(job)


def note_failure(output: Path, name: str, image: Path, text: str, product: str = "") -> None:
    """Keep for the report why an image failed; a disk that is full must not end the batch."""
    book = ResultStore(output, product)
    try:
        before = book.read(name)
        if before is None or not before.outputs:
            before = Record(where(image))
        # Results that are there stay those of the image that they were made of.
        book.write(name, replace(before, error=shown(text)))
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
    """Do a batch; what was done before with the same content and recipe is left as it is.

    Finished planes are on disk at once, so that a process that is killed loses the planes it was
    computing. A bad image is an outcome and does not end the batch. At the end the report of labels
    is written anew.

    Parameters
    ----------
    batch : Batch
        What to do.
    executor : Executor
        Where to do it.
    progress, should_stop : callable, optional
        Called with the planes done; polled to end early.
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

    def report(task: Task, share: float) -> None:
        if progress is not None:
            job = runner.jobs.get(task.name)
            finished = planes[task.name] - len(job.missing) if job else planes[task.name]
            done[task.name] = finished + share
            progress(BatchEvent(task.name, sum(done.values()), total))

    def ended() -> Iterator[Outcome]:
        while runner.ready:
            outcome = runner.ready.popleft()
            yield outcome

    runner.log.write("started", images=len(batch.items), planes=total)
    try:
        answers = executor.compute(runner.tasks(should_stop), report, should_stop)
        for task, answer in answers:
            yield from ended()
            yield from runner.take(task, answer)
            report(task, 0.0)
        yield from ended()
        runner.log.write("ended")
    except (Cancelled, KeyboardInterrupt):
        runner.log.write("stopped")
        raise
    finally:
        runner.close_all()
        if not batch.product.name:
            write_report(batch.output)
