import numpy as np
import pytest
import torch

from napari_segany.core.geometry import Frame
from napari_segany.models import screening
from napari_segany.models.screening import AREA_MARGIN, MARGINS, SparseEstimate, sampled_tokens

TOKENS = 100
"""Of sixteen pixels each, so 1600 in a sparse estimate."""


def logits(inner: int, rim: int, below: int = 0) -> torch.Tensor:
    """Glimpsed pixels of one mask: well inside, then barely on, then barely off, then outside."""
    pixels = torch.full((16 * TOKENS,), -10.0)
    pixels[: inner + rim + below] = -0.5
    pixels[: inner + rim] = 0.5
    pixels[:inner] = 10.0
    return pixels.view(16, TOKENS)


def estimate_of(*masks: torch.Tensor, offset: float = 1.0) -> SparseEstimate:
    return SparseEstimate.of(torch.stack(masks), offset)


def test_stability_is_bounded_by_the_pixels_seen_and_a_margin() -> None:
    seen = estimate_of(logits(600, 100, 500), logits(1200, 0))
    assert seen.stability_at_most == pytest.approx([600 / 1200 + 0.04, 1.04])


@pytest.mark.parametrize(
    ("pixels", "margin"), [(120, 0.18), (249, 0.18), (250, 0.07), (999, 0.07), (1000, 0.04)]
)
def test_the_fewer_pixels_the_wider_the_margin(pixels: int, margin: float) -> None:
    (at_most,) = estimate_of(logits(60, pixels - 60)).stability_at_most
    assert at_most == pytest.approx(60 / pixels + margin)


@pytest.mark.parametrize("pixels", [0, 1, MARGINS[0][0] - 1])
def test_small_masks_are_not_judged(pixels: int) -> None:
    seen = estimate_of(logits(0, pixels))
    assert seen.stability_at_most.tolist() == [np.inf]
    assert seen.passes(stability=1.0, max_area=1.0).tolist() == [True]


def test_thresholds_lie_the_offset_from_the_masks_own() -> None:
    # 0.5 is above 0.25, and -0.5 is not above -0.25.
    seen = estimate_of(logits(600, 100, 500), offset=0.25)
    assert seen.stability_at_most.tolist() == pytest.approx([1 + 0.07])
    at_threshold = torch.full((1, 16, TOKENS), 1.0)
    assert SparseEstimate.of(at_threshold, 1.0).stability_at_most.tolist() == pytest.approx([0.04])


def test_area_is_that_of_the_mask_less_a_margin() -> None:
    seen = estimate_of(logits(300, 100, 800), logits(0, 0), logits(1600, 0))
    assert seen.area_at_least == pytest.approx([0.25 - AREA_MARGIN, -AREA_MARGIN, 1 - AREA_MARGIN])


def test_a_mask_passes_if_it_can_be_stable_and_small_enough() -> None:
    seen = SparseEstimate(
        np.array([0.9, 0.9, 0.75, np.inf], "f4"), np.array([0.5, 0.7, 0.5, 0.5], "f4")
    )
    assert seen.passes(0.85, 0.6).tolist() == [True, False, False, True]
    assert seen.passes(0.95, 0.6).tolist() == [False, False, False, True]
    assert seen.passes(0.75, 0.5).tolist() == [True, False, True, True], "bounds are included"
    own = np.array([0.6, 0.8, 0.6, 0.4])
    assert seen.passes(0.5, own).tolist() == [True, True, True, False], "one bound for each"  # type: ignore[arg-type]


def test_without_a_sparse_estimate_everything_passes() -> None:
    nothing = SparseEstimate.nothing(3)
    assert nothing.passes(1.0, 0.0).tolist() == [True] * 3
    assert SparseEstimate.of(torch.zeros(0, 16, TOKENS), 1.0).passes(1.0, 0.0).tolist() == []


def test_candidates_are_chosen_by_flags_and_by_numbers() -> None:
    seen = SparseEstimate(np.array([0.1, 0.2, 0.3], "f4"), np.array([0.4, 0.5, 0.6], "f4"))
    some = seen[np.array([True, False, True])]
    assert some.stability_at_most == pytest.approx([0.1, 0.3])
    assert some.area_at_least == pytest.approx([0.4, 0.6])
    reordered = seen[np.array([2, 0])]
    assert reordered.stability_at_most == pytest.approx([0.3, 0.1])
    assert reordered.area_at_least == pytest.approx([0.6, 0.4])


@pytest.mark.parametrize(
    ("shape", "rows", "cols"),
    [
        ((1024, 1024), 64, 64),
        ((512, 512), 64, 64),
        # One more where interpolation between cells reaches into the next token.
        ((700, 1400), 33, 64),
        ((303, 384), 51, 64),
        ((400, 100), 64, 17),
    ],
)
def test_one_token_in_thirteen_of_those_that_see_the_plane(
    shape: tuple[int, int], rows: int, cols: int
) -> None:
    tokens = sampled_tokens(Frame(shape), 64).numpy()
    row, col = tokens // 64, tokens % 64
    assert len(set(tokens.tolist())) == len(tokens)
    assert set(row.tolist()) == set(range(rows)), "each row that sees the plane, no other"
    assert set(col.tolist()) == set(range(cols))
    assert len(tokens) == pytest.approx(rows * cols / 13, rel=0.05)


def test_a_plane_of_one_pixels_width_still_has_a_sparse_estimate() -> None:
    tokens = sampled_tokens(Frame((1, 1000)), 64)
    assert len(tokens) >= 4
    assert (tokens < 64).all()


def test_around_a_box_lie_its_tokens_and_some_beside_it() -> None:
    boxes = np.array([[160.0, 320.0, 240.0, 400.0], [0, 0, 1024, 1024], [1000, 1000, 1023, 1023]])
    small, whole, corner = screening.around(boxes, side=1024, grid=64)
    # 80 pixels are five tokens; a quarter of that and one more token are added on each side.
    assert small == (17, 7, 28, 18)
    assert whole is None
    assert corner is not None
    assert corner[2:] == (64, 64)
    assert corner[0] <= 61
