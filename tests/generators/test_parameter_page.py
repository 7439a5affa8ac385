"""The page of parameters in the documentation is made from their descriptions."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "parameter_table.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the scripts are not beside the tests")


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("parameter_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: Any) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.updated(page) == page, "run: python scripts/parameter_table.py"


def test_every_table_needs_its_markers(script: Any) -> None:
    with pytest.raises(ValueError, match="FinderParams"):
        script.updated("# Parameters\n")
