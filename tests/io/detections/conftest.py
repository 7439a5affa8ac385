"""Tables written as other programs write them, and read again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_segany.io.detections import Detections, TableImage, TableOptions, read_detections

Read = Callable[..., Detections]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file and read it as a table about an image of 100 rows and 200 columns."""

    def call(
        content: str | bytes,
        name: str = "table.csv",
        *,
        axes: dict[str, int] | None = None,
        size: float | None = None,
        image: str | None = None,
        shape: tuple[int, int] = (100, 200),
        is_last: bool = True,
        **options: Any,
    ) -> Detections:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        sizes = {} if size is None else {"Y": (size, "um"), "X": (size, "um")}
        about = TableImage(shape, axes or {}, sizes, image, is_last)
        return read_detections(path, about, TableOptions(**options))

    return call
