import numpy as np
import pytest
import torch

from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.core.upsampling import (
    LOW_RES_MARGIN,
    _compare_here,
    _compare_there,
    draw,
    stability,
)


def test_stability_of_a_known_map() -> None:
    logits = torch.full((2, 10, 10), -5.0)
    logits[0, :4] = 5.0  # 40 pixels above +1
    logits[0, 4] = 0.5  # 10 more above -1
    logits[0, 5] = -0.5  # 10 more above -1
    scores = stability(logits, 1.0)
    assert scores[0].item() == pytest.approx(40 / 60)
    assert scores[1].isnan(), "nothing is above either"
    assert stability(logits[0], 0.5).item() == pytest.approx(40 / 50), "above, not at"
    assert stability(logits[0], 0.0).item() == 1


def smooth_logits(count: int) -> torch.Tensor:
    """Blobs of several sizes and places, like a decoder's."""
    noise = torch.randn(count, 1, 12, 12, generator=torch.Generator().manual_seed(1)) * 4
    return torch.nn.functional.interpolate(noise, (256, 256), mode="bicubic")[:, 0] - 2


@pytest.mark.parametrize("shape", [(303, 384), (700, 1400), (64, 48), (1, 1)])
def test_masks_and_scores_are_those_of_the_whole_plane(shape, enlarge) -> None:
    frame, logits = Frame(shape), smooth_logits(6)
    whole = enlarge(frame, logits)
    expected = MaskSet.from_masks((whole > 0).numpy())

    drawn = draw(logits, frame, 1.0)
    found = MaskSet.from_crops(shape, drawn.masks, drawn.origins)

    differing = [np.count_nonzero(found.mask(i) ^ expected.mask(i)) for i in range(6)]
    assert max(differing) <= 1e-5 * whole[0].numel(), "rounding may turn a pixel at the border"
    np.testing.assert_allclose(
        drawn.stability_score, stability(whole, 1.0).nan_to_num(0).numpy(), atol=1e-4
    )


def test_a_mask_without_a_pixel_is_empty_and_unstable() -> None:
    drawn = draw(torch.full((2, 256, 256), -5.0), Frame((60, 80)), 1.0)

    assert [mask.any() for mask in drawn.masks] == [False, False]
    assert drawn.stability_score.tolist() == [0, 0]


def test_cells_in_the_frames_padding_draw_nothing() -> None:
    logits = torch.full((1, 256, 256), -5.0)
    logits[:, 140:] = 5

    assert not draw(logits, Frame((100, 200)), 1.0).masks[0].any()


def squares(*sides: int) -> torch.Tensor:
    """Square pyramids of so many cells a side above -1, the less stable the smaller."""
    masks = []
    for side in sides:
        away = (torch.arange(256) - (127.5 if side % 2 == 0 else 128)).abs()
        away = torch.maximum(away[:, None], away)
        masks.append((side / 2 - away) / 2 - 1)
    return torch.stack(masks).clamp(-10, 10)


@pytest.mark.parametrize("screened", [True, False])
def test_masks_less_stable_than_asked_for_are_left_out(screened) -> None:
    frame, logits = Frame((384, 384)), squares(60, 8, 30, 100)
    every = draw(logits, frame, 1.0, screened=screened)
    assert every.kept.tolist() == [0, 1, 2, 3], "no bound, so nothing is left out"
    bound = float(every.stability_score[0])
    assert every.stability_score[1] < every.stability_score[2] < bound < every.stability_score[3]

    some = draw(logits, frame, 1.0, at_least=bound, screened=screened)

    assert some.kept.tolist() == [0, 3], "the bound is included"
    assert some.stability_score.tolist() == every.stability_score[[0, 3]].tolist()
    assert some.stability_at_most.tolist() == every.stability_at_most[[0, 3]].tolist()
    assert some.origins == [every.origins[0], every.origins[3]]
    for mask, i in zip(some.masks, some.kept, strict=True):
        assert np.array_equal(mask, every.masks[i])


@pytest.mark.parametrize(("screened", "drawn"), [(False, 4), (True, 2)])
def test_screening_leaves_out_large_unstable_masks_before_they_are_drawn(
    monkeypatch, screened, drawn
) -> None:
    frame, logits = Frame((384, 384)), squares(15, 40, 60, 150)
    every = draw(logits, frame, 1.0)
    enlarged = []
    strips = Frame.strips_within

    def counted(self, logits, cells):
        enlarged.append(cells)
        return strips(self, logits, cells)

    monkeypatch.setattr(Frame, "strips_within", counted)
    bound = float(every.stability_score[3]) - 0.001
    some = draw(logits, frame, 1.0, at_least=bound, screened=screened)

    assert some.kept.tolist() == [3]
    assert len(enlarged) == drawn, "of those left out only the small one had to be drawn to know"


def test_stability_is_in_pixels_and_bounded_at_low_resolution_if_large() -> None:
    # 15 x 15 cells are below SMALL, 16 x 16 are not.
    frame, logits = Frame((384, 384)), squares(15, 16, 60)
    every = draw(logits, frame, 1.0)

    kept = draw(logits, frame, 1.0, screened=True)

    assert kept.stability_score.tolist() == every.stability_score.tolist()
    low = stability(logits, 1.0).numpy() + LOW_RES_MARGIN
    assert kept.stability_at_most.tolist() == pytest.approx([np.inf, low[1], low[2]])
    assert np.isinf(every.stability_at_most).all()


def test_cells_in_the_frames_padding_do_not_count_for_stability() -> None:
    logits = squares(60)
    logits[:, 180:] = 0.5
    expected = stability(squares(60), 1.0).item() + LOW_RES_MARGIN

    drawn = draw(logits, Frame((300, 480)), 1.0, screened=True)

    # Cells up to row 160, beyond the square's last.
    assert drawn.stability_at_most.tolist() == [pytest.approx(expected, abs=0.02)]


def test_pixels_are_compared_alike_on_any_device() -> None:
    pixels = smooth_logits(1)[0] + 2
    pixels[:3, 0] = torch.tensor([0.0, 1.0, -1.0])  # at the bounds, so above the lower ones only
    masks = np.zeros((2, 256, 300), bool)

    here = _compare_here(pixels, 1.0, masks[0, :, 20:276])
    there = _compare_there(pixels, 1.0, masks[1, :, 20:276])

    values = pixels.numpy()
    assert here == there == ((values > 1).sum(), (values > -1).sum())
    assert 0 < here[0] < here[1] < values.size
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0, :, 20:276], values > 0)
    assert not masks[:, :, :20].any()
    assert not masks[:, :, 276:].any()
