"""Admission of requests before their bodies are read: path, origin, token and size."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from napari_segany.remote.protocol import MEDIA_TYPE, PATH, REFUSED


class Refusal(Exception):
    """A request that is refused, with the status and the sentence of the answer.

    Parameters
    ----------
    status : HTTPStatus
        Status of the answer.
    text : str
        One sentence.
    kind : str
        Name of the error, see :mod:`napari_segany.remote.protocol`.
    close : bool
        True to close the connection.
    """

    def __init__(
        self, status: HTTPStatus, text: str, kind: str = REFUSED, close: bool = False
    ) -> None:
        super().__init__(text)
        self.status, self.text, self.kind, self.close = status, text, kind, close


@dataclass(frozen=True)
class Admission:
    """Rules by which requests are admitted.

    Attributes
    ----------
    token : str or None
        The secret that clients send; None admits everyone who reaches the server, which is for
        loopback addresses only.
    max_upload : int
        Bytes of the largest body.
    """

    token: str | None
    max_upload: int

    def check(self, scope: Mapping[str, Any]) -> int | None:
        """Return the announced length of the body in bytes, None if there is none.

        Parameters
        ----------
        scope : mapping
            The ASGI scope of the request.

        Raises
        ------
        Refusal
            If the request is not admitted.
        """
        headers = _by_name(scope["headers"])
        if not scope["path"].endswith(PATH):
            raise Refusal(HTTPStatus.NOT_FOUND, f"Models are served at {PATH} only.")
        if scope["method"] != "POST":
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Requests to models are sent with POST.")
        if b"origin" in headers:
            # A page in a browser of this machine must not reach a server without a token.
            raise Refusal(HTTPStatus.FORBIDDEN, "Web pages are not served.")
        self._check_token(headers)
        if headers.get(b"content-type") != MEDIA_TYPE.encode():
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body must be of type {MEDIA_TYPE}."
            )
        return self._check_length(headers)

    def check_size(self, size: int) -> None:
        """Raise Refusal if a body of ``size`` bytes is too large."""
        if size > self.max_upload:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The request is larger than the {self.max_upload / 1e6:g} MB that this server "
                "takes; start it with a larger --max-upload.",
            )

    def _check_token(self, headers: Mapping[bytes, bytes]) -> None:
        if self.token is None:
            # A name that an attacker's name server resolves to this machine is no name of it.
            if not is_loopback(_host_of(headers.get(b"host", b"").decode("latin-1"))):
                raise Refusal(HTTPStatus.FORBIDDEN, "This server is reached on this machine only.")
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            raise Refusal(HTTPStatus.UNAUTHORIZED, "This server needs a token.")
        # Digests have one length, and are compared in the same time whatever they hold.
        digests = (hashlib.sha256(each).digest() for each in (given, self.token.encode()))
        if not hmac.compare_digest(*digests):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "The token is not that of this server.")

    def _check_length(self, headers: Mapping[bytes, bytes]) -> int | None:
        given = headers.get(b"content-length")
        if given is None:
            return None
        if not given.isdigit() or len(given) > 18:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The length of the body is no number.")
        self.check_size(int(given))
        return int(given)


def is_loopback(host: str) -> bool:
    """Return True for names and addresses by which a machine reaches itself only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_of(value: str) -> str:
    """Return the host of a Host header, without its port."""
    if value.startswith("["):
        return value.partition("]")[0] + "]"
    return value.partition(":")[0]


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in headers}
