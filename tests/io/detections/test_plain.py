from typing import Any

import pytest

from napari_segany.errors import InputError


@pytest.mark.parametrize(
    ("header", "row", "wanted"),
    [
        ("row_min,col_min,row_max,col_max", "1,2,10,20", [1, 2, 10, 20]),
        ("x1,y1,x2,y2,score", "2,1,20,10,.9", [1, 2, 10, 20]),
        ("x,y,width,height", "2,1,19,10", [1, 2, 10, 20]),
        ("X_min,Y_min,X_max,Y_max", "2,1,20,10", [1, 2, 10, 20]),
        ("x_center,y_center,width,height", "11.5,6,19,10", [1, 2, 10, 20]),
        # Corners in any order are put in order.
        ("x1,y1,x2,y2", "20,10,2,1", [1, 2, 10, 20]),
        ("x1,y1,x2,y2", "2,10,20,1", [1, 2, 10, 20]),
        ("x,y,width,height", "21,11,-19,-10", [1, 2, 10, 20]),
    ],
)
def test_boxes_of_tables(read: Any, header: str, row: str, wanted: list[float]) -> None:
    (found,) = read(f"{header}\n{row}\n")
    assert found.box == wanted
    assert found.place == {}
    text = f"{header},z\n{row},4\n".replace(",", "\t")
    (found,) = read(text, "b.tsv", axes={"T": 3, "Z": 6})
    assert (found.box, found.place) == (wanted, {"Z": 4})


def test_the_middle_of_boxes_is_meant_if_somebody_says_so(read: Any) -> None:
    text = "x,y,width,height\n11.5,6,19,10\n"
    corner, middle = read(text), read(text, dialect="plain-centred")
    assert corner.found[0].box == [6, 11.5, 15, 29.5]
    assert middle.found[0].box == [1, 2, 10, 20]
    assert "x, height, width, the corner and the size" in corner.understood
    assert "the middle and the size" in middle.understood
    assert corner.overrides == ("dialect",)


def test_points_are_grouped_by_object(read: Any) -> None:
    found = read("object,sign,y,x\na,positive,1,2\nb,+,3,4\na,negative,5,6\n")
    first, second = found
    assert first.points == [[1, 2], [5, 6]]
    assert first.signs == [1, 0]
    assert second.points == [[3, 4]]
    assert [each.id for each in found] == ["a", "b"]
    assert first.where == "object 1 (lines 2, 4)"
    assert "signs from sign, put together by object" in found.understood


def test_a_column_label_holds_signs_or_ids_but_never_both(read: Any) -> None:
    signs = read("y,x,label\n1,2,1\n3,4,0\n")
    assert [each.signs for each in signs] == [[1], [0]]
    ids = read("y,x,label\n1,2,0\n3,4,1\n5,6,2\n7,8,-1\n9,9,18446744073709551615\n")
    assert [each.signs for each in ids] == [[1], [1], [1]]
    assert [each.id for each in ids] == ["1", "2", "18446744073709551615"]
    # 0 and negative labels are no objects.
    assert ids.skipped == (
        "row 1 (line 2): label 0 is no object",
        "row 4 (line 5): label -1 is no object",
    )


def test_rows_of_other_images_are_left_out(read: Any) -> None:
    text = "filename,width,height,xmin,ymin,xmax,ymax\n" + "".join(
        f"{name},640,480,{x},1,20,10\n" for name, x in [("d/a.png", 2), ("b.png", 3)]
    )
    found = read(text, image="a.png")
    assert [each.box for each in found] == [[1, 2, 10, 20]]
    assert "1 of 2 rows, those of a.png in filename" in found.understood
    with pytest.raises(InputError, match=r"2 images by its column filename, none of which is c\."):
        read(text, image="c.png")


def test_planes_are_counted_from_0_unless_they_may_not_be(read: Any) -> None:
    text = "y,x,frame\n1,2,1\n3,4,2\n5,6,3\n"
    with pytest.raises(InputError, match=r"goes from 1 to 3 and the image has 3 planes.*--first-p"):
        read(text, axes={"T": 3})
    found = read(text, axes={"T": 3}, first_plane=1)
    assert [each.place for each in found] == [{"T": 0}, {"T": 1}, {"T": 2}]
    assert found.understood.endswith("planes from frame, counted from 1")
    found = read(text, axes={"T": 3}, first_plane=0)
    assert [each.place for each in found] == [{"T": 1}, {"T": 2}]
    assert found.skipped == ("row 3 (line 4): frame 3 is not there: the image has planes 0..2",)
    found = read(text, axes={"T": 9})
    assert [each.place["T"] for each in found] == [1, 2, 3]
    assert found.understood.endswith("planes from frame, counted from 0")
    assert found.overrides == ("dialect", "first_plane")
    # One stack, whatever its axis is called.
    assert read(text, axes={"Z": 9}).found[0].place == {"Z": 1}


def test_rows_of_planes_that_an_image_does_not_have_are_no_rows_of_its_only_one(read: Any) -> None:
    found = read("y,x,z\n1,2,0\n3,4,5\n")
    assert [each.points for each in found] == [[[1, 2]]]
    assert found.skipped == ("row 2 (line 3): z 5 is not there: the image has one plane",)


def test_fractions_are_no_pixels(read: Any) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        read("x1,y1,x2,y2\n0.1,0.2,0.5,0.6\n")


def test_columns_that_are_there_twice_are_refused(read: Any) -> None:
    with pytest.raises(InputError, match="2 columns x1"):
        read("x1,y1,x2,y2,X1\n1,2,3,4,5\n")


def test_sides_of_boxes_have_names_too(read: Any) -> None:
    assert read("left,top,right,bottom\n28,14,75,59\n").found[0].box == [14, 28, 59, 75]
    assert read("left,top,width,height\n28,14,48,46\n").found[0].box == [14, 28, 59, 75]


def test_the_only_other_image_is_named(read: Any) -> None:
    text = "filename,x1,y1,x2,y2\n{},28,14,75,59\n"
    assert "those of b.tif in filename" in read(text.format("b.tif"), image="a.tif").understood
    assert "filename" not in read(text.format("in/a.tif"), image="a.tif").understood
