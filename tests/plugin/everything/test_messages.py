"""Messages about searches, without a window."""

from dataclasses import replace

from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.object_size import SizeEstimate
from napari_segany.plugin.everything.messages import in_tiles, made_message
from napari_segany.plugin.everything.tile_search import WHOLE, SearchTiles

SETTLED = TileParams(object_size=20, tile_side=256, tile_overlap=40)


def test_made_labels_say_how_to_go_on() -> None:
    assert made_message("cells labels", 1).startswith("Made 'cells labels' with 1 object. ")
    assert made_message("cells labels", 2).startswith("Made 'cells labels' with 2 objects. ")


def test_tiles_say_what_they_were_estimated_from() -> None:
    assert in_tiles(WHOLE) == ""
    text = " in tiles of 256 pixels, for objects of 20 pixels"
    assert in_tiles(SearchTiles(SETTLED, SETTLED)) == text
    assert in_tiles(SearchTiles(None, SETTLED, SizeEstimate(20, 31))) == (
        f"{text} (estimated from 31)"
    )
    twice = replace(SETTLED, tile_scales=2)
    assert in_tiles(SearchTiles(SETTLED, twice)) == (
        " in tiles of 256 pixels and of twice as many, for objects of 20 pixels"
    )
    assert "a guess" in in_tiles(SearchTiles(None, SETTLED, SizeEstimate(20, 0)))


def test_another_scale_says_what_it_costs() -> None:
    found = in_tiles(SearchTiles(None, SETTLED, SizeEstimate(20, 31, 256, 456)))
    assert found.endswith(
        "(estimated from 31; this scale shows more of them than tiles of 456 pixels, and takes "
        "3.7 times as many)"
    )
