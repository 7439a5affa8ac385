from collections.abc import Callable, Sequence

import pytest
import torch
from tests.finders import TINY_SHAPE, build_finder
from torch import Tensor
from torch.nn import functional as F

from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.finder import FinderShape, predict_maps
from napari_segany.networks.finder_inference import FinderInference, fold, folded_shapes, unfold
from napari_segany.networks.sam import PIXEL_MEAN, PIXEL_STD
from napari_segany.networks.work_pieces import Piece

SHAPES = [
    TINY_SHAPE,
    FinderShape(16, ((5, 4), (7, 2)), widths=(9, 8, 6), image_width=0),
    FinderShape(16, ((5, 1), (7, 1)), widths=(9, 8, 6), image_width=3, blocks=3),
    FinderShape(16, (), widths=(4, 5, 6), image_width=2, blocks=0),
]
CPU = torch.device("cpu")


def inputs(
    shape: FinderShape, grid: int, size: tuple[int, int]
) -> tuple[Tensor, list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(3)
    embedding = torch.randn(shape.embedding, grid, grid, generator=generator)
    stages = [
        torch.randn(n * grid, n * grid, channels, generator=generator).permute(2, 0, 1)
        for channels, n in shape.stages
    ]
    image = torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)
    return embedding, stages, image


def plain_maps(shape: FinderShape, grid: int, size: tuple[int, int]) -> Tensor:
    embedding, stages, image = inputs(shape, grid, size)
    mean, std = torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_STD)
    pixels = ((image.float() - mean) / std).permute(2, 0, 1)
    placed = F.pad(pixels, (0, 16 * grid - size[1], 0, 16 * grid - size[0]))
    raw = build_finder(shape)(embedding[None], [stage[None] for stage in stages], placed[None])
    return predict_maps(raw)[0]


def infer(shape: FinderShape, dtype: torch.dtype = torch.float32) -> FinderInference:
    return FinderInference(shape, fold(build_finder(shape)), CPU, dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("grid", "size"), [(8, (128, 128)), (8, (128, 37)), (8, (1, 128)), (20, (320, 203))]
)
def test_it_gives_the_maps_of_the_training_form(
    shape: FinderShape, grid: int, size: tuple[int, int]
) -> None:
    cells = (-(-size[0] // 2), -(-size[1] // 2))
    maps = infer(shape).predict(*inputs(shape, grid, size), cells)
    expected = plain_maps(shape, grid, size)[:, : cells[0], : cells[1]]
    assert maps.shape == (5, *cells)
    assert maps.dtype == torch.float32
    assert expected.std(dim=(1, 2)).min() > 1e-3 or min(cells) == 1
    assert torch.allclose(maps, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_threads_change_no_bit(dtype: torch.dtype) -> None:
    given = inputs(TINY_SHAPE, 20, (320, 251))
    inference, cells = infer(TINY_SHAPE, dtype), (160, 126)
    expected = inference.predict(*given, cells)
    for count in (1, 2, 4):
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            with torch.inference_mode(), spreading_pieces(CPU) as spread:
                maps = inference.predict(*given, cells, spread)
        finally:
            torch.set_num_threads(before)
        assert torch.equal(maps, expected)


def test_the_order_of_pieces_changes_no_bit() -> None:
    def backwards(function: Callable[[Piece], None], pieces: Sequence[Piece]) -> None:
        for piece in reversed(pieces):
            function(piece)

    given = inputs(TINY_SHAPE, 20, (320, 251))
    inference, cells = infer(TINY_SHAPE), (160, 126)
    expected = inference.predict(*given, cells)
    assert torch.equal(inference.predict(*given, cells, backwards), expected)


def test_bfloat16_gives_close_maps() -> None:
    embedding, stages, image = inputs(TINY_SHAPE, 8, (128, 100))
    lower = [stage.bfloat16() for stage in stages]
    maps = infer(TINY_SHAPE, torch.bfloat16).predict(embedding, lower, image, (64, 50))
    expected = infer(TINY_SHAPE).predict(embedding, stages, image, (64, 50))
    assert maps.dtype == torch.float32
    assert 0 < (maps - expected).abs().max() < 0.05


def test_folded_weights_have_the_shapes_that_files_are_checked_for() -> None:
    for shape in SHAPES:
        folded = fold(build_finder(shape))
        assert {name: tuple(value.shape) for name, value in folded.items()} == folded_shapes(shape)


def test_it_can_be_stopped_between_layers() -> None:
    class StopError(Exception):
        pass

    calls: list[int] = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise StopError

    with pytest.raises(StopError):
        infer(TINY_SHAPE).predict(*inputs(TINY_SHAPE, 8, (9, 9)), (5, 5), on_layer=stop)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_unfolded_finder_computes_the_same_and_folds_to_the_same(shape: FinderShape) -> None:
    finder = build_finder(shape)
    folded = fold(finder)
    again = unfold(shape, folded)
    embedding, stages, _ = inputs(shape, 4, (64, 64))
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(1, 3, 64, 64, generator=generator)
    parts = embedding[None], [stage[None] for stage in stages], image
    torch.testing.assert_close(again(*parts), finder(*parts), rtol=1e-4, atol=1e-4)
    for name, value in fold(again).items():
        torch.testing.assert_close(value, folded[name], rtol=1e-5, atol=1e-6)
