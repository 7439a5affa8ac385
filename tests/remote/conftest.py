import importlib.util
from collections.abc import Iterator

import pytest
from tests.remote.servers import TOKEN, ServerProcess, start_server

if importlib.util.find_spec("uvicorn") is None:
    collect_ignore_glob = ["test_remote_*.py"]


@pytest.fixture(scope="package")
def server() -> Iterator[ServerProcess]:
    """A server of the tiny model, without a token."""
    with start_server("--max-upload", "2") as found:
        yield found


@pytest.fixture(scope="package")
def guarded_server() -> Iterator[ServerProcess]:
    """A server of the tiny model, with a token."""
    with start_server("--max-upload", "2", token=TOKEN) as found:
        yield found
