"""Server of files on loopback, in the place of the hosts of published models."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 8192  # 2 MiB


class FileServer(ThreadingHTTPServer):
    """Serves ``content`` at every address, on loopback, or one of ``files`` by the last part."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FileHandler)
        self.content = CONTENT
        self.files: dict[str, bytes] = {}
        self.missing: set[str] = set()
        self.ranges = True
        self.cut_at: int | None = None
        self.delay = 0.0
        self.asked: list[str | None] = []
        self.paths: list[str] = []

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"{self.root}/mobile_sam.pt"


class FileHandler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        self.server.paths.append(self.path)
        name = self.path.rpartition("/")[2]
        if name in self.server.missing:
            self.send_error(404)
            return
        content, start = self.server.files.get(name, self.server.content), 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        time.sleep(self.server.delay)
        try:
            self.wfile.write(content[start : self.server.cut_at])
        except OSError:
            # The client that cancels hangs up.
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    """Run a server in a thread."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def closed_address() -> str:
    """Return the address of a port that nobody listens at."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"
