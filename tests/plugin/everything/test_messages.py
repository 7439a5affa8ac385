"""Messages about searches, without a window."""

from dataclasses import replace

from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.object_size import SizeEstimate
from napari_segany.plugin.everything.messages import in_tiles, made_message
from napari_segany.plugin.everything.tile_search import WHOLE, SearchTiles

SETTLED = TileParams(object_size=20, tile_side=256, tile_overlap=40, tile_scales=1)

SHAPE = (3000, 4000)


def test_made_labels_say_how_to_go_on() -> None:
    assert made_message("cells labels", 1).startswith("Made 'cells labels' with 1 object. ")
    assert made_message("cells labels", 2).startswith("Made 'cells labels' with 2 objects. ")


def test_tiles_say_what_they_were_estimated_from() -> None:
    assert in_tiles(WHOLE, SHAPE) == ""
    text = " in tiles of 256 pixels, for objects of 20 pixels"
    assert in_tiles(SearchTiles(SETTLED, SETTLED), SHAPE) == text
    assert in_tiles(SearchTiles(None, SETTLED, SizeEstimate(20, 31)), SHAPE) == (
        f"{text} (estimated from 31)"
    )
    twice = SearchTiles(SETTLED, replace(SETTLED, tile_scales=2))
    assert in_tiles(twice, SHAPE) == " in tiles of 256 and 512 pixels, for objects of 20 pixels"
    assert in_tiles(twice, (200, 250)) == text
    assert "a guess" in in_tiles(SearchTiles(None, SETTLED, SizeEstimate(20, 0)), SHAPE)


def test_another_scale_says_what_it_costs() -> None:
    found = in_tiles(SearchTiles(None, SETTLED, SizeEstimate(20, 31, 256, 456)), SHAPE)
    assert found.endswith(
        "(estimated from 31; this scale shows more of them than tiles of 456 pixels, and takes "
        "3.7 times as many)"
    )
