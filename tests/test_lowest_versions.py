"""The constraints with which the lowest direct dependencies are installed."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "lowest_versions.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("lowest_versions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lower_bounds_become_constraints(script: Any, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("""
[project]
dependencies = ["numpy>=2.0", "zarr>=3", "tifffile>=2024.2.12"]
[project.optional-dependencies]
more = ["dask[array]>=2024.5", "mine[all]", "zarr>=3.1"]
[dependency-groups]
test = ["pytest>=8.2", { include-group = "other" }]
""")
    assert script.lowest_versions(path) == [
        *("dask==2024.5.*", "numpy==2.0.*", "pytest==8.2.*", "tifffile==2024.2.12", "zarr==3.1.*"),
    ]


def test_every_dependency_of_this_package_has_a_lower_bound(script: Any) -> None:
    found = script.lowest_versions()
    assert len(found) > 30
    assert all("==" in line for line in found)
