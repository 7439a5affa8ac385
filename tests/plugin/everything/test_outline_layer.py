"""The outline of the object that is reviewed."""

from typing import Any

import numpy as np
from napari.layers import Image

from napari_segany import MaskSet
from napari_segany.plugin.everything.outline_layer import OutlineLayer
from napari_segany.plugin.layers.image_view import LayerView


def square(shape: tuple[int, int], rows: slice, cols: slice) -> MaskSet:
    mask = np.zeros((1, *shape), bool)
    mask[0, rows, cols] = True
    return MaskSet.from_masks(mask)


def test_one_object_is_outlined_at_a_time(viewer: Any) -> None:
    layer = viewer.add_layer(Image(np.zeros((3, 20, 30)), name="image", scale=(2, 1, 1)))
    view, outline = LayerView(layer), OutlineLayer(viewer)
    outline.hide()
    outline.show(view, (1, None, None), square((20, 30), slice(4, 10), slice(5, 12)))
    wanted = np.zeros((20, 30), int)
    wanted[3:11, 5:12] = wanted[4:10, 4:13] = 1
    wanted[5:9, 6:11] = 0
    assert np.array_equal(outline.layer.data[1], wanted)
    assert not outline.layer.data[[0, 2]].any()
    assert viewer.layers.selection.active is layer
    # At the border of the plane, seen from the side.
    outline.show(view, (None, 7, None), square((3, 30), slice(0, 3), slice(0, 4)))
    assert not outline.layer.data[:, :7].any()
    assert outline.layer.data[:, 7].astype(int).tolist()[0][:6] == [1, 1, 1, 1, 1, 0]
    outline.hide()
    assert not outline.layer.visible
    assert not outline.layer.data.any()
    outline.show(view, (0, None, None), square((20, 30), slice(4, 5), slice(5, 6)))
    assert outline.layer.visible
    viewer.layers.remove(outline.layer)
    outline.show(view, (0, None, None), square((20, 30), slice(4, 5), slice(5, 6)))
    assert outline.layer in viewer.layers
    other = LayerView(viewer.add_layer(Image(np.zeros((9, 9)))))
    outline.show(other, (None, None), square((9, 9), slice(0, 9), slice(0, 9)))
    assert outline.layer.data.shape == (9, 9)
    assert len(viewer.layers) == 3
    outline.remove()
    assert len(viewer.layers) == 2
