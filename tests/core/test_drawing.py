import numpy as np
import pytest
import torch

from napari_segany.core.drawing import draw, stability
from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet


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
