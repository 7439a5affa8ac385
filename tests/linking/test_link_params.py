"""Parameters of linking are checked, and described for forms and tables."""

import numpy as np
import pytest

from napari_segany import LinkParams
from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError


def test_values_out_of_range_are_refused_by_name():
    for name, value in (
        *(("link", "c"), ("min_overlap", 1.5), ("max_gap", 9), ("min_planes", 0)),
        *(("min_volume", -1), ("min_mean_score", -0.1), ("fill_gaps", 1), ("align", "yes")),
        *(("link_from", "points"), ("smoothing", -1), ("outline", 0.01)),
    ):
        with pytest.raises(InputError, match=name):
            LinkParams(**{name: value})


def test_numbers_become_plain_values():
    params = LinkParams(max_gap=np.int64(2), min_overlap=np.float32(0.5))
    assert type(params.max_gap) is int
    assert type(params.min_overlap) is float


def test_every_parameter_is_described():
    assert set(parameters_of(LinkParams)) == set(LinkParams.__dataclass_fields__)


def test_recipes_are_as_they_were_before_objects_could_be_made_from_maps():
    entries = set(LinkParams.__dataclass_fields__) - {"link_from", "smoothing", "outline"}
    assert set(LinkParams().to_dict()) == entries
    chosen = LinkParams(link_from="maps", outline=0.4)
    assert set(chosen.to_dict()) == entries | {"link_from", "outline"}
    assert LinkParams(**chosen.to_dict()) == chosen
