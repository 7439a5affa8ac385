from typing import Any

import pytest

from napari_segany.errors import InputError

HEADER = "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS\n"
TITLES = (
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius\n"
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R\n"
    ",,,(quality),({0}),({0}),({0}),(sec),,({0})\n"
)
SPOTS = "ID1,1,0,5.1,20,10,0,0,0,2.5\nID7,7,0,5.1,22,12,0,1,1,2.5\n"


def test_spots_are_in_the_unit_of_the_image(read: Any) -> None:
    found = read(HEADER + TITLES.format("micron") + SPOTS, axes={"T": 2}, size=0.5)
    assert [each.box for each in found] == [[15, 35, 25, 45], [19, 39, 29, 49]]
    assert [each.place for each in found] == [{"T": 0}, {"T": 1}]
    assert [each.id for each in found] == ["1", "7"]
    assert [each.where for each in found] == ["row 1 (line 5)", "row 2 (line 6)"]
    assert found.skipped == ()
    assert found.understood == (
        "TrackMate spots: boxes of RADIUS around POSITION_X, POSITION_Y in um; "
        "planes from FRAME, counted from 0"
    )


def test_spots_in_pixels(read: Any) -> None:
    for titles in (TITLES.format("pixel"), ""):
        found = read(HEADER + titles + SPOTS, axes={"T": 2})
        assert [each.box for each in found] == [[7.5, 17.5, 12.5, 22.5], [9.5, 19.5, 14.5, 24.5]]
    found = read(HEADER + TITLES.format("pixel") + SPOTS, axes={"T": 2}, size=0.5)
    assert found.found[0].box == [7.5, 17.5, 12.5, 22.5]
    with pytest.raises(InputError, match="does not say how large its pixels are"):
        read(HEADER + TITLES.format("micron") + SPOTS, axes={"T": 2})
    found = read(HEADER + TITLES.format("micron") + SPOTS, axes={"T": 2}, units="pixels")
    assert found.found[0].box == [7.5, 17.5, 12.5, 22.5]


def test_without_a_radius_spots_are_points(read: Any) -> None:
    text = HEADER.replace(",RADIUS", "") + "ID1,1,0,5.1,20,10,0,0,1\nID2,2,0,5,nan,10,0,0,1\n"
    found = read(text, axes={"Z": 2})
    assert (found.found[0].points, found.found[0].place) == ([[10, 20]], {"Z": 1})
    assert found.skipped == ("row 2 (line 3): POSITION_X is 'nan', no number",)


def test_depth_is_a_plane(read: Any) -> None:
    text = HEADER + "ID1,1,0,5.1,20,10,3,0,1,2\n"
    (found,) = read(text, axes={"T": 2, "Z": 4})
    assert found.place == {"T": 1, "Z": 3}
