"""Values typed on the command line, and options made from the parameters' dataclasses."""

import argparse
import contextlib
import re
from dataclasses import fields

import pytest

from napari_segany import AutomaticParams, LabelParams
from napari_segany.cli import arguments, prompt
from napari_segany.cli.generator_options import add_options, chosen_params, given, option
from napari_segany.cli.main import build_parser
from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.io.detections import DIALECTS
from napari_segany.io.exports import EXPORTS


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


def test_every_parameter_is_an_option_with_its_help():
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = {action.option_strings[0]: action for action in parser._actions}

    for cls in (AutomaticParams, FinderParams, LabelParams):
        assert list(parameters_of(cls)) == [field.name for field in fields(cls)]
        for name, info in parameters_of(cls).items():
            text = options[option(cls, name)].help
            # Of a parameter that several have, the help is that of the first.
            if cls is not FinderParams or name not in parameters_of(AutomaticParams):
                assert text.startswith(info.help.replace("%", "%%"))
            assert info.range in text
            assert "default: " in text or info.kind == "structure"
    assert "1..1024" in options["--points-per-side"].help
    assert "default: 32" in options["--points-per-side"].help
    assert "model's own; for finder the finder's own" in options["--pred-iou-thresh"].help
    assert "default: 0.7; for finder 0.3" in options["--box-nms-thresh"].help
    assert "default: 0)" in options["--min-solidity"].help
    assert "Also sets --min-object-area." in options["--min-area"].help
    assert "--min-area, which sets this, too" in options["--min-object-area"].help


def test_only_what_was_typed_is_given_and_minimum_area_counts_twice():
    command = ["segment", "a.tif", "-o", "out", "--min-area", "7", "--nms", "box"]

    args = build_parser().parse_args(command)

    assert given(args, AutomaticParams) == {"min_area": 7, "nms": "box"}
    assert given(args, LabelParams) == {"min_area": 7}


def parse(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["segment", "a.tif", "-o", "out", *words])


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ((), DefaultParams()),
        (("--nms", "box"), DefaultParams(changes={"nms": "box"})),
        (("--points-per-side", "9"), AutomaticParams(points_per_side=9)),
        (("--nms", "box", "--negative-points", "0"), FinderParams(nms="box", negative_points=0)),
        (("--strategy", "adaptive"), AutomaticParams(strategy="adaptive")),
        (("--strategy", "finder", "--finder", "12ab" * 16), FinderParams(finder="12ab" * 16)),
    ],
)
def test_options_choose_the_strategy_or_leave_it_to_the_model(words, chosen):
    assert chosen_params(parse(*words)) == chosen


@pytest.mark.parametrize(
    ("words", "base", "chosen"),
    [
        ((), FinderParams(nms="box"), FinderParams(nms="box")),
        (("--min-area", "3"), FinderParams(nms="box"), FinderParams(nms="box", min_area=3)),
        (("--strategy", "grid"), FinderParams(nms="box"), AutomaticParams()),
        (
            ("--strategy", "adaptive"),
            AutomaticParams(points_per_side=5),
            AutomaticParams(points_per_side=5, strategy="adaptive"),
        ),
    ],
)
def test_options_take_precedence_over_a_recipe(words, base, chosen):
    assert chosen_params(parse(*words), base) == chosen


@pytest.mark.parametrize(
    ("words", "base", "message"),
    [
        (
            ("--strategy", "finder", "--points-per-side", "9"),
            None,
            "--points-per-side goes with the strategy grid or adaptive, not with --strategy finder",
        ),
        (
            ("--points-per-side", "9", "--negative-points", "0"),
            None,
            "--negative-points goes with the strategy finder or decoder, "
            "not with --points-per-side",
        ),
        (
            ("--points-per-side", "9"),
            FinderParams(),
            "grid or adaptive, not with the recipe's strategy finder",
        ),
    ],
)
def test_options_of_two_strategies_are_refused_with_both(words, base, message):
    with pytest.raises(InputError, match=re.escape(message)):
        chosen_params(parse(*words), base)


def test_a_value_that_no_strategy_takes_is_refused_before_a_model_is_known():
    with pytest.raises(InputError, match=r"min_solidity must be a number in 0\.\.1"):
        chosen_params(parse("--min-solidity", "2"))


def test_a_choice_that_one_strategy_takes_needs_its_name():
    assert chosen_params(parse("--nms", "smaller", "--strategy", "finder")).nms == "smaller"
    with pytest.raises(InputError, match=r"got 'smaller'\. Another strategy takes this value"):
        chosen_params(parse("--nms", "smaller"))


def takes_numbers() -> list[tuple[str, str]]:
    """Every option of every subcommand that takes a number or several."""
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    kinds = (
        *(int, float, arguments.point, arguments.box, arguments.normalise),
        *(arguments.whole_numbers, arguments.plane_ranges),
    )
    return [
        (name, action.option_strings[0])
        for name, parser in commands.choices.items()
        for action in parser._actions
        if action.option_strings and action.type in kinds
    ]


def test_there_are_options_of_numbers():
    found = set(takes_numbers())
    assert {("prompt", "--box"), ("prompt", "--point"), ("edges", "--normalise")} <= found
    assert len(found) > 30


@pytest.mark.parametrize(("command", "option"), takes_numbers())
@pytest.mark.parametrize("text", ["-10,5,20,30", "-.5", "-1e3", "-inf"])
def test_what_begins_with_a_minus_reaches_every_option_of_numbers(command, option, text, capsys):
    """Either it is taken, or the option itself says what it wants."""
    files = ["a.tif", "-o", "out"]
    others = {"replay": ["s.json", *files], "serve": []}.get(command, files)
    with contextlib.suppress(SystemExit):
        build_parser().parse_args([command, *others, option, text])
    said = capsys.readouterr().err
    assert "expected one argument" not in said
    assert "unrecognized" not in said


def test_negative_numbers_are_values():
    command = ["prompt", "a.tif", "-o", "out", "--box", "-10,5,20,30", "--point", "-1,5"]
    args = build_parser().parse_args([*command, "--point", "-.5,5,-", "--normalise", "-5,5"])
    assert args.box == [(-10, 5, 20, 30)]
    assert args.point == [(-1, 5, 1), (-0.5, 5, 0)]
    assert args.normalise == ((-5, 5),)
    for command in ("segment", "edges", "proposals"):
        args = build_parser().parse_args([command, "a.tif", "-o", "out", "--normalise", "-5,5"])
        assert args.normalise == ((-5, 5),)


def test_options_stay_options(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["prompt", "a.tif", "-o", "out", "--box", "--point", "1,2"])
    assert "--box: expected one argument" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build_parser().parse_args(["prompt", "a.tif", "-o", "out", "-x", "1,2"])
    assert "-x" in capsys.readouterr().err


def test_the_smallest_object_can_be_another_one_than_the_smallest_mask():
    command = ["segment", "a.tif", "-o", "out", "--min-area", "100", "--min-object-area", "0"]

    args = build_parser().parse_args(command)

    assert given(args, AutomaticParams) == {"min_area": 100}
    assert given(args, LabelParams) == {"min_area": 0}
    args = build_parser().parse_args([*command[:4], "--min-object-area", "9"])
    assert given(args, AutomaticParams) == {}
    assert given(args, LabelParams) == {"min_area": 9}


def test_every_dialect_of_tables_is_a_choice():
    """The command line starts without the readers, so it names them itself."""
    assert prompt.DIALECTS == DIALECTS


def test_every_export_is_an_option():
    parser = argparse.ArgumentParser()
    arguments.add_export(parser)
    assert parser.parse_args(["--export", *EXPORTS]).export == list(EXPORTS)
    shown = " ".join(parser.format_help().split())
    assert all(f"{name} ({kind.about})" in shown for name, kind in EXPORTS.items())
