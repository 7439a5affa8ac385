"""Training further: what is kept, what ends it, and continuing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_segany.errors import Cancelled, InputError
from napari_segany.networks.finder import MAPS, Finder, FinderShape
from napari_segany.training.batches import Batch, BatchOrder
from napari_segany.training.fine_tune import CHECKPOINT, FineTuned, FineTuneParams, fine_tune

SHAPE = FinderShape(8, ((4, 4), (6, 2)), widths=(8, 6, 6), image_width=4, blocks=1)

PARAMS = FineTuneParams(steps=8, epoch=2, learning_rate=5e-3, warm_up=1, average=0.5, patience=9)


def make_batch(seed: int) -> Batch:
    """Random features, and foreground where the image is bright."""
    make = torch.Generator().manual_seed(seed)
    g = 4
    image = torch.rand(2, 3, 16 * g, 16 * g, generator=make)
    maps = torch.zeros(2, MAPS, 8 * g, 8 * g)
    maps[:, 0] = (image[:, 0, ::2, ::2] > 0.5).float()
    stages = [
        torch.rand(2, 4, 4 * g, 4 * g, generator=make),
        torch.rand(2, 6, 8, 8, generator=make),
    ]
    known = torch.ones(2, 8 * g, 8 * g)
    embedding = torch.rand(2, 8, g, g, generator=make)
    return Batch(embedding, stages, image, maps, known, known > 0)


class Views:
    """A source of random batches that counts how many were taken."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.taken: list[int] = []

    def train_batches(self, order: BatchOrder) -> Any:
        def batches() -> Iterator[Batch]:
            for step in range(order.start, order.steps):
                self.taken.append(step)
                yield make_batch(self.seed + step)

        return batches()

    def all_batches(self, batch: int) -> Iterator[Batch]:
        yield make_batch(self.seed)


@pytest.fixture
def base() -> Finder:
    torch.manual_seed(0)
    return Finder(SHAPE).eval()


def weights(network: Finder) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def run(base: Finder, folder: Path, params: FineTuneParams = PARAMS, **more: Any) -> FineTuned:
    return fine_tune(base, Views(), params, folder, **more)


def test_the_loss_falls_and_the_statistics_stay(base: Finder, tmp_path: Path) -> None:
    before = weights(base)
    found = run(base, tmp_path, held_back=Views(99))
    assert found.losses[found.best_epoch] < found.losses[0]
    assert found.ended_by == "steps"
    assert (found.steps, found.epochs) == (8, 4)
    assert torch.equal(weights(base), before), "the base is not changed"
    for name, value in found.network.state_dict().items():
        if "running" in name or "batches" in name:
            assert torch.equal(value, base.state_dict()[name])


def test_a_run_that_was_killed_loses_an_epoch_at_most(base: Finder, tmp_path: Path) -> None:
    whole = run(base, tmp_path / "whole", held_back=Views(99))
    views = Views()
    with pytest.raises(Cancelled):
        fine_tune(
            *(base, views, PARAMS, tmp_path / "part"),
            held_back=Views(99),
            should_stop=lambda: len(views.taken) == 6,
        )
    views = Views()
    resumed = fine_tune(base, views, PARAMS, tmp_path / "part", held_back=Views(99))
    assert views.taken[0] == 4
    assert torch.equal(weights(resumed.network), weights(whole.network))
    assert resumed.losses == whole.losses


def test_a_checkpoint_of_another_run_is_not_used(base: Finder, tmp_path: Path) -> None:
    run(base, tmp_path, settings={"base": "a"})
    again = run(base, tmp_path, settings={"base": "b"})
    assert again.steps == 8
    (tmp_path / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        run(base, tmp_path)


def test_it_ends_when_held_back_views_get_worse(base: Finder, tmp_path: Path) -> None:
    params = replace(PARAMS, steps=40, patience=2, learning_rate=0.5)
    found = run(base, tmp_path, params, held_back=Views(99))
    assert found.ended_by == "held-back loss"
    assert found.epochs == found.best_epoch + 2
    assert found.losses[found.best_epoch] == min(found.losses)


def test_time_and_request_end_it_with_what_was_learned(base: Finder, tmp_path: Path) -> None:
    late = run(base, tmp_path / "late", seconds=0.0)
    assert (late.ended_by, late.steps) == ("time", 0)
    assert torch.equal(weights(late.network), weights(base))
    asked = iter([False, False, False, True])
    found = run(base, tmp_path / "asked", should_end=lambda: next(asked))
    assert (found.ended_by, found.steps) == ("request", 3)
    assert not torch.equal(weights(found.network), weights(base))


def test_the_pull_holds_the_weights_near_the_base(base: Finder, tmp_path: Path) -> None:
    free = run(base, tmp_path / "free")
    held = run(base, tmp_path / "held", replace(PARAMS, pull=0.5))
    start = weights(base)
    assert (weights(held.network) - start).norm() < 0.7 * (weights(free.network) - start).norm()
