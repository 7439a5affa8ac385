from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_segany.core.image_source import Plane
from napari_segany.errors import InputError, PlaneError
from napari_segany.session import ArraySource

DATA = np.arange(2 * 3 * 5 * 7, dtype=np.uint16).reshape(2, 3, 5, 7)


@pytest.mark.parametrize(
    ("plane", "wanted"),
    [
        ((1, 2, None, None), DATA[1, 2]),
        ((1, None, 4, None), DATA[1, :, 4]),
        ((None, 0, 1, None), DATA[:, 0, 1]),
        ((None, None, 4, 6), DATA[:, :, 4, 6]),
    ],
)
def test_any_two_axes_are_a_plane(plane: Plane, wanted: Any) -> None:
    source = ArraySource(DATA)
    assert source.shape == DATA.shape
    assert np.array_equal(source.read(plane), wanted)


def test_a_channel_axis_is_no_axis_of_the_labels() -> None:
    source = ArraySource(DATA, channel_axis=1, channels=[2])
    assert source.shape == (2, 5, 7)
    assert np.array_equal(source.read((1, None, None)), DATA[1, 2])


def test_three_channels_are_colours() -> None:
    source = ArraySource(DATA, channel_axis=-3, channels=[2, 0, 1])
    seen = source.read((0, None, None))
    assert np.array_equal(seen, np.moveaxis(DATA[0, [2, 0, 1]], 0, -1))


def test_colours_last_are_left_together_without_transparency() -> None:
    data = np.random.default_rng(0).integers(0, 255, (4, 6, 8, 4), np.uint8)
    source = ArraySource(data, rgb=True)
    assert source.shape == (4, 6, 8)
    assert np.array_equal(source.read((3, None, None)), data[3, ..., :3])
    assert np.array_equal(source.read((None, 5, None)), data[:, 5, :, :3])


def test_lazy_stacks_are_read_plane_by_plane() -> None:
    read: list[tuple[int, ...]] = []

    def block(block_id: tuple[int, ...]) -> Any:
        read.append(block_id)
        return np.full((1, 4, 6), block_id[0], np.uint8)

    data = da.map_blocks(block, chunks=((1,) * 50, (4,), (6,)), dtype=np.uint8, meta=np.empty(0))
    source = ArraySource(data)
    read.clear()
    assert (source.read((17, None, None)) == 17).all()
    assert read == [(17, 0, 0)]
    source.identity()
    assert {each[0] for each in read} == {0, 17, 24, 49}


def test_identity_is_that_of_the_content() -> None:
    same, other = DATA.copy(), DATA.copy()
    other[0, 0, 0, 0] += 1
    assert ArraySource(DATA).identity() == ArraySource(same, name="elsewhere").identity()
    assert ArraySource(DATA).identity() != ArraySource(other).identity()
    assert ArraySource(DATA).identity() != ArraySource(DATA.reshape(6, 5, 7)).identity()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ArraySource(np.zeros(5)), "no planes"),
        (lambda: ArraySource(np.zeros((0, 5))), "no planes"),
        (lambda: ArraySource(DATA, channel_axis=4), "no axis 4"),
        (lambda: ArraySource(DATA, channel_axis=1, channels=[3]), r"0\.\.2"),
        (
            lambda: ArraySource(DATA, channel_axis=1, channels=[0, 1, 2, 0]),
            "one, two or three channels",
        ),
        (lambda: ArraySource(DATA, rgb=True), "not RGB"),
        (lambda: ArraySource(DATA).read((0, 0, 0, None)), "is no plane"),
        (lambda: ArraySource(DATA).read((0, 3, None, None)), "is no plane"),
        (lambda: ArraySource(DATA).read((0, None, None)), "is no plane"),
    ],
)
def test_what_is_no_image_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_arrays_of_others_that_cannot_be_read_are_named() -> None:
    class Gone:
        shape, dtype = (3, 8, 9), np.dtype(np.uint8)

        def __getitem__(self, index: object) -> object:
            raise OSError("the server is gone")

    with pytest.raises(PlaneError, match="remote cannot be read: the server is gone"):
        ArraySource(Gone(), name="remote").read((1, None, None))
    channels = ArraySource(Gone(), name="remote", channel_axis=0, channels=(0, 1))
    with pytest.raises(PlaneError, match="remote cannot be read"):
        channels.read((None, None))
