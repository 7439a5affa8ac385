"""ASGI application that answers the calls of clients, in the bounds of its memory."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from napari_segany.errors import Cancelled, InputError, SeganyError
from napari_segany.remote.admission import Admission, Refusal
from napari_segany.remote.calls import Calls, Ways
from napari_segany.remote.message import Message, decode, encode
from napari_segany.remote.plane_store import UnknownPlaneError
from napari_segany.remote.protocol import (
    BUSY,
    HEARTBEAT,
    MEDIA_TYPE,
    PROTOCOL,
    REFUSED,
    UNKNOWN_PLANE,
    name_of,
)

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WORKERS = 4
"""Calls that are computed at once; on a CPU models take turns."""

MOST_WAITING = 32
"""Calls that are computed or wait for their turn, at most."""

MOST_UPLOADS = 4
"""Memory for bodies that are in work, in bodies of the largest size."""

SLOW_SECONDS = 20.0
"""Seconds without a byte of a body, after which its sender is not waited for."""

BODY_SECONDS = 300.0
"""Seconds for a whole body."""

SEND_SECONDS = 300.0
"""Seconds within which a client must take an answer."""


class Application:
    """The server's side of all connections, called by an ASGI server.

    Parameters
    ----------
    calls : Calls
        The calls that are served.
    admission : Admission
        The rules for requests.
    slow_seconds, body_seconds : float
        Seconds without a byte of a body, and for a whole body.
    """

    def __init__(
        self,
        calls: Calls,
        admission: Admission,
        slow_seconds: float = SLOW_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self.calls, self.admission = calls, admission
        self.slow_seconds, self.body_seconds = slow_seconds, body_seconds
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="call")
        self._closing = threading.Event()
        self._waiting = 0
        self._uploading = 0

    def close(self) -> None:
        """Stop what is computed; to be called when no request can come any more."""
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            length = self.admission.check(scope)
            if self._waiting >= MOST_WAITING:
                raise _busy()
            self._waiting += 1
            try:
                await self._answer(length, receive, send)
            finally:
                self._waiting -= 1
        except Refusal as refusal:
            await _send_error(send, refusal)

    async def _answer(self, length: int | None, receive: Receive, send: Send) -> None:
        upload = _Upload(self)
        try:
            message = _decode(await self._read_body(length, upload, receive))
        except BaseException:
            upload.release()
            raise
        await self._compute(message, upload, receive, send)

    async def _read_body(
        self, length: int | None, upload: "_Upload", receive: Receive
    ) -> bytearray:
        """Return the body of a request; memory is taken as it arrives."""
        upload.reserve(length or 0)
        body = bytearray()
        end = asyncio.get_running_loop().time() + self.body_seconds
        while True:
            left = end - asyncio.get_running_loop().time()
            try:
                event = await asyncio.wait_for(receive(), min(self.slow_seconds, max(left, 0)))
            except TimeoutError:
                raise Refusal(
                    HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly.", close=True
                ) from None
            if event["type"] == "http.disconnect":
                raise Refusal(HTTPStatus.BAD_REQUEST, "The request ended too early.", close=True)
            body += event.get("body", b"")
            self.admission.check_size(len(body))
            upload.reserve(len(body))
            if not event.get("more_body", False):
                return body

    async def _compute(
        self, message: Message, upload: "_Upload", receive: Receive, send: Send
    ) -> None:
        """Compute an answer in a thread, and say now and then that it is on its way."""
        stop, steps = threading.Event(), [0, 0]

        def progress(done: int, total: int) -> None:
            steps[:] = done, total

        ways = Ways(progress, lambda: stop.is_set() or self._closing.is_set())
        loop = asyncio.get_running_loop()
        answer = loop.run_in_executor(self._pool, lambda: encode(self._call(message, ways)))
        gone = asyncio.ensure_future(_wait_until_gone(receive))
        started = False
        try:
            while not answer.done():
                both: set[asyncio.Future[Any]] = {answer, gone}
                await asyncio.wait(both, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                if not answer.done():
                    if not started:
                        await _start(send, HTTPStatus.OK)
                    started = True
                    beat = Message({"answer": "progress", "steps": list(steps)})
                    await _send_body(send, encode(beat), more=True)
            await _finish(send, answer, started)
        finally:
            stop.set()
            gone.cancel()
            # The thread ends soon, or begins late and ends at once; it holds the body until then.
            # Nobody waits for what it has computed.
            answer.add_done_callback(upload.release_after)

    def _call(self, message: Message, ways: Ways) -> Message:
        found = self.calls.answer(message, ways)
        return Message({**found.fields, "answer": "result"}, found.arrays)


class _Upload:
    """Memory that one request has taken for its body."""

    def __init__(self, application: Application) -> None:
        self._application, self._taken = application, 0

    def reserve(self, size: int) -> None:
        """Take memory for a body of ``size`` bytes in all; raise Refusal if there is none left."""
        more = max(size - self._taken, 0)
        most = MOST_UPLOADS * self._application.admission.max_upload
        if self._application._uploading + more > most:
            raise _busy()
        self._application._uploading += more
        self._taken += more

    def release_after(self, answer: "asyncio.Future[bytes]") -> None:
        """Give the memory back once the answer was computed, whatever came of it."""
        self.release()
        if not answer.cancelled():
            # An error that is never looked at would be logged.
            answer.exception()

    def release(self) -> None:
        """Give the memory back."""
        self._application._uploading -= self._taken
        self._taken = 0


def _decode(body: bytearray) -> Message:
    """Return the message of a body, if it is of this version of the protocol."""
    try:
        message = decode(body)
    except InputError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error
    version = message.fields.get("protocol")
    if version == PROTOCOL and type(version) is int:
        return message
    older = "client" if type(version) is not int or version < PROTOCOL else "server"
    raise Refusal(
        HTTPStatus.UPGRADE_REQUIRED,
        f"The server speaks version {PROTOCOL} of the protocol and the client {version!r:.20}; "
        f"update napari-segany of the {older}.",
    )


def _busy() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, "The server has too much to do; try again.", BUSY
    )


async def _wait_until_gone(receive: Receive) -> None:
    """Return when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(send: Send, answer: "asyncio.Future[bytes]", started: bool) -> None:
    """Send the answer, or the error in its place."""
    try:
        content = answer.result()
    except Exception as error:
        refusal = _refusal_of(error)
        if not started:
            raise refusal from error
        content = encode(_error_message(refusal))
    if not started:
        await _start(send, HTTPStatus.OK, len(content))
    await _send_body(send, content)


def _refusal_of(error: Exception) -> Refusal:
    """Return the answer about an error of a call."""
    if isinstance(error, UnknownPlaneError):
        return Refusal(HTTPStatus.GONE, str(error), UNKNOWN_PLANE)
    if isinstance(error, InputError):
        return Refusal(HTTPStatus.BAD_REQUEST, str(error), name_of(error))
    if isinstance(error, Cancelled):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The server is ending.", BUSY)
    if isinstance(error, SeganyError):
        return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), name_of(error))
    logger.error("A call failed.", exc_info=error)
    kind = type(error).__name__
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR, f"The server failed ({kind}); see its log.", REFUSED
    )


def _error_message(refusal: Refusal) -> Message:
    return Message({"answer": "error", "kind": refusal.kind, "text": refusal.text})


async def _send_error(send: Send, refusal: Refusal) -> None:
    content = encode(_error_message(refusal))
    await _start(send, refusal.status, len(content), refusal.close)
    await _send_body(send, content)


async def _start(
    send: Send, status: HTTPStatus, length: int | None = None, close: bool = False
) -> None:
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        # A proxy that gathers answers would hold back that they are on their way.
        (b"x-accel-buffering", b"no"),
        (b"cache-control", b"no-store"),
    ]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})


async def _send_body(send: Send, content: bytes, more: bool = False) -> None:
    event = {"type": "http.response.body", "body": content, "more_body": more}
    with suppress(TimeoutError):
        await asyncio.wait_for(send(event), SEND_SECONDS)
