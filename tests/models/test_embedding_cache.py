from types import SimpleNamespace
from typing import Any

from napari_segany.models.embedding_cache import EmbeddingCache


def embedding(count: int) -> Any:
    return SimpleNamespace(nbytes=4 * count)


def test_what_was_not_used_for_longest_makes_room() -> None:
    cache = EmbeddingCache(max_bytes=1200)
    first, second, third = (embedding(100) for _ in range(3))
    for key, each in zip("abc", (first, second, third), strict=True):
        cache.put(key, each)
    assert cache.nbytes == 1200
    assert cache.get("a") is first
    cache.put("d", embedding(100))
    assert cache.get("b") is None
    assert cache.get("a") is first
    assert len(cache) == 3


def test_a_key_put_again_counts_once() -> None:
    cache = EmbeddingCache(max_bytes=1000)
    cache.put("a", embedding(100))
    cache.put("a", embedding(50))
    assert cache.nbytes == 200
    cache.clear()
    assert cache.nbytes == 0
    assert "a" not in cache


def test_one_that_is_larger_than_the_budget_is_kept_alone() -> None:
    cache = EmbeddingCache(max_bytes=100)
    cache.put("a", embedding(10))
    large = embedding(1000)
    cache.put("b", large)
    assert cache.get("b") is large
    assert cache.get("a") is None
