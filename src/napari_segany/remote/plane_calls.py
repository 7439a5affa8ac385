"""Calls of a client about planes that the server holds, or gets once more."""

import weakref
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.remote.connection import Connection, PlaneGoneError
from napari_segany.remote.embedding import RemoteEmbedding
from napari_segany.remote.message import Message
from napari_segany.remote.values import encode_plane

TRIES = 3
"""Times that a plane is sent which the server drops again before it is used."""


class PlaneCalls:
    """The planes of a model on a server, and the calls about them; any thread may call.

    Parameters
    ----------
    connection : Connection
        The server.
    model : dict
        Fields of every call: the name of the model, and the hash of its weights.
    """

    def __init__(self, connection: Connection, model: dict[str, Any]) -> None:
        self._connection, self._model = connection, model
        self._places: WeakKeyDictionary[RemoteEmbedding, str] = WeakKeyDictionary()
        self._released: deque[str] = deque()
        weakref.finalize(self, connection.close)

    def ask(
        self,
        plane: RemoteEmbedding,
        name: str,
        message: Message,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Message:
        """Send a call about a plane, and before it the plane if the server does not hold it.

        Parameters
        ----------
        plane : RemoteEmbedding
            The plane.
        name, message, progress, should_stop
            See :meth:`Connection.call`, whose errors it raises.
        """
        ways: Any = {"progress": progress, "should_stop": should_stop}
        for _ in range(TRIES - 1):
            try:
                return self._ask_once(plane, name, message, ways)
            except PlaneGoneError:
                # The server was started again, or needed the memory.
                self._places.pop(plane, None)
        return self._ask_once(plane, name, message, ways)

    def call(self, name: str, message: Message, **ways: Any) -> Message:
        """Send a call about the model; see :meth:`Connection.call`."""
        fields = {**message.fields, **self._model}
        return self._connection.call(name, Message(fields, message.arrays), **ways)

    def _ask_once(
        self, plane: RemoteEmbedding, name: str, message: Message, ways: dict[str, Any]
    ) -> Message:
        place = self._places.get(plane)
        if place is None:
            place = self._places[plane] = self._put(plane, ways["should_stop"])
        fields = {**message.fields, "plane": place}
        return self.call(name, Message(fields, message.arrays), **ways)

    def _put(self, plane: RemoteEmbedding, should_stop: ShouldStop | None) -> str:
        """Send a plane; return the server's name of it."""
        check(should_stop)
        unused = [self._released.popleft() for _ in range(len(self._released))]
        message = Message({"release": unused}, {"plane": encode_plane(plane.rgb)})
        place = str(self.call("put", message, should_stop=should_stop).fields.get("plane"))
        # Told with the next plane: a server is not asked while memory is being freed.
        weakref.finalize(plane, self._released.append, place).atexit = False
        return place
