"""Links over time of arrays with any axes, and of files."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.linking.tracks.movies import moving_discs

import napari_segany as sa
from napari_segany.errors import InputError
from napari_segany.tracking import MovieFrames, TrackedMovie

MOVIE = moving_discs(2, frames=4, count=6, shape=(60, 70), radius=5, step=1.0)


def check_ids(found: TrackedMovie, labels: np.ndarray) -> None:
    """Each track is painted where its objects were, and nowhere else."""
    painted = found.to_labels()
    assert painted.dtype == np.int32
    assert ((painted > 0) == (labels > 0)).all()
    table = found.table
    for frame, track, label in zip(table.frame, table.track, table.label, strict=True):
        assert (painted[frame][labels[frame] == label] == track).all()


def test_a_movie_is_relabelled_by_its_tracks():
    found = sa.track(MOVIE.labels)
    check_ids(found, MOVIE.labels)
    assert len(found.table.spans) == 6
    assert (found.count, found.shape) == (4, (60, 70))


def test_large_ids_of_any_type_are_told_apart():
    big = np.uint64(2**60)
    labels = np.where(MOVIE.labels > 0, MOVIE.labels.astype(np.uint64) + big, np.uint64(0))
    assert (sa.track(labels).to_labels() == sa.track(MOVIE.labels).to_labels()).all()
    whole = np.where(MOVIE.labels > 0, MOVIE.labels, -1).astype(np.float32)
    assert (sa.track(whole).to_labels() == sa.track(MOVIE.labels).to_labels()).all()


@pytest.mark.parametrize("axes", ["YXT", "YTX"])
def test_time_may_be_any_axis(axes):
    labels = MOVIE.labels.transpose(["TYX".index(a) for a in axes])
    found = sa.track(labels, axes)
    assert (found.to_labels() == sa.track(MOVIE.labels).to_labels()).all()


def test_volumes_over_time_have_depth():
    labels = np.zeros((3, 4, 20, 30), np.uint16)
    for t in range(3):
        labels[t, 1:3, 5:10, 4 + t : 10 + t] = 300 + t
    for axes in ("TZYX", "ZTYX"):
        data = labels.transpose(["TZYX".index(a) for a in axes])
        found = sa.track(data, axes)
        assert found.table.axes == "ZYX"
        assert found.table.position[0].tolist() == [1.5, 7.0, 6.5]
        assert (found.to_labels() == (labels > 0)).all()
    assert sa.track(labels).table.axes == "ZYX"


def test_files_bring_axes_and_sizes(tmp_path: Path):
    path = tmp_path / "cells_labels.ome.tif"
    sizes = {"T": (2.0, "min"), "Y": (0.5, "um"), "X": (0.5, "um")}
    sa.save_labels(MOVIE.labels, path, "TYX", sizes)
    found = sa.track(path)
    assert found.table.pixel_size == sizes
    # The file is read again.
    check_ids(found, MOVIE.labels)
    image = tmp_path / "cells.tif"
    tifffile.imwrite(
        image,
        np.where(MOVIE.labels, 9, 1).astype(np.uint8),
        photometric="minisblack",
        metadata={"axes": "TYX"},
    )
    with_image = sa.track(path, image=image, pixel_size={"Y": (1.0, "um"), "X": (1.0, "um")})
    assert (with_image.table.features["intensity"] == 9).all()
    assert with_image.table.pixel_size == {"Y": (1.0, "um"), "X": (1.0, "um")}


def test_channels_of_the_image_are_chosen():
    image = np.stack([np.zeros_like(MOVIE.labels), 5 * (MOVIE.labels > 0)], axis=1)
    found = sa.track(MOVIE.labels, image=image, image_axes="TCYX", channels=1)
    assert (found.table.features["intensity"] == 5).all()
    both = sa.track(MOVIE.labels, image=image, image_axes="TCYX", channels=(0, 1))
    assert both.table.features["intensity_1"].tolist() == [5] * len(both.table.frame)


def test_what_is_no_movie_of_labels_is_refused():
    for labels, axes, sentence in [
        (np.zeros((3, 4, 5), int), "ZYX", "linked along T"),
        (np.zeros((4, 5), int), None, "shape"),
        (np.zeros((3, 2, 4, 5), int), "TCYX", "no axis C"),
    ]:
        with pytest.raises(InputError, match=sentence):
            sa.track(labels, axes)
    with pytest.raises(InputError, match="4 frames of shape"):
        sa.track(MOVIE.labels[:3], image=MOVIE.labels)
    with pytest.raises(InputError, match="pixel size"):
        sa.track(MOVIE.labels, pixel_size={"Y": (0, "um")})


def test_frames_of_colours_keep_them():
    from napari_segany.core.planes import StackLayout

    layout = StackLayout("TZYXS", (2, 3, 4, 5, 3))
    frames = MovieFrames(np.zeros(layout.shape), layout)
    assert frames(1).shape == (3, 4, 5, 3)
