"""Planes on other processes and machines, by dask.distributed."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_segany.batch.executor import Images, PlaneProgress, Task, compute
from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.errors import InputError, SeganyError
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe

WAITING_PER_WORKER = 2
"""Planes that a worker has beside the one it computes; few, so that stopping is quick."""

TIMEOUT = 30
"""Seconds within which a scheduler has to answer."""

POLL = 0.2
"""Seconds between looks at whether to stop."""

ADDRESSES = (
    "local:N for N processes on this machine, or a scheduler's address such as tcp://host:8786"
)


@dataclass(frozen=True)
class ModelRequest:
    """Which model every worker loads, once.

    Attributes
    ----------
    model, device, precision : str
        As for :func:`napari_segany.load_model`.
    threads : int or None
        Of torch, in each worker; None leaves them as they are.
    """

    model: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None


# On the workers ------------------------------------------------------------------------------

_loaded: dict[ModelRequest, PromptableModel] = {}
_images = Images()
_one_at_a_time = threading.Lock()


def _device(asked: str, worker: str | int, count: int) -> str:
    """One device a worker: workers on one machine that are numbered share its devices out."""
    number = str(worker)
    if asked not in ("auto", "cuda") or count < 2 or not number.isdecimal():
        return asked
    return f"cuda:{int(number) % count}"


def _model(request: ModelRequest) -> PromptableModel:
    """The model of this worker, loaded once for each precision that is asked for."""
    if request not in _loaded:
        import torch
        from distributed import get_worker

        from napari_segany.models.registry import load_model

        if request.threads:
            torch.set_num_threads(request.threads)
        device = _device(request.device, get_worker().name, torch.cuda.device_count())
        precision: Any = request.precision
        model = load_model(request.model, device=device, precision=precision)
        _loaded[request] = _loaded[replace(request, precision=model.precision)] = model
    return _loaded[request]


def _recipe_on_worker(request: ModelRequest, given: dict[str, Any]) -> Recipe:
    from napari_segany.segmentation import make_recipe

    with _one_at_a_time:
        return make_recipe(_model(request), **given)


def _compute_on_worker(request: ModelRequest, task: Task) -> tuple[bytes, list[str]]:
    # A worker with several threads still has one device.
    with _one_at_a_time:
        # Another worker settled the recipe, and "auto" may mean something else here.
        model = _model(replace(request, precision=task.recipe.precision))
        if model.weights.sha256 != task.recipe.weights_sha256:
            raise InputError(
                f"A worker has other weights of {model.id} (sha256 {model.weights.sha256[:12]}...) "
                f"than the recipe ({task.recipe.weights_sha256[:12]}...)."
            )
        return compute(task, model, _images), task.recipe.differences_here(model.device.type)


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
    """Computes planes on the workers of a dask cluster.

    Workers must see the images under the same names; results come back and are written here.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    request : ModelRequest
        What every worker loads.

    Attributes
    ----------
    notes : list of str
        What differs between workers and the recipe, so that last bits may differ.
    """

    def __init__(self, client: Any, request: ModelRequest) -> None:
        self.client, self.request = client, request
        self.notes: list[str] = []

    def make_recipe(self, **given: Any) -> Recipe:
        """See :class:`Executor`."""
        future = self.client.submit(_recipe_on_worker, self.request, given, pure=False)
        recipe: Recipe = future.result()
        return recipe

    def compute(
        self,
        tasks: Iterator[Task],
        progress: PlaneProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[tuple[Task, bytes | Exception]]:
        """See :class:`Executor`."""
        distributed = _distributed()
        pending: dict[Any, Task] = {}
        more = True
        try:
            while more or pending:
                check(should_stop)
                while more and len(pending) < self._room():
                    task = next(tasks, None)
                    if task is None:
                        more = False
                        break
                    submitted = self.client.submit(
                        _compute_on_worker, self.request, task, pure=False, key=None
                    )
                    pending[submitted] = task
                with suppress(TimeoutError):
                    distributed.wait(list(pending), timeout=POLL, return_when="FIRST_COMPLETED")
                for future in [each for each in pending if each.done()]:
                    yield pending.pop(future), self._answer(future)
        finally:
            for future in pending:
                future.cancel()

    def _room(self) -> int:
        workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
        return max(workers, 1) * (1 + WAITING_PER_WORKER)

    def _answer(self, future: Any) -> bytes | Exception:
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
        answer: bytes = content
        return answer


@contextmanager
def connect(
    address: str | None, scheduler_file: str | None, request: ModelRequest
) -> Iterator[ClusterExecutor]:
    """A cluster that is there, or one of processes on this machine that ends with the block.

    Parameters
    ----------
    address : str or None
        "local:N", or the address of a scheduler.
    scheduler_file : str or None
        The file in which a scheduler wrote where it is.
    request : ModelRequest
        What every worker loads.

    Raises
    ------
    InputError
        If the address means nothing, or nobody answers there.
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
    return _distributed().LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        # Planes bound the memory; a limit would only kill workers that load a large model.
        memory_limit=0,
    )
