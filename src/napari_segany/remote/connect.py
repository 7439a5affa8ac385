"""Connection to a model on another machine: the handshake with its server."""

import logging
from dataclasses import replace

from napari_segany.errors import InputError, RemoteError
from napari_segany.remote.address import RemoteAddress, find_token
from napari_segany.remote.admission import is_loopback
from napari_segany.remote.connection import Connection
from napari_segany.remote.embedding import RemoteDescription
from napari_segany.remote.message import Message
from napari_segany.remote.model import RemoteModel
from napari_segany.remote.protocol import PROTOCOL

logger = logging.getLogger(__name__)


def connect(name: str, precision: str = "auto") -> RemoteModel:
    """Connect to a model on another machine.

    Parameters
    ----------
    name : str
        Its address: ``remote://HOST:PORT/MODEL``, or ``https://HOST/MODEL`` for a server with TLS.
        Without MODEL it is the first of the server. The token is the one that was kept for the
        server, else that of the environment variable ``SEGANY_TOKEN``, if it is for this server:
        ``TOKEN@HOST:PORT``, or ``TOKEN`` for one on this machine.
    precision : {"auto", "exact", "bfloat16"}
        Precision that the model must have; "auto" takes any.

    Raises
    ------
    RemoteError
        If the server cannot be reached or refuses the client.
    InputError
        If this is no address, the server has no such model, or it has another precision.
    """
    address = RemoteAddress.parse(name)
    token = find_token(address)
    if token and address.scheme != "https" and not is_loopback(address.host):
        logger.warning(
            "The token and the images go to %s without encryption; use https, or an SSH tunnel.",
            address.server,
        )
    connection = Connection(address, token)
    try:
        return _greet(address, connection, precision)
    except BaseException:
        connection.close()
        raise


def _greet(address: RemoteAddress, connection: Connection, precision: str) -> RemoteModel:
    """Ask a server what it has, and return the model."""
    fields = connection.call("hello", Message({})).fields
    most, machine = fields.get("max_upload"), fields.get("machine")
    if (
        fields.get("protocol") != PROTOCOL
        or not isinstance(fields.get("models"), list)
        or not isinstance(most, int)
        or not isinstance(machine, dict)
    ):
        raise RemoteError(f"The server {address.server} is of another version; update both sides.")
    connection.max_upload = most
    models = [RemoteDescription.of(each) for each in fields["models"]]
    found = next((each for each in models if address.model in ("", each.id)), None)
    if found is None:
        raise InputError(
            f"The server {address.server} has no model {address.model!r}; it has "
            f"{', '.join(each.id for each in models)}."
        )
    if precision not in ("auto", found.precision):
        raise InputError(
            f"The server {address.server} computes in precision {found.precision!r}, and "
            f"{precision!r} is wanted: start it with --precision {precision}."
        )
    texts = {str(key): str(value) for key, value in machine.items()}
    return RemoteModel(replace(address, model=found.id), connection, found, texts)
