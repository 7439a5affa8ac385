"""Parameters of linking over time are checked, and described for forms and tables."""

import pytest

from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_params import TrackParams


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_distance", 0), ("max_distance", -1.0), ("max_gap", 9), ("divisions", 1)),
        *(("overlap_weight", -1), ("max_cost", 0.0), ("max_cost", 1.5)),
    ],
)
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        TrackParams(**{name: value})


def test_one_term_must_count():
    with pytest.raises(InputError, match="overlap_weight"):
        TrackParams(overlap_weight=0, distance_weight=0, size_weight=0)
    assert TrackParams(overlap_weight=0, size_weight=0).max_distance is None


def test_every_parameter_is_described():
    assert set(parameters_of(TrackParams)) == set(TrackParams.__dataclass_fields__)
