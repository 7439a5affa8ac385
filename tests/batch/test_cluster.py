"""The same batch on several processes, one of which dies."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from distributed import WorkerPlugin
from tests.batch.conftest import results, write_stacks
from tests.batch.test_tiles import batch_of as batch_of_tiles
from tests.batch.test_tiles import save_slide
from tests.batch.test_tracked_labels import batch as batch_of_movie
from tests.batch.test_tracked_labels import bytes_of, save_movie
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality
from tests.tiny import use_tiny_model

from napari_segany import AutomaticParams, Display, LinkParams, SamModel
from napari_segany.batch import cluster as on_cluster
from napari_segany.batch.cluster import ClusterExecutor, _device, _processes, connect
from napari_segany.batch.executor import Executor, LocalExecutor
from napari_segany.batch.inputs import find_inputs, name_inputs, name_results
from napari_segany.batch.options import ModelRequest
from napari_segany.batch.plan import Batch, ReadOptions, inspect
from napari_segany.batch.plane_loop import run
from napari_segany.batch.products.edges import EdgesProduct, edge_files, edge_params
from napari_segany.batch.products.labels import LABELS_PRODUCT
from napari_segany.batch.products.linked_labels import LINKED_LABELS_PRODUCT
from napari_segany.batch.products.proposals import ProposalsProduct, proposal_files
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.io.result_files import Outputs
from napari_segany.recipe import Recipe
from napari_segany.weights.cache import CACHE_VARIABLE

pytestmark = [
    # Processes that were killed leave their connections open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PARAMS = AutomaticParams(
    points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1
)


MAPS = LinkParams(link_from="maps", smoothing=0.5, outline=0.25)


class TinyEverywhere(WorkerPlugin):
    """Workers that are started anew have the model, too."""

    def setup(self, worker: Any) -> None:
        use_tiny_model()


def use_cache(folder: str | None) -> None:
    """Let a worker look for finders in a folder, or where it usually does."""
    if folder is None:
        os.environ.pop(CACHE_VARIABLE, None)
    else:
        os.environ[CACHE_VARIABLE] = folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterExecutor]:
    with connect("local:2", None, ModelRequest()) as cluster:
        cluster.client.register_plugin(TinyEverywhere())
        yield cluster


def batch(
    folder: Path,
    output: Path,
    where: Executor,
    params: GeneratorParams = PARAMS,
    link: LinkParams | None = None,
) -> Batch:
    if link is not None:
        named = name_results(find_inputs([str(folder)]), output, "recipe")
        every: Any = tuple(inspect(named, ReadOptions(axes="ZYX")))
        recipe = where.make_recipe(params=params, axes="ZYX", link=link)
        return Batch(every, output, recipe, LINKED_LABELS_PRODUCT)
    outputs = Outputs(exports=("coco", "rois", "yolo", "masks", "overlays"))
    named = name_results(find_inputs([str(folder)]), output, "recipe", outputs)
    items: Any = tuple(inspect(named, ReadOptions()))
    return Batch(items, output, where.make_recipe(params=params, axes="auto"), LABELS_PRODUCT)


@pytest.mark.parametrize("large", [False, True], ids=["painted whole", "painted in tiles"])
def test_tiles_give_the_same_files_as_here(
    tmp_path: Path,
    cluster: ClusterExecutor,
    tiny_model: SamModel,
    large: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    if large:
        monkeypatch.setattr("napari_segany.batch.products.labels.STREAMED_PIXELS", 1000)
    # Its masks are larger than the tiles, so that larger ones follow.
    image, local = save_slide(tmp_path / "in", "zarr", (300, 280)), LocalExecutor(tiny_model)
    few = replace(PARAMS, points_per_side=2)
    for name, where in {"here": local, "there": cluster}.items():
        (outcome,) = run(batch_of_tiles(image, tmp_path / name, where, params=few), where)
        assert outcome.state == "done", outcome.error
        assert outcome.objects
    assert results(tmp_path / "there") == results(tmp_path / "here")


@pytest.fixture(scope="module")
def done_here(tmp_path_factory: pytest.TempPathFactory, tiny_model: SamModel) -> Path:
    """Three stacks, and beside them the results of this process in the folder "here"."""
    folder = write_stacks(tmp_path_factory.mktemp("stacks") / "in", 3, 8)
    local = LocalExecutor(tiny_model)
    for _ in run(batch(folder, folder.parent / "here", local), local):
        pass
    return folder


@pytest.mark.parametrize("killed", [False, True], ids=["whole", "a worker dies"])
def test_the_same_files_as_here(
    done_here: Path, tmp_path: Path, cluster: ClusterExecutor, killed: bool
):
    folder, there = done_here, tmp_path / "there"
    original, seen = cluster.compute_planes, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        for answer in original(*args, **kwargs):
            seen.append(answer)
            if killed and len(seen) == 5:
                victim = next(iter(cluster.client.run(os.getpid).values()))
                os.kill(victim, signal.SIGKILL)
            yield answer

    cluster.compute_planes = watched  # type: ignore[method-assign]
    try:
        outcomes = list(run(batch(folder, there, cluster), cluster))
    finally:
        cluster.compute_planes = original  # type: ignore[method-assign]

    assert [outcome.state for outcome in outcomes] == ["done"] * 3
    assert len(seen) == 24
    assert results(there) == results(folder.parent / "here")


@pytest.mark.parametrize("link", [None, MAPS], ids=["masks", "maps"])
def test_a_finder_finds_the_same_as_here(
    stacks, cluster: ClusterExecutor, tiny_model: SamModel, cache: Path, link: LinkParams | None
):
    quality = random_quality().to_dict()
    write_tiny_finder(cache / "finders" / "own.safetensors", tiny_model, quality=quality)
    params = FinderParams(
        mask_source="region", pred_iou_thresh=0.3, min_area=5, grid_points_per_side=2
    )
    folder = stacks(1, 3)
    here, there = folder.parent / "here", folder.parent / "there"
    local = LocalExecutor(tiny_model)
    (alone,) = run(batch(folder, here, local, params, link), local)
    cluster.client.run(use_cache, str(cache))
    try:
        (outcome,) = run(batch(folder, there, cluster, params, link), cluster)
    finally:
        cluster.client.run(use_cache, None)
    assert (outcome.state, outcome.objects) == ("done", alone.objects)
    assert alone.objects > (3 if link is None else 0)
    assert results(there) == results(here)


@pytest.mark.parametrize("axes", ["TYX", "TZYX"])
def test_a_movie_is_linked_over_time_as_here(
    tmp_path: Path, cluster: ClusterExecutor, tiny_model: SamModel, axes: str
):
    movie = save_movie(tmp_path / "images", axes)
    link = LinkParams() if "Z" in axes else None
    (alone,) = batch_of_movie(movie, "here", LocalExecutor(tiny_model), link=link)
    (outcome,) = batch_of_movie(movie, "there", cluster, link=link)
    assert (outcome.state, outcome.objects) == ("done", alone.objects)
    assert alone.objects > 3
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")


@pytest.mark.parametrize("kind", ["edges", "proposals"])
def test_edges_and_proposals_as_here(
    stacks, cluster: ClusterExecutor, tiny_model: SamModel, kind: str
):
    folder = stacks(2, 2)

    def do(where: Executor, output: Path) -> dict[str, bytes]:
        named = name_inputs(find_inputs([str(folder)]), output)
        files: Any = {
            path: edge_files(output, name, True)
            if kind == "edges"
            else proposal_files(output, name)
            for path, name in named.items()
        }
        product: Any = EdgesProduct() if kind == "edges" else ProposalsProduct()
        items: Any = tuple(inspect(files, ReadOptions()))
        recipe = where.make_recipe(params=edge_params(4), axes="auto")
        for outcome in run(Batch(items, output, recipe, product), where):
            assert outcome.state == "done"
        return {path.name: path.read_bytes() for each in files.values() for path in each.all()}

    assert do(cluster, folder.parent / "there") == do(
        LocalExecutor(tiny_model), folder.parent / "here"
    )


def test_limits_gamma_and_colours_reach_workers(
    stacks, cluster: ClusterExecutor, tiny_model: SamModel
):
    folder = stacks(1, 2)
    shown = Display(((20, 200),), (0.5,))
    found = {}
    for name, where in {"here": LocalExecutor(tiny_model), "there": cluster}.items():
        for kind, normalise in {"shown": shown, "plane": "plane"}.items():
            whole = batch(folder, folder.parent / f"{name} {kind}", where)
            whole = replace(whole, recipe=replace(whole.recipe, normalise=normalise))
            assert [outcome.state for outcome in run(whole, where)] == ["done"]
            found[name, kind] = results(folder.parent / f"{name} {kind}")
    assert found["there", "shown"] == found["here", "shown"]
    assert found["here", "shown"] != found["here", "plane"]


def test_an_error_on_a_worker_fails_one_image(stacks, cluster: ClusterExecutor):
    folder = stacks(2, 2)
    whole = batch(folder, folder.parent / "out", cluster)
    (folder / "stack1.tif").write_bytes((folder / "stack1.tif").read_bytes()[:700])
    outcomes = {o.path.name: o for o in run(whole, cluster)}
    assert outcomes["stack0.tif"].state == "done"
    assert "truncated" in outcomes["stack1.tif"].error


def test_other_weights_on_a_worker_are_refused(stacks, cluster: ClusterExecutor):
    folder = stacks(1, 1)
    whole = batch(folder, folder.parent / "out", cluster)
    object.__setattr__(whole.recipe, "weights_sha256", "f" * 64)
    (outcome,) = run(whole, cluster)
    assert "other weights" in outcome.error


def test_a_worker_computes_in_the_precision_of_the_recipe(monkeypatch):
    """As where "auto" means bfloat16 on one machine and float32 on another."""
    asked, used = [], []

    def load(name: str, *, device: str, precision: str, progress: Any) -> Any:
        asked.append(precision)
        resolved = "exact" if precision == "auto" else precision
        weights = SimpleNamespace(sha256="0")
        return SimpleNamespace(precision=resolved, weights=weights, device=torch.device("cpu"))

    def compute(job: Any, model: Any, images: Any) -> bytes:
        used.append(model.precision)
        return b""

    monkeypatch.setattr("napari_segany.models.registry.load_model", load)
    monkeypatch.setattr("distributed.get_worker", lambda: SimpleNamespace(name="0"))
    monkeypatch.setattr(on_cluster, "compute_plane", compute)
    monkeypatch.setattr(on_cluster, "_loaded", {})
    request = ModelRequest()
    for precision, device in (("exact", "cpu"), ("bfloat16", "cuda"), ("bfloat16", "cpu")):
        recipe = Recipe("m", "0", precision=precision, device_kind=device)
        job: Any = SimpleNamespace(recipe=recipe)
        on_cluster._model(request)
        _, differences = on_cluster._compute_on_worker(request, job)
        assert differences == (
            ["device is cpu here and cuda in the recipe"] if device == "cuda" else []
        )
    assert used == ["exact", "bfloat16", "bfloat16"]
    assert asked == ["auto", "bfloat16"], "what auto means is not loaded twice"


@pytest.mark.parametrize("address", ["local:0", "local:many", "nowhere"])
def test_addresses_that_mean_nothing(address: str, stacks, capsys):
    folder = stacks(1, 1)
    assert main(["segment", str(folder), "-o", str(folder), "--dask", address]) == 2
    assert "local:N" in capsys.readouterr().err
    with pytest.raises(InputError), connect(address, None, ModelRequest()):
        pass


def test_two_clusters_on_one_machine_share_no_port():
    """Warnings are errors here, and a port that is taken is one."""
    with _processes(1) as first, _processes(1) as second:
        ports = {each.scheduler.http_server.port for each in (first, second)}
        assert len(ports) == 2
        assert 8787 not in ports


def test_a_file_of_no_scheduler_is_told_at_once(tmp_path):
    with (
        pytest.raises(InputError, match=r"gone.json; start the scheduler first"),
        connect(None, str(tmp_path / "gone.json"), ModelRequest()),
    ):
        pass
    (tmp_path / "empty.json").write_text("{")
    with (
        pytest.raises(InputError, match=r"No scheduler answers at .*empty.json"),
        connect(None, str(tmp_path / "empty.json"), ModelRequest()),
    ):
        pass


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr("napari_segany.batch.cluster.TIMEOUT", 0.5)
    with (
        pytest.raises(InputError, match="No scheduler answers at tcp"),
        connect("tcp://127.0.0.1:9", None, ModelRequest()),
    ):
        pass


def test_one_device_a_worker():
    assert [_device("auto", n, 2) for n in range(4)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert _device("auto", 3, 1) == "auto"
    assert _device("cuda:1", 0, 4) == "cuda:1"
    assert _device("auto", "tcp://host:1", 4) == "auto"
    assert _device("cpu", 0, 4) == "cpu"
