"""Server of models: an HTTP server for the calls of clients."""

import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.remote.admission import Admission, is_loopback
from napari_segany.remote.application import Application
from napari_segany.remote.calls import Calls
from napari_segany.remote.protocol import MAX_UPLOAD, PORT

SHORTEST_TOKEN = 16
"""Characters of a token, at least."""

MOST_CONNECTIONS = 128
"""Connections of all clients, at most."""

IDLE_SECONDS = 75
"""Seconds after which a connection is closed on which nothing is asked."""


@dataclass(frozen=True)
class ServerOptions:
    """Address, secret and limits of a server.

    Attributes
    ----------
    host, port : str, int
        Address to listen on; port 0 takes any that is free.
    token : str or None
        The secret that clients send; needed on all but loopback addresses.
    max_upload : int
        Bytes of the largest request.
    certificate, key : Path or None
        Files of the TLS certificate (with its chain) and its private key, in PEM; without, answers
        are not encrypted.

    Raises
    ------
    InputError
        If an address beyond this machine lacks a token, or a value is of no use.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    token: str | None = None
    max_upload: int = MAX_UPLOAD * 1_000_000
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if self.token is None and not self.is_loopback:
            raise InputError(
                f"Whoever reaches {self.host} could use the models; give a token in a file with "
                "--token-file, or serve on 127.0.0.1."
            )
        if self.token is not None and (
            len(self.token) < SHORTEST_TOKEN or not self.token.isascii() or " " in self.token
        ):
            raise InputError(
                f"A token has at least {SHORTEST_TOKEN} ASCII characters and no blank."
            )
        if not 0 <= self.port < 1 << 16:
            raise InputError(f"The port must be 0 to 65535, got {self.port}.")
        if self.max_upload < 1_000_000:
            raise InputError("The largest upload must be at least 1 MB.")
        if self.key is not None and self.certificate is None:
            raise InputError("A key needs its certificate: give --certificate, too.")
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise InputError(f"There is no file {path}.")

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def is_encrypted(self) -> bool:
        """True if connections are encrypted by the server itself."""
        return self.certificate is not None


def read_token(path: Path) -> str:
    """Return the token in the first line of a file.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The token file {path} cannot be read ({error}).") from error
    token = lines[0].strip() if lines else ""
    if not token:
        raise InputError(f"The first line of {path} is empty; a token is expected there.")
    return token


def package_version() -> str:
    """Return the version of this package."""
    try:
        return version("napari-segany")
    except PackageNotFoundError:
        return "unknown"


def serve(
    models: Sequence[PromptableModel],
    options: ServerOptions,
    on_ready: Callable[[str, int], None] | None = None,
) -> None:
    """Serve models until the process is told to end.

    Parameters
    ----------
    models : sequence of PromptableModel
        At least one; clients that name none get the first.
    options : ServerOptions
        The address and the limits.
    on_ready : callable, optional
        Called with host and port once clients can connect.

    Raises
    ------
    InputError
        If the extra ``server`` is not installed, or the address cannot be used.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise InputError(
            "Serving models needs the extra: pip install 'napari-segany[server]'"
        ) from error

    calls = Calls.of(models, package_version(), options.max_upload)
    application = Application(calls, Admission(options.token, options.max_upload))
    tls: dict[str, Any] = {}
    if options.certificate is not None:
        tls = {"ssl_certfile": options.certificate, "ssl_keyfile": options.key}
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=2,
        **tls,
    )
    with closing(application), closing(_listen(options)) as listener:
        if on_ready is not None:
            on_ready(*listener.getsockname()[:2])
        uvicorn.Server(config).run(sockets=[listener])


def _listen(options: ServerOptions) -> socket.socket:
    """Return a socket that listens at the address."""
    try:
        family, *_, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise InputError(
            f"The address {options.host}, port {options.port}, cannot be used ({error}); give "
            "another one with --host and --port."
        ) from error
