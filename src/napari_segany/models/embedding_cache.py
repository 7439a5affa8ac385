"""Cache of embeddings in memory, with a limit in bytes."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from napari_segany.models.protocol import Embedding

DEFAULT_BYTES = 1 << 30
"""256 planes of the usual 4 MiB."""


class EmbeddingCache:
    """The most recently used embeddings, within a budget of memory; safe to use from threads.

    Parameters
    ----------
    max_bytes : int
        Limit in bytes; the last stored embedding is always kept.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._held: OrderedDict[Hashable, Embedding] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Embedding | None:
        """Return the embedding of a key and mark it as used last."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: Hashable, embedding: Embedding) -> None:
        """Store an embedding and drop the least recently used ones beyond the limit."""
        with self._lock:
            previous = self._held.pop(key, None)
            self._bytes += embedding.nbytes - (previous.nbytes if previous else 0)
            self._held[key] = embedding
            while self._bytes > self.max_bytes and len(self._held) > 1:
                _, oldest = self._held.popitem(last=False)
                self._bytes -= oldest.nbytes

    def clear(self) -> None:
        """Remove all embeddings."""
        with self._lock:
            self._held.clear()
            self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._bytes

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)
