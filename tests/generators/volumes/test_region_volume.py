"""Objects of drawn volumes are found whole from the maps of their planes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from tests.generators.volumes.balls import draw_balls, maps_of, packaged_estimate

from napari_segany.errors import Cancelled
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.region_volume import RegionVolume, segment_maps

SHAPE = (26, 48, 48)
BALLS = [(6, 14, 14, 9), (19, 15, 15, 9), (13, 34, 33, 10), (24, 38, 10, 6)]
"""Two of them lie on each other, and one is cut by the end of the volume."""

TRUTH = draw_balls(SHAPE, BALLS)
ESTIMATE = packaged_estimate()


def segment(planes: list[PlaneMaps | None], **given: float) -> RegionVolume:
    ways = {"smoothing": 1.0, "outline": 0.5} | given
    shape = (len(planes), *TRUTH.shape[1:])
    return segment_maps(planes.__getitem__, shape, ESTIMATE, **ways)  # type: ignore[arg-type]


def ious(truth: NDArray[np.int32], labels: NDArray[np.int32]) -> list[float]:
    """Greatest IoU of each true object with any that was found."""
    best = []
    for number in np.unique(truth[truth > 0]):
        mine = truth == number
        found = np.unique(labels[mine & (labels > 0)])
        best.append(max((mine & (labels == k)).sum() / (mine | (labels == k)).sum() for k in found))
    return best


def test_objects_that_lie_on_each_other_are_two():
    volume = segment(list(maps_of(TRUTH)))
    labels = volume.labels()
    assert volume.count == labels.max() == len(BALLS)
    assert min(ious(TRUTH, labels)) > 0.75
    assert labels[6, 14, 14] != labels[19, 15, 15]


def test_noise_of_single_planes_is_averaged_away():
    noisy = list(maps_of(TRUTH, 0.25))
    smooth, rough = segment(noisy, smoothing=1.5), segment(noisy, smoothing=0.0)
    assert np.mean(ious(TRUTH, smooth.labels())) > np.mean(ious(TRUTH, rough.labels()))
    assert np.mean(ious(TRUTH, smooth.labels())) > 0.65


def test_the_table_is_that_of_the_labels():
    volume = segment(list(maps_of(TRUTH)))
    labels, table = volume.labels(), volume.objects()
    for k, number in enumerate(table["label"].tolist()):
        mine = labels == number
        planes = np.flatnonzero(mine.any(axis=(1, 2)))
        assert table["volume"][k] == mine.sum()
        assert (table["first_plane"][k], table["last_plane"][k]) == (planes[0], planes[-1])
        assert table["planes"][k] == len(planes)
        assert 0.2 < table["mean_score"][k] <= 1
    assert (np.diff(table["first_plane"]) >= 0).all()


def test_filters_leave_out_objects_and_number_anew():
    volume = segment(list(maps_of(TRUTH)))
    volumes = volume.objects()["volume"]
    large = volume.filter(min_volume=int(volumes.max()))
    assert large.count == 1
    kept = int(volumes.argmax()) + 1
    assert np.array_equal(large.labels() > 0, volume.labels() == kept)
    assert volume.filter(min_planes=19).count == int((volume.objects()["planes"] >= 19).sum())
    none = volume.filter(min_mean_score=1.5)
    assert none.count == 0
    assert not none.labels().any()
    assert volume.filter().labels().tobytes() == volume.labels().tobytes()


def test_a_plane_without_maps_is_drawn_from_those_around():
    planes: list[PlaneMaps | None] = list(maps_of(TRUTH))
    planes[12] = None
    labels = segment(planes).labels()
    assert min(ious(TRUTH, labels)) > 0.75
    assert (labels[12] > 0).sum() > 0.5 * (TRUTH[12] > 0).sum()
    assert not segment([None] * 3).labels().any()


def test_cells_of_several_pixels_are_enlarged():
    fine = segment(list(maps_of(TRUTH)))
    shape = (2 * SHAPE[1] - 1, 2 * SHAPE[2] - 1)
    coarse = [replace(plane, shape=shape, step=2) for plane in maps_of(TRUTH)]
    volume = segment_maps(
        coarse.__getitem__, (SHAPE[0], *shape), ESTIMATE, smoothing=1.0, outline=0.5
    )
    assert volume.count == fine.count
    assert volume.objects()["volume"].tolist() == (4 * fine.objects()["volume"]).tolist()
    labels = volume.labels()
    assert labels.shape == (SHAPE[0], *shape)
    # The outline is drawn between cells, so pixels beside it differ.
    same = labels == fine.labels().repeat(2, axis=1).repeat(2, axis=2)[:, :-1, :-1]
    assert same.mean() > 0.97


def test_objects_reach_out_to_a_low_outline():
    """Of balls whose rim is faint the core is found, or all."""
    planes = []
    for maps, core in zip(maps_of(TRUTH), ndimage.binary_erosion(TRUTH > 0, None, 2), strict=True):
        each = maps.unpack()
        faint = np.where(core, each.foreground, np.minimum(each.foreground, np.float32(0.2)))
        values = PlaneMaps.pack(maps.shape, 1, maps.side, replace(each, foreground=faint)).values
        planes.append(replace(maps, values=values))
    core, whole = (segment(planes, outline=n).labels()[TRUTH > 0] > 0 for n in (0.3, 0.1))
    assert 0.2 < core.mean() < 0.7
    assert whole.mean() > 0.85


def test_it_can_be_stopped():
    planes = list(maps_of(TRUTH))
    with pytest.raises(Cancelled):
        segment_maps(
            *(planes.__getitem__, SHAPE, ESTIMATE),
            smoothing=1.0,
            outline=0.5,
            should_stop=lambda: True,
        )
