"""Runs the command line in forked processes, so that being killed and begun again takes no time.

Reads a JSON list of arguments a line; answers with the process id, then with the exit status.
"""

import json
import os
import sys


def child(arguments: list[str]) -> int:
    from tests.tiny import use_tiny_model

    from napari_segany.cli.main import main

    use_tiny_model()
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    return main(arguments)


def serve() -> None:
    # Everything that is slow to import, without starting a thread.
    import napari_segany.batch.plane_loop
    import napari_segany.cli.segment
    import napari_segany.models.sam.model  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os._exit(child(json.loads(line)))
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


if __name__ == "__main__":
    serve()
