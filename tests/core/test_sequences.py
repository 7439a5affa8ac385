import numpy as np

from napari_segany.core.sequences import as_array, listed


def test_iterables_are_listed_and_arrays_left_alone() -> None:
    array = np.arange(3)
    assert listed(array) is array
    assert listed(n for n in (1, 2)) == [1, 2]
    assert listed({1: "a"}.keys()) == [1]
    assert listed(5) == 5


def test_planes_of_an_iterable_are_one_array() -> None:
    class Lazy:
        shape = (2, 3)

        def __getitem__(self, index: object) -> object:
            raise AssertionError("nothing is read yet")

    lazy = Lazy()
    assert as_array(lazy) is lazy
    planes = [np.full((2, 3), n) for n in range(4)]
    assert np.array_equal(as_array(plane for plane in planes), np.stack(planes))
    assert np.array_equal(as_array([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
