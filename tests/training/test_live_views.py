"""Views made while a finder learns: the same as those on disk, turned every second time."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.scenes import build_model, write_manifest, write_set

from napari_segany.networks.finder import FinderShape
from napari_segany.training.batches import Batch, BatchOrder, CachedViews
from napari_segany.training.datasets import find_images
from napari_segany.training.encoder import ViewEncoder
from napari_segany.training.feature_cache import ViewPlan, build_cache
from napari_segany.training.live_views import LiveViews, RawViews, turn_views
from napari_segany.training.training_loop import TrainParams, learn_from_views

ORDER = BatchOrder(steps=5, batch=2, crop=64, seed=0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> ViewPlan:
    folder = tmp_path_factory.mktemp("data")
    write_manifest(folder, own=write_set(folder, "own"))
    return ViewPlan(tuple(find_images(folder)), 6)


@pytest.fixture(scope="module")
def views(plan: ViewPlan) -> LiveViews:
    return LiveViews(plan, ViewEncoder.from_model(build_model()), workers=0)


def assert_same(first: Batch, second: Batch, tolerance: float = 0) -> None:
    pairs = [(getattr(first, name), getattr(second, name)) for name in ("image", "maps")]
    pairs += [(first.embedding, second.embedding), *zip(first.stages, second.stages, strict=True)]
    pairs += [(first.weights, second.weights), (first.sized, second.sized)]
    for one, two in pairs:
        assert torch.allclose(one.float(), two.float(), rtol=0, atol=tolerance)


def test_they_are_the_views_on_disk(views: LiveViews, plan: ViewPlan, tmp_path: Path) -> None:
    cached = CachedViews(build_cache(plan, build_model(), tmp_path, 1))
    assert len(views.all_batches(4)) == 2
    for live, kept in zip(views.all_batches(4), cached.all_batches(4), strict=True):
        # Features on disk are float16, and padding is a whole number there.
        assert_same(live, kept, 0.02)
    assert views.all_batches(4)[0] is views.all_batches(4)[0]


def test_every_second_step_has_the_views_turned(views: LiveViews) -> None:
    batches = list(views.train_batches(ORDER))
    assert len(batches) == ORDER.steps
    for plain, turned in ((0, 1), (2, 3)):
        one, two = batches[plain], batches[turned]
        assert not torch.equal(one.image, two.image)
        for each in ("image", "maps", "weights"):
            before, after = getattr(one, each), getattr(two, each)
            assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
    assert not torch.equal(batches[0].image, batches[2].image)


def test_targets_turn_with_their_image() -> None:
    grid = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (2, 8, 8)))
    views = RawViews(grid[..., None].expand(-1, -1, -1, 3), grid > 9, grid[:, None], grid)
    assert turn_views(views, 0, 4) is views
    seen = set()
    for step in range(1, 41, 2):
        turned = turn_views(views, 0, step)
        assert torch.equal(turned.image[..., 0], turned.weights)
        assert torch.equal(turned.maps[:, 0], turned.weights)
        assert torch.equal(turned.known, turned.weights > 9)
        assert not torch.equal(turned.weights, grid)
        seen.add(turned.weights.numpy().tobytes())
    assert len(seen) == 6


@pytest.mark.parametrize("start", [1, 2, 3])
def test_a_run_continues_with_the_batch_that_is_due(views: LiveViews, start: int) -> None:
    whole = islice(views.train_batches(ORDER), start, None)
    for one, two in zip(whole, views.train_batches(replace(ORDER, start=start)), strict=True):
        assert_same(one, two)


def test_processes_make_the_same_views(views: LiveViews) -> None:
    order = replace(ORDER, steps=2)
    for one, two in zip(
        views.train_batches(order), replace(views, workers=1).train_batches(order), strict=True
    ):
        assert_same(one, two)


def test_a_finder_learns_from_them(views: LiveViews, tmp_path: Path) -> None:
    params = TrainParams(steps=4, batch=2, warm_up=1, crop=64, checkpoint_every=4)
    shape: FinderShape = replace(views.encoder.shape, widths=(16, 12, 8), image_width=4, blocks=1)
    network = learn_from_views(views, shape, params, tmp_path, lambda _: None, validation=views)
    assert (tmp_path / "checkpoint.pt").is_file()
    assert network.head.weight.device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_has_the_views_of_the_cpu(views: LiveViews) -> None:
    model = build_model()
    model.network.to("cuda")
    on_gpu = LiveViews(views.plan, ViewEncoder.from_model(model), workers=0)
    for one, two in zip(views.all_batches(4), on_gpu.all_batches(4), strict=True):
        assert two.embedding.device.type == "cuda"
        assert torch.equal(one.maps, two.maps.cpu())
        assert torch.allclose(one.embedding, two.embedding.cpu(), atol=0.05)
