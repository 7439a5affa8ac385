"""The published code of micro-sam's decoders, torch-em and micro-sam, where it is installed.

Both need packages that do not exist for every build of torch. Only the modules with the functions
under test are loaded, without what their packages import beside them.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

import pytest


@contextmanager
def bare_packages(**contents: dict[str, Any]) -> Iterator[None]:
    """Let packages be imported without what they import themselves.

    Parameters
    ----------
    **contents : dict
        For each package, with "__" in place of dots, the names that modules find in it. Those that
        are installed also have their own modules.
    """
    tops = {name.partition("__")[0] for name in contents}
    before = {name: module for name, module in sys.modules.items() if _top(name) in tops}
    try:
        for name, values in contents.items():
            dotted = name.replace("__", ".")
            module: Any = ModuleType(dotted)
            parent, _, last = dotted.rpartition(".")
            spec = PathFinder.find_spec(
                dotted, list(sys.modules[parent].__path__) if parent else None
            )
            module.__path__ = list(spec.submodule_search_locations or []) if spec else []
            vars(module).update(values)
            sys.modules[dotted] = module
            if parent:
                setattr(sys.modules[parent], last, module)
        yield
    finally:
        for name in [name for name in sys.modules if _top(name) in tops]:
            del sys.modules[name]
        sys.modules.update(before)


def _top(name: str) -> str:
    return name.partition(".")[0]


def published_unetr() -> Any:
    """Return torch-em's class of decoders, or skip the test."""
    if PathFinder.find_spec("torch_em") is None:
        pytest.skip("torch-em is not installed; the formulas written out are tested instead")
    with bare_packages(torch_em={}, torch_em__model={}):
        return importlib.import_module("torch_em.model.unetr").UNETR


def published_watershed() -> Any:
    """Return torch-em's function from distances to labels, or skip the test."""
    for name in ("torch_em", "bioimage_cpp"):
        if PathFinder.find_spec(name) is None:
            pytest.skip(f"{name} is not installed; the formulas written out are tested instead")
    unused = {"normalize_input": None, "mutex_watershed": None}
    with bare_packages(
        torch_em={},
        torch_em__util={},
        elf={},
        elf__segmentation={},
        elf__segmentation__utils=unused,
        elf__segmentation__mutex_watershed=unused,
    ):
        module = importlib.import_module("torch_em.util.segmentation")
        return module.watershed_from_center_and_boundary_distances
