import numpy as np
import pytest
import torch
from PIL import Image

from napari_segany.core.geometry import Frame, _copied


@pytest.mark.parametrize(
    ("shape", "scaled"),
    [
        ((512, 1024), (512, 1024)),
        ((1024, 512), (1024, 512)),
        ((303, 384), (808, 1024)),
        ((1, 1), (1024, 1024)),
        ((3000, 2000), (1024, 683)),
        ((1, 5000), (1, 1024)),
    ],
)
def test_the_long_side_fills_the_frame(shape: tuple[int, int], scaled: tuple[int, int]) -> None:
    assert Frame(shape).scaled == scaled


def test_rows_and_columns_become_y_and_x() -> None:
    frame = Frame((512, 2048))
    assert frame.to_xy(np.array([[100.0, 600.0]])).tolist() == [[300.0, 50.0]]
    assert frame.boxes_to_xyxy(np.array([[10.0, 20.0, 30.0, 40.0]])).tolist() == [
        [10.0, 5.0, 20.0, 15.0]
    ]
    assert frame.to_xy(np.zeros((4, 3, 2))).shape == (4, 3, 2)


def test_points_use_the_rounded_size_of_each_side() -> None:
    # 303 x 384 lies in the frame as 808 x 1024, so rows scale by 808 / 303.
    (x, y) = Frame((303, 384)).to_xy(np.array([303.0, 384.0]))
    assert (x, y) == pytest.approx((1024, 808), abs=1e-9)


def test_an_image_is_placed_without_padding_and_not_turned() -> None:
    rgb = np.zeros((64, 128, 3), np.uint8)
    rgb[:32, :, 0] = 255
    rgb[:, :64, 1] = 255
    placed = Frame((64, 128)).place_image(rgb)
    assert placed.shape == (512, 1024, 3)
    assert placed[10, 1000].tolist() == [255, 0, 0]
    assert placed[500, 10].tolist() == [0, 255, 0]


def test_a_mask_prompt_is_placed_where_the_image_is() -> None:
    mask = np.zeros((300, 600), bool)
    mask[150:, :300] = True
    logits = Frame((300, 600)).place_mask(mask)
    assert logits.shape == (256, 256)
    assert logits.max() == pytest.approx(6.907, abs=1e-3)
    assert logits.min() == pytest.approx(-6.907, abs=1e-3)
    on = logits > 0
    expected = torch.zeros(256, 256, dtype=torch.bool)
    expected[64:128, :128] = True
    assert torch.equal(on, expected), "the padding below is off"


@pytest.mark.parametrize("shape", [(40, 90), (1024, 700), (2000, 1500), (1, 1), (1, 300)])
def test_enlarging_keeps_places(shape: tuple[int, int]) -> None:
    frame = Frame(shape)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    mask = ((rows + 0.5) / shape[0] < 0.5) & ((cols + 0.5) / shape[1] > 0.25)
    enlarged, origin = frame.enlarge_within(frame.place_mask(mask), (0, 0, *frame.cells_used(256)))
    assert origin == (0, 0)
    assert enlarged.shape == shape
    assert enlarged.dtype == torch.float32
    if min(shape) > 1:
        agreement = ((enlarged.numpy() > 0) == mask).mean()
        assert agreement > 0.97


def test_enlarging_is_two_bilinear_steps() -> None:
    low = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
    got, _ = Frame((300, 200)).enlarge_within(low, (0, 0, 256, 171))
    framed = torch.nn.functional.interpolate(low[None, None], (1024, 1024), mode="bilinear")
    expected = torch.nn.functional.interpolate(
        framed[..., :1024, :683], (300, 200), mode="bilinear"
    )
    torch.testing.assert_close(got, expected[0, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "shape", [(303, 384), (256, 256), (1022, 1024), (1400, 700), (37, 900), (5, 3), (1, 1)]
)
def test_enlarging_within_cells_equals_that_part_of_the_whole(shape, enlarge):
    frame = Frame(shape)
    logits = torch.randn(256, 256, generator=torch.Generator().manual_seed(4))
    whole = enlarge(frame, logits)
    rows, cols = frame.cells_used(256)

    everything, origin = frame.enlarge_within(logits, (0, 0, rows, cols))
    part, (top, left) = frame.enlarge_within(
        logits, (rows // 3, cols // 4, rows // 2 + 1, cols // 2 + 1)
    )

    assert origin == (0, 0)
    torch.testing.assert_close(everything, whole, atol=1e-5, rtol=0)
    h, w = part.shape
    torch.testing.assert_close(part, whole[top : top + h, left : left + w], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(303, 384), (1022, 1024), (64, 48)])
def test_no_pixel_outside_is_above_a_bound_that_only_cells_inside_exceed(shape, enlarge):
    frame = Frame(shape)
    logits = torch.full((256, 256), -3.0)
    logits[40:55, 20:31] = 5
    whole = enlarge(frame, logits)

    part, (top, left) = frame.enlarge_within(logits, (40, 20, 55, 31))

    h, w = part.shape
    assert (part > 0).any()
    whole[top : top + h, left : left + w] = -3
    assert not (whole > -3 + 1e-5).any()


@pytest.mark.parametrize("shape", [(70, 90), (31, 200), (300, 280)])
def test_images_are_scaled_as_pillow_does_colour_by_colour(shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    gray = np.broadcast_to(rgb[..., :1], rgb.shape)
    frame = Frame(shape, 128)
    for image in (rgb, gray, rgb[::-1, ::2]):
        frame = Frame(image.shape[:2], 128)
        whole = Image.fromarray(np.ascontiguousarray(image))
        wanted = whole.resize(frame.scaled[::-1], Image.Resampling.BILINEAR)
        placed = frame.place_image(image)
        assert np.array_equal(placed, np.asarray(wanted))
        assert placed.flags.writeable


def test_weights_on_another_device_are_copied_once_and_packed() -> None:
    by_row, _ = Frame((300, 200))._resizings(256)
    pixels = slice(10, 40)
    here = by_row.weights_of(pixels, torch.zeros(1))
    # No device but the CPU is everywhere; this one holds no values.
    there = [by_row.weights_of(pixels, torch.zeros(1, device="meta")) for _ in range(2)]

    assert {each.shape for each in there} == {here.shape}
    assert all(each.is_meta and each.is_contiguous() for each in there)
    assert not here.is_contiguous(), "a part of what is kept"
    assert here.untyped_storage().data_ptr() == by_row.weights.untyped_storage().data_ptr()
    assert _copied(by_row, torch.device("meta")) is _copied(by_row, torch.device("meta"))
