"""Connections of a client to one server: calls are sent, answers awaited, errors put in words."""

import http.client
import secrets
import ssl
import threading
import time
from dataclasses import replace
from typing import Any

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError, RemoteError
from napari_segany.remote.address import TOKEN_VARIABLE, RemoteAddress
from napari_segany.remote.message import Message, encode, read_message
from napari_segany.remote.protocol import BUSY, MEDIA_TYPE, PROTOCOL, UNKNOWN_PLANE, error_of

CONNECT_SECONDS = 10.0
"""Seconds for a connection to come about."""

SILENT_SECONDS = 60.0
"""Seconds after which a server that says nothing counts as gone; one that computes speaks often."""

BUSY_SECONDS = 60.0
"""Seconds for which a request is repeated to a server that has too much to do."""

PAUSE = 0.3
"""Seconds between two such requests."""


class PlaneGoneError(RemoteError):
    """A plane that the server does not hold any more; it is sent again."""


class Connection:
    """A client of one server; any thread may call, also at once.

    Connections are kept open and used again. All calls can be repeated, so one that meets a
    connection which the server has closed meanwhile is sent once more.

    Parameters
    ----------
    address : RemoteAddress
        The server.
    token : str, optional
        The secret that the server wants.

    Attributes
    ----------
    client : str
        Random name of this client, by which the server knows its planes.
    max_upload : int
        Bytes of the largest request, once the server has said so; 0 before.
    """

    def __init__(self, address: RemoteAddress, token: str | None = None) -> None:
        self.address, self._token = address, token
        self.client = secrets.token_hex(16)
        self.max_upload = 0
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def call(
        self,
        name: str,
        message: Message,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Message:
        """Send a message and return the answer.

        Parameters
        ----------
        name : str
            The call.
        message : Message
            Its fields and arrays.
        progress, should_stop : callable, optional
            Called with steps done and in all; polled about twice a second.

        Raises
        ------
        RemoteError
            If the server cannot be reached or refuses the request.
        PlaneGoneError
            If the server does not hold the plane.
        SeganyError
            As the call raises it on this machine, such as InputError.
        Cancelled
            If ``should_stop`` returned True; the server stops, too.
        """
        check(should_stop)
        fields = {**message.fields, "call": name, "protocol": PROTOCOL, "client": self.client}
        body = encode(replace(message, fields=fields))
        if self.max_upload and len(body) > self.max_upload:
            raise InputError(
                f"The request has {len(body) / 1e6:.0f} MB, and the server {self.address.server} "
                f"takes {self.max_upload / 1e6:g} MB: cut the plane, or start the server with a "
                "larger --max-upload."
            )
        end = time.monotonic() + BUSY_SECONDS
        while True:
            answer = self._ask(body, progress, should_stop)
            if answer.fields.get("answer") == "result":
                return answer
            kind, text = str(answer.fields.get("kind")), str(answer.fields.get("text"))[:2000]
            if kind == UNKNOWN_PLANE:
                raise PlaneGoneError(text)
            if kind != BUSY or time.monotonic() > end:
                raise error_of(kind, f"{text} ({self.address.server})")
            check(should_stop)
            time.sleep(PAUSE)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def _ask(
        self, body: bytes, progress: Progress | None, should_stop: ShouldStop | None
    ) -> Message:
        """Send a body; return the result or the error that the server answers with."""
        server = self.address.server
        try:
            connection, response = self._send(body)
        except ssl.SSLError as error:
            raise RemoteError(
                f"The server {server} has no certificate that this machine trusts, or does not "
                f"speak TLS ({error.reason or error}). A certificate of your own is trusted with "
                "SSL_CERT_FILE=its file."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise RemoteError(
                f"The server {server} cannot be reached ({_reason(error)}): start it with "
                "napari-segany serve, or correct the address."
            ) from error
        finished = False
        try:
            answer = self._read(response, progress, should_stop)
            finished = True
            return answer
        except (OSError, EOFError, http.client.HTTPException) as error:
            raise RemoteError(
                f"The connection to {server} broke before the answer was there "
                f"({_reason(error)}); the request can be sent again."
            ) from error
        finally:
            # Before the end nothing else can be read from it; closed, the server stops.
            if finished and not response.will_close and response.isclosed():
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def _send(self, body: bytes) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send a body on a connection that is open, else on a new one."""
        with self._lock:
            known = self._idle.pop() if self._idle else None
        if known is not None:
            try:
                return known, self._post(known, body)
            except (OSError, http.client.HTTPException):
                # The server has closed it, or was started again.
                known.close()
                self.close()
        fresh = self._connect()
        try:
            return fresh, self._post(fresh, body)
        except BaseException:
            fresh.close()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self.address.host, self.address.port
        kind: Any = (
            http.client.HTTPSConnection
            if self.address.scheme == "https"
            else http.client.HTTPConnection
        )
        connection: http.client.HTTPConnection = kind(host, port, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(SILENT_SECONDS)
        return connection

    def _post(
        self, connection: http.client.HTTPConnection, body: bytes
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": MEDIA_TYPE}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection.request("POST", self.address.path, body, headers)
        return connection.getresponse()

    def _read(
        self,
        response: http.client.HTTPResponse,
        progress: Progress | None,
        should_stop: ShouldStop | None,
    ) -> Message:
        """Read messages until the result or an error is there."""
        if response.headers.get_content_type() != MEDIA_TYPE:
            response.read(1 << 16)
            if response.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
                return Message({"answer": "error", "kind": BUSY, "text": "The server is busy."})
            raise RemoteError(
                f"{self.address.server} is no server of napari-segany, or an older one (it "
                f"answers {response.status} {response.reason})."
            )
        while True:
            try:
                found = read_message(response.read)
            except InputError as error:
                raise RemoteError(f"The answer of {self.address.server} is damaged.") from error
            if found.fields.get("answer") != "progress":
                # The end of the body, so that the connection can be used again.
                response.read()
                return self._with_help(found, response.status)
            done, total = self._steps_of(found)
            if progress is not None and total:
                progress(done, total)
            check(should_stop)

    def _steps_of(self, found: Message) -> tuple[int, int]:
        """Return the steps done and in all of a message about progress."""
        steps = found.fields.get("steps")
        if isinstance(steps, list) and [type(n) for n in steps] == [int, int]:
            return steps[0], steps[1]
        raise RemoteError(f"The answer of {self.address.server} is damaged.")

    def _with_help(self, found: Message, status: int) -> Message:
        """Return an error's message with what to do about a token."""
        if status != http.HTTPStatus.UNAUTHORIZED:
            return found
        text = (
            f"{found.fields.get('text')} Set the environment variable {TOKEN_VARIABLE} to "
            f"TOKEN@{self.address.server}, or give the token beside the address in the window. A "
            "token without a server is sent to this machine only."
        )
        return replace(found, fields={**found.fields, "text": text})


def _reason(error: Exception) -> str:
    """Return the reason of a failure in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    closed = http.client.RemoteDisconnected, http.client.IncompleteRead, EOFError
    if isinstance(error, closed):
        return "it closed the connection"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
