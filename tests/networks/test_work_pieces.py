import weakref

import pytest
import torch
from torch.nn import functional as F

from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.tiny_vit import TinyViT
from napari_segany.networks.vit import ViT
from napari_segany.networks.work_pieces import (
    PIECES,
    TOKENS,
    conv_rows,
    cut,
    input_rows,
    join,
    map_pieces,
    one_by_one,
    stack_rows,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 64, 361])
@pytest.mark.parametrize("tokens", [1, 49, 256, 4096])
def test_pieces_cover_an_axis_once(length, tokens):
    pieces = cut(length, tokens, CPU)

    assert [i for piece in pieces for i in range(length)[piece]] == list(range(length))
    assert len(pieces) <= PIECES
    assert all((piece.stop - piece.start) * tokens >= TOKENS for piece in pieces[:-1])


def test_other_devices_get_one_piece():
    assert cut(361, 49, torch.device("meta")) == [slice(0, 361)]


def test_results_are_in_the_order_of_the_pieces():
    def backwards(function, pieces):
        one_by_one(function, pieces[::-1])

    pieces = cut(64, 256, CPU)
    rows = torch.arange(64.0)[None, :, None].expand(2, 64, 3)
    found = join(lambda piece: rows[:, piece], pieces, 1, backwards)
    assert torch.equal(found, rows)
    assert found.is_contiguous()


def test_parts_are_placed_one_by_one_and_not_held():
    parts: list[weakref.ref[torch.Tensor]] = []

    def rows(piece):
        assert not any(part() is not None for part in parts)
        part = torch.ones(1, piece.stop - piece.start, 2)
        parts.append(weakref.ref(part))
        return part

    join(rows, cut(64, 256, CPU), 1, one_by_one)
    assert len(parts) == PIECES


@pytest.mark.parametrize(("stride", "height"), [(1, 40), (2, 40), (2, 64)])
def test_rows_of_a_convolution_are_those_of_the_whole(stride, height):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, height, 32, 6, generator=generator)
    weight = torch.randn(4, 6, 3, 3, generator=generator)

    def rows(piece):
        needed, above, below = input_rows(piece, height, stride)
        return conv_rows(x[:, needed], weight, None, above, below, stride)

    whole = F.conv2d(x.permute(0, 3, 1, 2), weight, None, stride, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(stack_rows(rows, height // stride, CPU, one_by_one), whole)


def test_entries_are_mapped_piece_by_piece():
    x = torch.arange(100.0).view(50, 2, 1).expand(50, 2, 100)
    assert torch.equal(map_pieces(lambda some: some + 1, x, one_by_one), x + 1)


@pytest.mark.parametrize(
    "build",
    [TinyViT, lambda: ViT(width=64, depth=2, heads=4, global_blocks=(1,), grid=32)],
    ids=["tiny_vit", "vit"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_number_of_threads_does_not_change_an_embedding(build, dtype, randomise):
    encoder = build().eval().requires_grad_(False)
    randomise(encoder, 1)
    encoder.lower_precision(dtype)
    image = torch.randn(1, 3, 512, 512, generator=torch.Generator().manual_seed(2))
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3, 4, 8):
            torch.set_num_threads(count)
            with spreading_pieces(CPU) as spread, torch.inference_mode():
                found.append(encoder(image, spread=spread))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)

    assert found[0].std() > 0
    assert all(torch.equal(each, found[0]) for each in found)
