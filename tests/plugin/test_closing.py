"""A process that ends while widgets are open and at work."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.environment import environment_with_tests
from tests.plugin.windows import needs_a_display

pytestmark = [pytest.mark.gui, needs_a_display]


class Starter:
    """Starts processes that open a dock and end; forks of one of them where that is possible."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, printed: Path, *request: str) -> int:
        """Carry out a request, and return the exit code."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("closing.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment_with_tests(),
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([*request, str(printed)]) + "\n")
        self.process.stdin.flush()
        code = self.process.stdout.readline()
        # Without an answer it was the process itself.
        return int(code) if code else self.end()

    def end(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.communicate(timeout=240)
        return process.returncode


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    assert starter.end() == 0


@pytest.mark.parametrize(
    ("dock", "when", "how", "code"),
    [
        ("Prompt", "loading", "error", 1),
        ("Prompt", "working", "exit", 3),
        ("Everything", "working", "error", 1),
        ("Everything", "idle", "error", 1),
        ("Tracks", "working", "closed", 3),
        ("Batch", "working", "closed", 3),
        ("Learn", "working", "run", 0),
        ("Evaluate", "working", "run", 0),
        ("Models", "working", "error", 1),
    ],
)
def test_the_process_ends_as_it_was_told(
    starter: Starter, tmp_path: Path, dock: str, when: str, how: str, code: int
) -> None:
    printed = tmp_path / "printed"
    ended = starter.run(printed, dock, when, how)
    said = printed.read_text(encoding="utf-8")
    assert "at work" in said, said
    assert ended == code, said
    for sign in ("terminate called", "has been deleted", "Fatal Python error"):
        assert sign not in said
    assert ("the script is wrong" in said) == (how == "error")
