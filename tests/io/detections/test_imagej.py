from typing import Any

import pytest

from napari_segany.errors import InputError

HEADER = " ,Area,X,Y,BX,BY,Width,Height,Slice\n"


def test_results_have_their_box_at_bx_and_by_and_count_slices_from_1(read: Any) -> None:
    text = HEADER + "1,100,52,37,28,14,48,46,1\n2,100,60,40,92,10,50,52,2\n"
    found = read(text, "Results.csv", axes={"T": 3})
    assert [each.box for each in found] == [[14, 28, 59, 75], [10, 92, 61, 141]]
    assert [each.place for each in found] == [{"T": 0}, {"T": 1}]
    assert [each.id for each in found] == ["1", "2"]
    assert found.understood == (
        "ImageJ results: boxes from BX, BY, Width, Height; planes from Slice, counted from 1"
    )
    assert found.overrides == ("dialect", "first_plane")
    # The same as ImageJ saves it by default: tabs, and an ending of Excel's.
    assert [e.box for e in read(text.replace(",", "\t"), "Results.xls")] == [[14, 28, 59, 75]]
    from_0 = read(text, axes={"T": 3}, first_plane=0)
    assert [each.place for each in from_0] == [{"T": 1}, {"T": 2}]


def test_names_in_lower_case_are_the_same_columns(read: Any) -> None:
    found = read("id,area,x,y,bx,by,width,height,slice\n1,9,52,37,28,14,48,46,2\n", axes={"Z": 3})
    assert (found.found[0].box, found.found[0].place) == ([14, 28, 59, 75], {"Z": 1})


def test_without_boxes_the_middle_is_a_point(read: Any) -> None:
    found = read(" ,Area,Mean,X,Y\n1,9,5,10.5,20.5\n")
    # ImageJ counts from the corner of the first pixel.
    assert found.found[0].points == [[20, 10]]
    assert found.found[0].place == {}
    found = read(" ,XM,YM,Area\n1,10.5,20.5,9\n")
    assert found.found[0].points == [[20, 10]]
    assert "points from the middles XM, YM" in found.understood


def test_hyperstacks_say_slice_and_frame(read: Any) -> None:
    text = " ,Area,BX,BY,Width,Height,Ch,Slice,Frame\n1,9,5,6,7,8,2,3,2\n"
    (found,) = read(text, axes={"T": 2, "Z": 3, "C": 2})
    assert found.place == {"Z": 2, "T": 1}
    # Other programs call the only axis something else.
    (found,) = read(text.replace("2,3,2", "2,1,2"), axes={"Z": 3})
    assert found.place == {"Z": 1}
    with pytest.raises(InputError, match=r"which plane a slice is cannot be known"):
        read(HEADER + "1,9,5,6,5,6,7,8,1\n", axes={"T": 2, "Z": 3})


def test_a_plane_before_the_first_is_named(read: Any) -> None:
    found = read(HEADER + "1,9,5,6,5,6,7,8,1\n2,9,5,6,5,6,7,8,0\n", axes={"Z": 3})
    assert found.skipped == ("row 2 (line 3): Slice 0 is not there: the image has planes 1..3",)


def test_lengths_are_pixels_or_the_unit_of_the_image_as_the_numbers_tell(read: Any) -> None:
    pixels = HEADER + "1,2208,52,37,28,14,48,46,1\n2,301,117,36,91,10,51,52,1\n"
    found = read(pixels, size=0.325)
    assert found.found[0].box == [14, 28, 59, 75]
    assert "Height in pixels;" in found.understood
    assert found.overrides == ("dialect", "first_plane", "units")
    micrometres = HEADER + "1,233.22,16.9,12.025,9.1,4.55,15.6,14.95,1\n"
    found = read(micrometres, size=0.325)
    assert found.found[0].box == pytest.approx([14, 28, 59, 75])
    assert "Height in um;" in found.understood
    # Without a pixel size there is nothing else than pixels.
    assert read(pixels).found[0].box == [14, 28, 59, 75]


def test_lengths_that_may_be_either_are_refused(read: Any) -> None:
    text = HEADER + "1,100,52,37,28,14,48,46,1\n"
    with pytest.raises(InputError, match=r"may hold pixels or um.*--table-units pixels"):
        read(text, size=0.5)
    assert read(text, size=0.5, units="pixels").found[0].box == [14, 28, 59, 75]
    assert read(text, size=0.5, units="calibrated").found[0].box == [28, 56, 99, 151]
    with pytest.raises(InputError, match="may hold pixels or um"):
        read(" ,X,Y,Slice\n1,5.5,6.5,1\n", size=0.5)
    with pytest.raises(InputError, match="does not say how large"):
        read(text, units="calibrated")


def test_lists_of_rois_have_a_corner(read: Any) -> None:
    text = "Index,Name,Type,Group,X,Y,Width,Height,Points,Color,Fill,LWidth,Pos,C,Z,T\n"
    found = read(
        text + "0,a,Rectangle,0,28,14,48,46,4,yellow,none,0,2,0,2,0\n", axes={"Z": 3}, size=0.5
    )
    assert found.found[0].box == [14, 28, 59, 75]
    assert found.found[0].place == {"Z": 1}
    assert found.understood.startswith("ImageJ list of ROIs: boxes from X, Y, Width, Height")


def test_rows_of_other_images_are_left_out(read: Any) -> None:
    text = " ,Label,Area,X,Y\n1,{0},9,10.5,20.5\n2,{0}:0001-0020-0010,9,11.5,20.5\n3,b.tif,9,3,4\n"
    found = read(text.format("a.tif"), image="a.tif")
    assert [each.points for each in found] == [[[20, 10]], [[20, 11]]]
    assert "2 of 3 rows, those of a.tif in Label" in found.understood
    # Names of ROIs, or an image that was called otherwise, say nothing.
    assert len(read(text.format("c.tif"), image="a.tif")) == 3
    assert len(read(text.format("a.tif"))) == 3


@pytest.mark.parametrize("header", [" ,Label", " "])
def test_summaries_are_no_objects(read: Any, header: str) -> None:
    named = header != " "
    rows = [f"{n},{'a.tif,' if named else ''}{box}" for n, box in ((1, "28,14,48,46"),)]
    for n, (name, value) in enumerate({"Mean": 28.4, "SD": 0.3, "Min": 28, "Max": 29}.items(), 2):
        first = f"{n},{name}" if named else name
        rows.append(f"{first},{value},14,48,46")
    text = "\n".join([f"{header},BX,BY,Width,Height", *rows, ""])
    # The mean is no whole number of pixels, and no evidence of anything.
    found = read(text, image="a.tif", size=0.3)
    assert [each.box for each in found] == [[14, 28, 59, 75]]
    assert len(found.skipped) == 4
    assert "row 2 (line 3): it is ImageJ's summary" in found.skipped[0]
