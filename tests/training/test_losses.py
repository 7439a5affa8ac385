"""Losses of the finder's maps."""

import numpy as np
import pytest
import torch
from tests.training.scenes import draw_scene
from torch import Tensor

from napari_segany.networks.finder import MAPS, SIZE
from napari_segany.training.augmentation import ViewSize, random_view
from napari_segany.training.losses import PARTS, finder_loss, total_loss


def sample(size: ViewSize | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Maps, weights and sized cells of two views."""
    targets = random_view(*draw_scene(), np.random.default_rng([7, 1]), size).targets
    return (
        torch.from_numpy(targets.maps)[None].repeat(2, 1, 1, 1),
        torch.from_numpy(targets.weights)[None].repeat(2, 1, 1),
        torch.from_numpy(targets.sized)[None].repeat(2, 1, 1),
    )


SMALL = ViewSize(256, 128)


def perfect(maps: Tensor) -> Tensor:
    """The output of a network that knows the maps."""
    raw = torch.logit(maps.clamp(1e-6, 1 - 1e-6))
    raw[:, SIZE] = maps[:, SIZE]
    return raw


def test_perfect_maps_have_a_small_loss() -> None:
    maps, weights, sized = sample(SMALL)
    parts = finder_loss(perfect(maps), maps, weights, sized)
    assert set(parts) == set(PARTS)
    assert float(total_loss(parts)) < 0.2
    for name in ("foreground", "contour", "interior", "centre", "size"):
        assert float(parts[name]) < 1e-3, name
    guess = finder_loss(torch.zeros_like(maps), maps, weights, sized)
    assert all(float(guess[name]) > 10 * float(parts[name]) for name in parts if name != "dice")
    assert float(guess["dice"]) > float(parts["dice"])


def test_unknown_cells_are_ignored() -> None:
    maps, weights, sized = sample(SMALL)
    weights[:, :20] = 0
    raw = torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    other = raw.clone()
    other[:, :, :20] = 9
    there, changed = (
        finder_loss(raw, maps, weights, sized),
        finder_loss(other, maps, weights, sized),
    )
    for name in PARTS:
        assert float(there[name]) == pytest.approx(float(changed[name])), name


def test_cells_of_unknown_size_teach_no_size() -> None:
    maps, weights, sized = sample(SMALL)
    raw = torch.zeros_like(maps)
    assert float(finder_loss(raw, maps, weights, torch.zeros_like(sized))["size"]) == 0
    assert float(finder_loss(raw, maps, weights, sized)["size"]) > 0


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_gradients_are_finite(weight: float) -> None:
    """Also where nothing is known, and where the network is very sure of the wrong thing."""
    maps, _, sized = sample(SMALL)
    raw = (200 * (0.5 - maps)).requires_grad_()
    total_loss(finder_loss(raw, maps, torch.full(sized.shape, weight), sized)).backward()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()
    assert bool(raw.grad.any()) == bool(weight)


def test_the_loss_stays_that_of_trained_finders() -> None:
    torch.manual_seed(0)
    raw = torch.randn(2, MAPS, 256, 256)
    parts = finder_loss(raw, *sample())
    expected = {
        "foreground": 0.804694,
        "dice": 1.377257,
        "contour": 0.883250,
        "interior": 0.451013,
        "centre": 0.450082,
        "size": 1.219376,
    }
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(
        expected, rel=1e-4
    )
    assert float(total_loss(parts)) == pytest.approx(4.094492, rel=1e-4)
