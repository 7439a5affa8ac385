"""Values typed on the command line, and options made from the parameters' dataclasses."""

import argparse
from dataclasses import fields

import pytest

from napari_segany import AutomaticParams, LabelParams
from napari_segany.cli import arguments
from napari_segany.cli.automatic_options import add_options, described, given
from napari_segany.cli.main import build_parser


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (arguments.point, "120,88", (120, 88, 1)),
        (arguments.point, "120.5,88,+", (120.5, 88, 1)),
        (arguments.point, "120,88,-", (120, 88, 0)),
        (arguments.box, "1,2,30,40", (1, 2, 30, 40)),
        (arguments.whole_numbers, "2", (2,)),
        (arguments.whole_numbers, "0,1,2", (0, 1, 2)),
        (arguments.normalise, "stack", "stack"),
        (arguments.normalise, "-5,5", ((-5, 5),)),
        (arguments.normalise, "0,1,0,2,0,3", ((0, 1), (0, 2), (0, 3))),
        (arguments.axes, "zyx", "ZYX"),
        (arguments.axes, "auto", "auto"),
    ],
)
def test_values_are_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (arguments.point, "1"),
        (arguments.point, "1,2,3"),
        (arguments.point, "1,2,*"),
        (arguments.point, "nan,2"),
        (arguments.box, "1,2,3"),
        (arguments.whole_numbers, "-1"),
        (arguments.whole_numbers, "1,"),
        (arguments.normalise, "high"),
        (arguments.normalise, "1,2,3"),
    ],
)
def test_other_values_are_refused_with_the_text(read, text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"'.*' is not"):
        read(text)


def test_every_parameter_is_an_option_with_the_help_of_its_docstring():
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = {action.dest: action for action in parser._actions}

    for cls in (AutomaticParams, LabelParams):
        texts = described(cls)
        for field in fields(cls):
            assert len(texts[field.name]) > 10
            if (cls, field.name) != (LabelParams, "min_area"):
                assert options[field.name].help.startswith(texts[field.name].replace("%", "%%"))
    assert "1..1024" in options["points_per_side"].help
    assert "default: 32" in options["points_per_side"].help
    assert "model's own" in options["pred_iou_thresh"].help


def test_only_what_was_typed_is_given_and_minimum_area_counts_twice():
    command = ["segment", "a.tif", "-o", "out", "--min-area", "7", "--nms", "box"]

    args = build_parser().parse_args(command)

    assert given(args, AutomaticParams) == {"min_area": 7, "nms": "box"}
    assert given(args, LabelParams) == {"min_area": 7}


def test_the_smallest_object_can_be_another_one_than_the_smallest_mask():
    command = ["segment", "a.tif", "-o", "out", "--min-area", "100", "--min-object-area", "0"]

    args = build_parser().parse_args(command)

    assert given(args, AutomaticParams) == {"min_area": 100}
    assert given(args, LabelParams) == {"min_area": 0}
    args = build_parser().parse_args([*command[:4], "--min-object-area", "9"])
    assert given(args, AutomaticParams) == {}
    assert given(args, LabelParams) == {"min_area": 9}
