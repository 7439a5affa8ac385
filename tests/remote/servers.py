"""Server processes on loopback, with the tiny model or another one, ended by their own id."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

TOKEN = "a-token-of-this-test"

TINY = "from tests.tiny import use_tiny_model; use_tiny_model()"
"""Code that makes every model the tiny one."""

MAIN = "from napari_segany.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"


@dataclass
class ServerProcess:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    address: str

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return int(self.address.rpartition("/")[0].rpartition(":")[2])

    @property
    def memory(self) -> int:
        """Bytes of memory that the process has."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def end(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait(30)


@contextmanager
def start_server(
    *options: str, port: int = 0, code: str = TINY, token: str | None = None
) -> Iterator[ServerProcess]:
    """Start a server and wait until it listens."""
    paths = [str(ROOT / "src"), str(ROOT), *sys.path]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    variables.pop("SEGANY_TOKEN", None)
    if token is not None:
        variables["SEGANY_TOKEN"] = token
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; {code}; {MAIN}", "--port", str(port), *options],
        stdout=subprocess.PIPE,
        text=True,
        env=variables,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert "://" in line, "the server did not start"
        yield ServerProcess(process, line.rpartition(" ")[2])
    finally:
        process.kill()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()
