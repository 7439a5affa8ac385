import tracemalloc

import numpy as np
from PIL import Image

from napari_segany.io.overlay import COLOURS, choose_colours, draw_overlay, write_png


def squares() -> np.ndarray:
    """Two touching objects and one far away."""
    labels = np.zeros((60, 80), np.int32)
    labels[10:30, 10:30], labels[10:30, 30:50], labels[45:55, 60:70] = 1, 2, 3
    return labels


def test_objects_are_outlined_inside_and_background_is_as_it_was():
    labels, gray = squares(), np.full((60, 80, 3), 100, np.uint8)

    picture = draw_overlay(gray, labels)

    factor = picture.shape[0] // 60
    assert picture.shape == (60 * factor, 80 * factor, 3)
    assert factor > 1, "small images are enlarged"
    big = labels.repeat(factor, axis=0).repeat(factor, axis=1)
    assert (picture[big == 0] == 100).all()
    colours = COLOURS[choose_colours(labels)]
    for label in (1, 2, 3):
        where = np.argwhere(big == label)
        assert (picture[tuple(where[0])] == colours[label - 1]).all(), "a corner is outline"
        middle = where.mean(axis=0).astype(int)
        assert not (picture[tuple(middle)] == colours[label - 1]).all(), (
            "the middle is a light fill"
        )


def test_touching_objects_have_different_colours():
    chosen = choose_colours(squares())

    assert chosen[0] != chosen[1]


def test_large_images_are_reduced_and_no_object_is_fine_too():
    picture = draw_overlay(np.zeros((30, 4096, 3), np.uint8), np.zeros((30, 4096), np.int32))

    assert picture.shape == (15, 2048, 3)


def test_picture_says_what_it_shows(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8), "cells: 3 objects")

    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (5, 4)
        assert "cells: 3 objects" in image.text.values()


def test_neighbours_are_found_across_tiles_and_in_little_memory(monkeypatch):
    random = np.random.default_rng(0)
    labels = np.zeros((150, 170), np.int32)
    for number in range(1, 120):
        row, col, size = *random.integers(0, 140, 2), random.integers(2, 14)
        labels[row : row + size, col : col + size] = number
    whole = choose_colours(labels)
    for tile in (16, 33, 64):
        monkeypatch.setattr("napari_segany.io.overlay.TILE", tile)
        assert np.array_equal(choose_colours(labels), whole)
    monkeypatch.undo()
    large = np.zeros((3000, 3000), np.int32)
    large[500:530, 500:512], large[500:530, 512:520] = 1, 2
    tracemalloc.start()
    try:
        first, second = choose_colours(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert first != second
    assert peak < large.nbytes / 2
