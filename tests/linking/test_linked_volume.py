"""Objects of a volume: filters without the model, labels, gaps."""

from collections.abc import Sequence

import numpy as np
import pytest
from tests.linking.planes import SHAPE, disc, plane

from napari_segany import LinkParams
from napari_segany.linking.linked_volume import LinkedVolume, link_volume
from napari_segany.linking.plane_candidates import PlaneCandidates

LONG, SHORT, SINGLE = disc(14, 14, 8), disc(30, 44, 9), disc(40, 8, 4)


def volume_of(planes: Sequence[PlaneCandidates], **given: object) -> LinkedVolume:
    return link_volume(planes.__getitem__, (len(planes), *SHAPE), LinkParams(**given))


@pytest.fixture
def volume() -> LinkedVolume:
    return volume_of(
        [
            plane([LONG], score=0.9),
            plane([SHORT, LONG], score=0.7),
            plane([LONG, SINGLE, SHORT], score=0.8),
        ]
    )


def test_labels_have_one_id_an_object(volume: LinkedVolume):
    labels = volume.labels()
    expected = np.zeros((3, *SHAPE), np.int32)
    expected[:, LONG] = 1
    expected[1:, SHORT] = 2
    expected[2, SINGLE] = 3
    assert np.array_equal(labels, expected)
    assert labels.dtype == np.int32


def test_the_table_has_a_row_an_object(volume: LinkedVolume):
    table = {name: np.round(values, 4).tolist() for name, values in volume.objects().items()}
    assert table == {
        "label": [1, 2, 3],
        "first_plane": [0, 1, 2],
        "last_plane": [2, 2, 2],
        "planes": [3, 2, 1],
        "volume": [3 * int(LONG.sum()), 2 * int(SHORT.sum()), int(SINGLE.sum())],
        "mean_score": [0.8, 0.75, 0.8],
    }


def test_filters_number_what_is_left(volume: LinkedVolume):
    for bounds, left in (
        ({"min_planes": 2}, [1, 2]),
        ({"min_planes": 3}, [1]),
        ({"min_volume": int(2 * SHORT.sum())}, [1, 2]),
        ({"min_mean_score": 0.76}, [1, 3]),
        ({"min_mean_score": 0.95}, []),
    ):
        found = volume.filter(**bounds)  # type: ignore[arg-type]
        before, after = volume.labels(), found.labels()
        expected = np.zeros_like(before)
        for new, old in enumerate(left, 1):
            expected[before == old] = new
        assert np.array_equal(after, expected)
        assert found.count == len(left)
        assert found.objects()["label"].tolist() == list(range(1, len(left) + 1))


def test_parameters_filter_as_filters_do(volume: LinkedVolume):
    planes = [volume.load(n) for n in range(3)]
    found = volume_of(planes, min_planes=2, min_mean_score=0.76)
    same = volume.filter(min_planes=2, min_mean_score=0.76)
    assert np.array_equal(found.labels(), same.labels())


def test_gaps_are_drawn_between_the_planes_around():
    planes = [plane([disc(20, 20, 6)]), plane([]), plane([disc(24, 24, 10)])]
    volume = volume_of(planes)
    (between,) = volume.labels()[1:2]
    assert np.sqrt(np.count_nonzero(between) / np.pi) == pytest.approx(8, abs=0.5)
    assert np.argwhere(between).mean(axis=0) == pytest.approx((22, 22), abs=0.6)
    assert not volume_of(planes, fill_gaps=False).labels()[1].any()
    # Planes in which it is not seen do not count.
    assert volume.objects()["planes"].tolist() == [2]


def test_a_gap_never_covers_another_object():
    middle = plane([disc(24, 34, 5)])
    planes = [plane([disc(24, 24, 12)]), middle, plane([disc(24, 24, 12)])]
    volume = volume_of(planes, min_overlap=0.45)
    labels = volume.labels()
    assert volume.count == 2
    assert (labels[1][disc(24, 34, 5)] == 2).all()
    assert (labels[1] == 1).any()


def test_gaps_at_the_border_stay_on_the_plane():
    planes = [plane([disc(1, 1, 6)]), plane([]), plane([disc(0, 2, 6)])]
    between = volume_of(planes).labels()[1]
    assert np.count_nonzero(between) == pytest.approx(np.count_nonzero(disc(0.5, 1.5, 6)), abs=12)


def test_painting_asks_for_few_planes_at_once():
    there, gone = plane([disc(24, 30, 9)]), plane([])
    planes = [gone if n % 3 == 1 else there for n in range(20)]
    asked: list[int] = []

    def load(number: int) -> PlaneCandidates:
        asked.append(number)
        return planes[number]

    volume = link_volume(load, (20, *SHAPE))
    del asked[:]
    volume.labels()
    assert len(asked) <= 2 * len(planes)


def test_no_objects():
    volume = volume_of([plane([])] * 2)
    assert volume.count == 0
    assert not volume.labels().any()
    assert all(len(column) == 0 for column in volume.objects().values())
