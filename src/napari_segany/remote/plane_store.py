"""Planes that a server holds for its clients, the latest used ones within a budget of memory."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import SeganyError
from napari_segany.models.protocol import Embedding
from napari_segany.remote.values import encode_plane

MOST_PLANES = 16
"""Planes of one client, at most."""

MOST_BYTES = 2 << 30
"""Bytes of all planes and embeddings, at most."""

MOST_IN_ALL = 1024
"""Planes of all clients, at most; small ones take more memory than their bytes."""


class UnknownPlaneError(SeganyError):
    """A plane that the server does not hold, or not any more."""


@dataclass(eq=False)
class HeldPlane:
    """A plane of a client, embedded when it is first needed.

    Attributes
    ----------
    rgb : ndarray
        (H, W, 3) uint8.
    """

    rgb: NDArray[np.uint8]
    _embedding: Embedding | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the plane and its embedding."""
        held = self._embedding
        return encode_plane(self.rgb).nbytes + (held.nbytes if held else 0)

    def embedding(self, embed: Callable[[], Embedding]) -> Embedding:
        """Return the embedding; two requests for it compute it once."""
        with self._lock:
            if self._embedding is None:
                self._embedding = embed()
            return self._embedding


class PlaneStore:
    """The planes of all clients; any thread may call any method.

    A client sees its own planes only. The least recently used ones are dropped, first those of a
    client with too many.

    Parameters
    ----------
    most_bytes : int
        Budget of memory; the plane that was used last is always kept.
    most_planes : int
        Planes of one client, at most.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, most_planes: int = MOST_PLANES) -> None:
        self.most_bytes, self.most_planes = most_bytes, most_planes
        self._held: OrderedDict[tuple[str, str], HeldPlane] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, client: str, rgb: NDArray[np.uint8]) -> str:
        """Hold a copy of a plane of a client; return the name by which it is found again."""
        name = secrets.token_hex(16)
        # The plane of a message keeps the whole message in memory, of which it may be a small part.
        own = np.broadcast_to(encode_plane(rgb).copy(), rgb.shape)
        with self._lock:
            self._held[client, name] = HeldPlane(own)
            of_client = [key for key in self._held if key[0] == client]
            for key in of_client[: max(len(of_client) - self.most_planes, 0)]:
                del self._held[key]
            self._fit()
        return name

    def get(self, client: str, name: str) -> HeldPlane:
        """Return a plane of a client, and mark it as used last.

        Raises
        ------
        UnknownPlaneError
            If it is not held.
        """
        with self._lock:
            found = self._held.get((client, name))
            if found is None:
                raise UnknownPlaneError("The server does not hold this plane; send it again.")
            self._held.move_to_end((client, name))
            return found

    def fit(self) -> None:
        """Drop planes until the rest is within the budget; embeddings have come since."""
        with self._lock:
            self._fit()

    def drop(self, client: str, names: Iterable[str]) -> None:
        """Drop planes that a client does not need any more; unknown ones are left out."""
        with self._lock:
            for name in names:
                self._held.pop((client, name), None)

    @property
    def nbytes(self) -> int:
        """Bytes of all planes that are held."""
        with self._lock:
            return self._size()

    def __len__(self) -> int:
        return len(self._held)

    def _size(self) -> int:
        return sum(each.nbytes for each in self._held.values())

    def _fit(self) -> None:
        while len(self._held) > MOST_IN_ALL or (
            len(self._held) > 1 and self._size() > self.most_bytes
        ):
            self._held.popitem(last=False)
