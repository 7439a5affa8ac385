import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from napari_segany.networks.vit import ViT, attention_by_codes, attention_in_pieces

GRID = 20  # 14 does not divide it, so the windows at the border are padded


@pytest.mark.parametrize(
    ("width", "heads"), [(768, 12), (1024, 16), (1280, 16)], ids=["vit_b", "vit_l", "vit_h"]
)
def test_embedding_equals_transformers_for_the_published_widths(sam_pair, width, heads):
    sam, reference = sam_pair(width, 4, heads, (1, 3), GRID)
    image = torch.randn(2, 3, 16 * GRID, 16 * GRID, generator=torch.Generator().manual_seed(1))

    ours = sam.image_encoder(image)
    theirs = reference.get_image_embeddings(image)

    assert ours.shape == (2, 256, GRID, GRID)
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_embedding_equals_transformers_at_full_resolution(sam_pair):
    # One windowed and one global block; "sdpa", because eager attention would need gigabytes.
    sam, reference = sam_pair(768, 2, 12, (1,), 64, attention="sdpa")
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))

    ours = sam.image_encoder(image)
    theirs = reference.get_image_embeddings(image)

    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_faint_embedding_equals_transformers(faint_pair):
    sam, reference = faint_pair
    image = torch.randn(2, 3, 16 * GRID, 16 * GRID, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(
        sam.image_encoder(image), reference.get_image_embeddings(image), atol=1e-4, rtol=0
    )


def plain_attention(q, k, v, by_row, by_col):
    """The formula as published, with every term written down."""
    b, heads, h, w, _ = by_row.shape
    bias = (by_row[..., :, None] + by_col[..., None, :]).reshape(b, heads, h * w, h * w)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return torch.softmax(scores + bias, dim=-1) @ v


# 14 is the side of a window. 40 leaves a last piece smaller than the others, 64 is the whole grid.
@pytest.mark.parametrize(("batch", "heads", "side"), [(6, 12, 14), (2, 2, 40), (1, 1, 64)])
@pytest.mark.parametrize("width", [64, 80])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 5e-2)], ids=["float32", "bf16"]
)
@pytest.mark.parametrize("attend", [attention_in_pieces, attention_by_codes])
def test_attention_equals_the_plain_formula(attend, dtype, tolerance, width, batch, heads, side):
    generator = torch.Generator().manual_seed(side)
    q, k, v = torch.randn(3, batch, heads, side * side, width, generator=generator).to(dtype)
    by_row, by_col = torch.randn(2, batch, heads, side, side, side, generator=generator).to(dtype)

    seen = attend(q, k, v, by_row, by_col)

    assert seen.dtype == dtype
    expected = plain_attention(*(each.float() for each in (q, k, v, by_row, by_col)))
    without_terms = plain_attention(*(each.float() for each in (q, k, v, 0 * by_row, 0 * by_col)))
    assert (expected - without_terms).abs().max() > 4 * tolerance
    torch.testing.assert_close(seen.float(), expected, atol=tolerance, rtol=0)


@pytest.fixture(scope="module")
def encoder(randomise):
    """A windowed and a global block over a grid large enough for several pieces of scores."""
    model = ViT(width=64, depth=2, heads=2, global_blocks=(1,), grid=40).requires_grad_(False)
    randomise(model, seed=3)
    return model


def test_a_stack_of_planes_is_encoded_as_each_plane_alone(encoder):
    planes = torch.randn(3, 3, 640, 640, generator=torch.Generator().manual_seed(1))

    together = encoder(planes)

    assert (together[0] - together[1]).abs().max() > 0.5
    for plane, embedding in zip(planes, together, strict=True):
        torch.testing.assert_close(embedding, encoder(plane[None])[0], atol=1e-4, rtol=0)


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor any operation returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, torch.Tensor):
                # An expanded tensor takes no more memory than what it was expanded from.
                stored = each.untyped_storage().nbytes() // each.element_size()
                self.elements = max(self.elements, min(each.numel(), stored))
        return result


def test_scores_of_all_queries_and_keys_are_never_in_memory_at_once(encoder):
    with LargestTensor() as largest:
        encoder(torch.zeros(3, 3, 640, 640))

    of_one_head_and_plane = 40**4
    assert 0 < largest.elements < 2 * of_one_head_and_plane


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("batch", "side"), [(6, 14), (1, 40)])
def test_cuda_has_a_kernel_for_codes_that_keeps_no_scores(batch, side, dtype):
    generator = torch.Generator().manual_seed(side)
    q, k, v = torch.randn(3, batch, 2, side * side, 64, generator=generator)
    by_row, by_col = torch.randn(2, batch, 2, side, side, side, generator=generator)

    with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
        seen = attention_by_codes(*(x.to("cuda", dtype) for x in (q, k, v, by_row, by_col)))

    tolerance = 1e-4 if dtype == torch.float32 else 5e-2
    expected = plain_attention(q, k, v, by_row, by_col)
    torch.testing.assert_close(seen.float().cpu(), expected, atol=tolerance, rtol=0)


class Stopped(Exception):
    pass


def test_callback_comes_before_every_block_and_can_stop_there():
    encoder = ViT(width=64, depth=4, heads=1, global_blocks=(3,), grid=4).requires_grad_(False)
    events = []
    for block in encoder.blocks:
        block.register_forward_hook(lambda *_: events.append("block"))
    image = torch.zeros(1, 3, 64, 64)

    encoder(image, lambda: events.append("callback"))

    assert events == ["callback", "block"] * 4

    def stop_at_the_third():
        events.append("callback")
        if events.count("callback") == 3:
            raise Stopped

    events.clear()
    with pytest.raises(Stopped):
        encoder(image, stop_at_the_third)
    assert events == ["callback", "block"] * 2 + ["callback"]
