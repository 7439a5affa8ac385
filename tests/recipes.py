"""Any parameters and recipes that are legal, for hypothesis."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from napari_segany import AutomaticParams, Display, LabelParams, LinkParams, Recipe
from napari_segany.core.parameter_info import ParameterInfo, parameters_of
from napari_segany.generators.finder_params import FinderParams


def _value(info: ParameterInfo) -> st.SearchStrategy[Any]:
    """Return a strategy for every value that a parameter can have."""
    kinds: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "integer": lambda: st.integers(int(info.low), int(min(info.high, 2**60))),
        "number": lambda: st.floats(info.low, info.high),
        "choice": lambda: st.sampled_from(info.values),
        "flag": st.booleans,
        "hash": lambda: st.sampled_from(["0" * 64, "12ab" * 16]),
        "finder": lambda: st.sampled_from(["0" * 64, "12ab" * 16]),
    }
    value = kinds[info.kind]()
    return st.none() | value if info.unset else value


def _params(cls: Any) -> st.SearchStrategy[Any]:
    infos = parameters_of(cls).items()
    return st.builds(cls, **{name: _value(i) for name, i in infos if i.kind != "structure"})


def automatic_params() -> st.SearchStrategy[AutomaticParams]:
    """Any parameters of automatic segmentation, but for points of one's own."""
    return _params(AutomaticParams)


def finder_params() -> st.SearchStrategy[FinderParams]:
    """Any parameters of the finder."""
    return _params(FinderParams)


def label_params() -> st.SearchStrategy[LabelParams]:
    """Any parameters of painting masks into labels."""
    return _params(LabelParams)


def link_params() -> st.SearchStrategy[LinkParams]:
    """Any parameters of linking planes."""
    return _params(LinkParams)


def displays() -> st.SearchStrategy[Display]:
    """Any limits with gamma and colours."""
    level = st.floats(-1e6, 1e6)
    limits = st.sampled_from(["plane", "stack"]) | st.tuples(st.tuples(level, level))
    colour = st.integers(0, 2**24 - 1).map(lambda number: f"#{number:06x}")
    return st.builds(
        Display,
        limits,
        st.lists(st.floats(0.01, 100), min_size=1, max_size=3).map(tuple),
        st.just(()) | st.lists(colour, min_size=2, max_size=3).map(tuple),
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
        "normalise": st.sampled_from(["plane", "stack"]) | limits | displays(),
        "planes": st.just(()) | ranges,
        "precision": st.sampled_from(["exact", "bfloat16"]),
        "link": st.none() | link_params(),
    }
    return st.builds(Recipe, **(usual | given)) | st.builds(
        Recipe, **(usual | {"params": finder_params(), "faithful": st.just(False)} | given)
    )


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
        "link": recipe.link,
        "tracks": recipe.tracks,
        "tiles": recipe.tiles,
        "classes": recipe.classes,
    }
