"""Fixtures that the tests of weights share."""

from collections.abc import Iterator

import pytest
from tests.weights.file_server import FileServer, serving


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        yield server
