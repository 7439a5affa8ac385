import numpy as np
import pytest

from napari_segany.generators.point_grids import crop_layers, point_grid


def test_points_lie_in_the_middle_of_their_cells_row_by_row() -> None:
    assert point_grid(1).tolist() == [[0.5, 0.5]]
    assert point_grid(2).tolist() == [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]]
    grid = point_grid(32)
    expected = (np.arange(32) + 0.5) / 32
    assert grid[:32, 1] == pytest.approx(expected)
    assert grid[::32, 0] == pytest.approx(expected)


def test_crops_of_a_known_size() -> None:
    # 600 x 900, ratio 512/1500. Layer 1: overlap int(600 * 0.34133 * 2/2) = 204, crops
    # ceil((204 + 600) / 2) = 402 high and ceil((204 + 900) / 2) = 552 wide, steps 198 and 348.
    layers = crop_layers((600, 900), 2, 512 / 1500)
    assert layers[0] == (0, (0, 0, 600, 900))
    assert [box for layer, box in layers if layer == 1] == [
        (0, 0, 402, 552),
        (198, 0, 600, 552),
        (0, 348, 402, 900),
        (198, 348, 600, 900),
    ]
    # Layer 2: overlap int(600 * 0.34133 * 2/4) = 102; ceil((3 * 102 + 600) / 4) = 227 high,
    # ceil((306 + 900) / 4) = 302 wide, steps 125 and 200.
    second = [box for layer, box in layers if layer == 2]
    assert len(second) == 16
    assert second[:5] == [
        (0, 0, 227, 302),
        (125, 0, 352, 302),
        (250, 0, 477, 302),
        (375, 0, 600, 302),
        (0, 200, 227, 502),
    ]
    assert second[-1] == (375, 600, 600, 900)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (5, 5), (17, 64), (303, 384)])
@pytest.mark.parametrize("ratio", [0.0, 512 / 1500, 0.9])
def test_every_layer_covers_the_plane(shape: tuple[int, int], ratio: float) -> None:
    crops = crop_layers(shape, 3, ratio)
    for layer in range(4):
        seen = np.zeros(shape, bool)
        for box in (box for number, box in crops if number == layer):
            assert 0 <= box[0] < box[2] <= shape[0]
            assert 0 <= box[1] < box[3] <= shape[1]
            seen[box[0] : box[2], box[1] : box[3]] = True
        assert seen.all(), f"layer {layer} leaves gaps"
