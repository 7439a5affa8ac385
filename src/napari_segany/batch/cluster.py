"""The executor on other processes and machines, by dask.distributed."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_segany.batch.executor import OpenImages, PlaneJob, compute_plane, settle_tiles
from napari_segany.batch.options import ModelRequest, load_requested_model
from napari_segany.core.callbacks import OnBatchEvent, ShouldStop, check
from napari_segany.core.notes import note
from napari_segany.errors import InputError, SeganyError
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe

logger = logging.getLogger(__name__)

WAITING_PER_WORKER = 2
"""Number of planes that wait at each worker; few, so that stopping is quick."""

TIMEOUT = 30
"""Seconds to wait for the answer of a scheduler."""

POLL = 0.2
"""Seconds between two checks whether to stop."""

ADDRESSES = (
    "local:N for N processes on this machine, or a scheduler's address such as tcp://host:8786"
)


# On the workers ------------------------------------------------------------------------------

_loaded: dict[ModelRequest, PromptableModel] = {}
_images = OpenImages()
_one_at_a_time = threading.Lock()


def _device(requested: str, worker: str | int, count: int) -> str:
    """Return the device of a worker; numbered workers on one machine share out its devices."""
    number = str(worker)
    if requested not in ("auto", "cuda") or count < 2 or not number.isdecimal():
        return requested
    return f"cuda:{int(number) % count}"


def _model(request: ModelRequest) -> PromptableModel:
    """Return the model of this worker, loaded once for each requested precision."""
    if request not in _loaded:
        import torch
        from distributed import get_worker

        if request.threads:
            torch.set_num_threads(request.threads)
        device = _device(request.device, get_worker().name, torch.cuda.device_count())
        model = load_requested_model(replace(request, device=device))
        _loaded[request] = _loaded[replace(request, precision=model.precision)] = model
    return _loaded[request]


def _recipe_on_worker(request: ModelRequest, given: dict[str, Any]) -> Recipe:
    from napari_segany.segmentation import make_recipe

    with _one_at_a_time:
        return make_recipe(_model(request), **given)


def _settle_on_worker(request: ModelRequest, path: Path, recipe: Recipe) -> Recipe:
    with _one_at_a_time:
        model = _model(replace(request, precision=recipe.precision))
        return settle_tiles(path, recipe, model, _images)


def _compute_on_worker(request: ModelRequest, job: PlaneJob) -> tuple[bytes, list[str]]:
    """Compute a plane; return it with the differences between this machine and the recipe."""
    # A worker with several threads still has one device.
    with _one_at_a_time:
        # Another worker settled the recipe, and "auto" may mean something else here.
        model = _model(replace(request, precision=job.recipe.precision))
        if model.weights.sha256 != job.recipe.weights_sha256:
            raise InputError(
                f"A worker has other weights of {model.id} (sha256 {model.weights.sha256[:12]}...) "
                f"than the recipe ({job.recipe.weights_sha256[:12]}...)."
            )
        return compute_plane(job, model, _images), job.recipe.differences_here(model.device.type)


# Here ----------------------------------------------------------------------------------------


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            'Computing on several processes needs dask: pip install "napari-segany[dask]".'
        ) from error
    return distributed


class ClusterExecutor:
    """An executor that computes planes on the workers of a dask cluster.

    Workers must see the images under the same names; results come back and are written here.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    request : ModelRequest
        The model that every worker loads.

    Attributes
    ----------
    notes : list of str
        Differences between workers and the recipe, which may change the last bits.
    """

    def __init__(self, client: Any, request: ModelRequest) -> None:
        self.client, self.request = client, request
        self.notes: list[str] = []

    def make_recipe(self, **given: Any) -> Recipe:
        """Return a recipe for the workers; see :class:`Executor`."""
        future = self.client.submit(_recipe_on_worker, self.request, given, pure=False)
        recipe: Recipe = future.result()
        return recipe

    def settle_tiles(self, path: Path, recipe: Recipe) -> Recipe:
        """Settle the tiles of an image on a worker; see :class:`Executor`."""
        future = self.client.submit(_settle_on_worker, self.request, path, recipe, pure=False)
        settled: Recipe = future.result()
        tiles = settled.tiles
        if tiles is not None:
            # What the worker said about it stays there.
            note(
                logger,
                "planes of %s are searched in tiles of %d pixels%s, for objects of %g pixels; "
                "--object-size gives another size, --tiles off searches them as a whole",
                *(path, tiles.tile_side, ", and larger ones" if tiles.tile_scales == 2 else ""),
                tiles.object_size,
            )
        return settled

    def compute_planes(
        self,
        jobs: Iterator[PlaneJob],
        progress: OnBatchEvent | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[tuple[PlaneJob, bytes | Exception]]:
        """Compute planes on the workers, which report no progress within a plane."""
        distributed = _distributed()
        pending: dict[Any, PlaneJob] = {}
        more = True
        try:
            while more or pending:
                check(should_stop)
                while more and len(pending) < self._room():
                    job = next(jobs, None)
                    if job is None:
                        more = False
                        break
                    submitted = self.client.submit(
                        _compute_on_worker, self.request, job, pure=False, key=None
                    )
                    pending[submitted] = job
                with suppress(TimeoutError):
                    distributed.wait(list(pending), timeout=POLL, return_when="FIRST_COMPLETED")
                for future in [each for each in pending if each.done()]:
                    yield pending.pop(future), self._result(future)
        finally:
            for future in pending:
                future.cancel()

    def _room(self) -> int:
        workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
        return max(workers, 1) * (1 + WAITING_PER_WORKER)

    def _result(self, future: Any) -> bytes | Exception:
        try:
            content, differences = future.result()
        except _distributed().KilledWorker as error:
            return SeganyError(
                f"several workers died while they computed this plane ({error}); most likely they "
                "had too little memory."
            )
        except Exception as error:
            return error
        self.notes += [each for each in differences if each not in self.notes]
        result: bytes = content
        return result


@contextmanager
def connect(
    address: str | None, scheduler_file: str | None, request: ModelRequest
) -> Iterator[ClusterExecutor]:
    """Connect to a cluster, or start one of local processes that ends with the block.

    Parameters
    ----------
    address : str or None
        "local:N", or the address of a scheduler.
    scheduler_file : str or None
        The file in which a scheduler wrote its address.
    request : ModelRequest
        The model that every worker loads.

    Raises
    ------
    InputError
        If the address is invalid, or no scheduler answers.
    """
    distributed = _distributed()
    with ExitStack() as together:
        if address is not None and address.startswith("local:"):
            count = address.removeprefix("local:")
            if not count.isdecimal() or not int(count):
                raise InputError(f"{address!r} is no number of processes; give {ADDRESSES}.")
            threads = max(1, (os.cpu_count() or 1) // int(count))
            request = replace(request, threads=threads)
            scheduler = together.enter_context(_processes(int(count)))
        elif scheduler_file is not None:
            # Without the file the client would wait for it, for ever.
            if not Path(scheduler_file).is_file():
                raise InputError(
                    f"There is no file {scheduler_file}; start the scheduler first, with "
                    f"dask scheduler --scheduler-file {scheduler_file}."
                )
            scheduler = None
        elif address and "://" in address:
            scheduler = address
        else:
            raise InputError(f"{address!r} is no address; give {ADDRESSES}.")
        try:
            client = distributed.Client(scheduler, scheduler_file=scheduler_file, timeout=TIMEOUT)
        # What is raised depends on the protocol.
        except Exception as error:
            raise InputError(
                f"No scheduler answers at {address or scheduler_file} ({error})."
            ) from error
        yield ClusterExecutor(together.enter_context(client), request)


def _processes(count: int) -> Any:
    """Start a cluster of local processes."""
    return _distributed().LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        # Without a dashboard the scheduler still serves HTTP, by default on a fixed port.
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        # Planes bound the memory; a limit would only kill workers that load a large model.
        memory_limit=0,
    )
