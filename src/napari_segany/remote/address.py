"""Addresses of remote models, and the tokens of their servers."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from platformdirs import user_config_path

from napari_segany.errors import InputError
from napari_segany.remote.admission import is_loopback
from napari_segany.remote.protocol import PATH, PORT

Kind = TypeVar("Kind", list[Any], dict[str, Any])

TOKEN_VARIABLE = "SEGANY_TOKEN"
"""Environment variable with a token and its server, as ``TOKEN@HOST`` or ``TOKEN@HOST:PORT``.

A token alone is sent to this machine only, which a tunnel's end belongs to.
"""

SCHEMES = ("remote", "https")
"""Schemes of addresses: HTTP, and HTTP over TLS."""

MOST_KNOWN = 10
"""Addresses that are remembered, at most."""

FORM = "remote://HOST:PORT/MODEL, or https://HOST/MODEL for a server with TLS"


@dataclass(frozen=True)
class RemoteAddress:
    """The address of a model on a server.

    Attributes
    ----------
    scheme : {"remote", "https"}
        HTTP, or HTTP over TLS.
    host : str
        Name or address of the machine, an IPv6 address without brackets.
    port : int
        Its port.
    prefix : str
        Path in front of the server's own, for servers behind a proxy; empty or "/a/b".
    model : str
        Name of the model; empty for the server's first.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""
    model: str = ""

    @classmethod
    def parse(cls, text: str) -> "RemoteAddress":
        """Return the address that a text stands for.

        Raises
        ------
        InputError
            If it is none.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError as error:
            raise InputError(f"{text!r} is no address of a model; write {FORM}.") from error
        odd = parts.query or parts.fragment or parts.username or parts.password
        if parts.scheme not in SCHEMES or not parts.hostname or odd:
            raise InputError(f"{text!r} is no address of a model; write {FORM}.")
        path = parts.path.strip("/")
        prefix, _, model = path.rpartition("/")
        if port is None:
            port = 443 if parts.scheme == "https" else PORT
        whole = f"/{prefix}" if prefix else ""
        return cls(parts.scheme, parts.hostname, port, whole, unquote(model))

    @property
    def server(self) -> str:
        """Host and port, as people write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """Path to which calls are posted."""
        return self.prefix + PATH

    def __str__(self) -> str:
        return f"{self.scheme}://{self.server}{self.prefix}/{self.model}".rstrip("/")


def token_file() -> Path:
    """Return the path of the file with the tokens that were kept."""
    return user_config_path("napari-segany", appauthor=False) / "remote_tokens.json"


def address_file() -> Path:
    """Return the path of the file with the addresses that were remembered."""
    return user_config_path("napari-segany", appauthor=False) / "remote_models.json"


_used_tokens: dict[str, str] = {}
"""Tokens of servers that were given in this process."""


def find_token(address: RemoteAddress) -> str | None:
    """Return the token of a server: given here, kept for it, or that of the environment.

    A token is sent to no other server than its own.
    """
    own = _used_tokens.get(address.server) or _kept_tokens().get(address.server)
    if own:
        return own
    token, server = environment_token()
    fits = server in (address.server, address.host) if server else is_loopback(address.host)
    return token if fits else None


def environment_token() -> tuple[str | None, str]:
    """Return the token of the environment, None if there is none, and the server it is for."""
    token, at, server = os.environ.get(TOKEN_VARIABLE, "").rpartition("@")
    if not at:
        token, server = server, ""
    return token or None, server.lower()


def use_token(address: RemoteAddress, token: str) -> None:
    """Use a token for a server until this process ends."""
    _used_tokens[address.server] = token


def keep_token(address: RemoteAddress, token: str) -> None:
    """Keep the token of a server in a file that only this person can read; "" forgets it.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    kept = _kept_tokens()
    kept.pop(address.server, None)
    if token:
        kept[address.server] = token
    try:
        _write(token_file(), kept)
    except OSError as error:
        raise InputError(f"The token cannot be kept in {token_file()} ({error}).") from error


def known_addresses() -> list[RemoteAddress]:
    """Return the addresses that were remembered, the latest first."""
    found = []
    for text in _read(address_file(), list):
        with suppress(InputError):
            found.append(RemoteAddress.parse(str(text)))
    return found


def remember_address(address: RemoteAddress) -> None:
    """Remember an address that was connected to; where nothing can be written, until the end."""
    known = [str(each) for each in known_addresses() if each != address]
    with suppress(OSError):
        _write(address_file(), [str(address), *known][:MOST_KNOWN])


def _kept_tokens() -> dict[str, str]:
    """Return the tokens that were kept, by server; none if the file is damaged."""
    found = _read(token_file(), dict)
    return {str(name): value for name, value in found.items() if isinstance(value, str)}


def _read(path: Path, kind: type[Kind]) -> Kind:
    """Return what a JSON file holds, nothing if it is damaged or of another kind."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return kind()
    return found if isinstance(found, kind) else kind()


def _write(path: Path, values: Any) -> None:
    """Write a JSON file, which is never readable to others, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(values, file)
    temporary.replace(path)
