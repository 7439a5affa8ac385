"""Controls for the tiles of large planes."""

from typing import Any

import pytest

from napari_segany.errors import InputError
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.plugin.everything.pixel_area import PixelArea
from napari_segany.plugin.everything.tile_form import TileForm

pytestmark = pytest.mark.gui


@pytest.fixture
def form(qtbot: Any) -> TileForm:
    made = TileForm()
    qtbot.addWidget(made)
    return made


def test_parameters_are_those_that_were_set(form: TileForm) -> None:
    assert form.params == AUTO_TILES
    for params in (TileParams("always", 24.125, 512, 64), AUTO_TILES, None):
        form.params = params
        assert form.params == params


def test_the_size_is_shown_for_large_planes_and_in_units(form: TileForm) -> None:
    form.show_plane((400, 500), PixelArea())
    assert form.size.isHidden()
    form.show_plane((400, 5000), PixelArea(0.25, "µm²"), estimate=30)
    assert not form.size.isHidden()
    assert form.size.size.text() == "estimated: 15 µm"
    form.size.size.setValue(12)
    assert form.params == TileParams(object_size=24)
    form.params = None
    assert form.size.isHidden()


def test_tiles_follow_a_new_size(form: TileForm) -> None:
    told: list[TileParams | None] = []
    form.params = TileParams("always", 24, 512, 64)
    form.changed.connect(lambda: told.append(form.params))
    form.set_size(50)
    assert told == [TileParams("always", 50)]
    form.params = TileParams("always", 24, 512, 64, 1)
    form.set_size(50)
    assert form.params == TileParams("always", 50, tile_scales=1)


def test_an_overlap_that_does_not_fit_is_an_error(form: TileForm) -> None:
    form.numbers["tile_side"].setValue(128)
    form.numbers["tile_overlap"].setValue(100)
    with pytest.raises(InputError, match="overlap"):
        _ = form.params
