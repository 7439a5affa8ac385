"""Any parameters and recipes that are legal, for hypothesis."""

from typing import Any

from hypothesis import strategies as st

from napari_segany import AutomaticParams, LabelParams, Recipe
from napari_segany.generators.parameters import FROM_MODEL, RANGES


def _value(name: str) -> st.SearchStrategy[Any]:
    kind, low, high = RANGES[name]
    number: st.SearchStrategy[Any] = st.floats(low, high)
    if kind == "whole number":
        number = st.integers(int(low), int(high))
    return st.none() | number if name in FROM_MODEL else number


def automatic_params() -> st.SearchStrategy[AutomaticParams]:
    """Any parameters of automatic segmentation, but for points of one's own."""
    return st.builds(
        AutomaticParams,
        **{name: _value(name) for name in RANGES},
        strategy=st.sampled_from(["grid", "adaptive"]),
        nms=st.sampled_from(["mask", "box"]),
        exclude_border=st.booleans(),
    )


def label_params() -> st.SearchStrategy[LabelParams]:
    """Any way of making labels of masks."""
    pixels = st.integers(0, 2**40)
    return st.builds(
        LabelParams,
        overlap=st.sampled_from(["small_on_top", "large_on_top", "best_on_top"]),
        min_area=pixels,
        fill_holes=pixels,
        drop_specks=pixels,
        min_visible=st.floats(0, 1),
    )


def recipes(**given: Any) -> st.SearchStrategy[Recipe]:
    """Any recipe with a model; ``given`` are strategies for single entries."""
    level = st.floats(-1e6, 1e6)
    limits = st.lists(st.tuples(level, level), min_size=1, max_size=1).map(tuple)
    index = st.integers(0, 9)
    ranges = st.tuples(st.sampled_from(["Z", "T"]), index, index).map(lambda each: (each,))
    usual: dict[str, st.SearchStrategy[Any]] = {
        "model": st.just("minisam"),
        "weights_sha256": st.just("0" * 64),
        "params": automatic_params(),
        "labels": label_params(),
        "faithful": st.booleans(),
        "axes": st.sampled_from(["", "auto", "YX", "ZYX", "TZYX"]),
        "channels": st.lists(index, min_size=1, max_size=3).map(tuple),
        "normalise": st.sampled_from(["plane", "stack"]) | limits,
        "planes": st.just(()) | ranges,
        "precision": st.sampled_from(["exact", "bfloat16"]),
    }
    return st.builds(Recipe, **(usual | given))


def followed(recipe: Recipe) -> dict[str, Any]:
    """The part of a recipe that a batch follows; the rest says where it was made."""
    return {
        "params": recipe.params,
        "labels": recipe.labels,
        "faithful": recipe.faithful,
        "axes": recipe.axes or "auto",
        "channels": recipe.channels,
        "normalise": recipe.normalise,
        "planes": recipe.planes,
    }
