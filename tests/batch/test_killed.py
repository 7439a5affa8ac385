"""A batch that is killed at any moment goes on, and ends with the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.batch.conftest import results
from tests.effort import choose_count
from tests.environment import environment_with_tests

from napari_segany.batch.report import REPORT

FAST = (
    *("--points-per-side", "4", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"),
    *("--max-area-fraction", "1", "--box-nms-thresh", "0.5"),
    *("--normalise", "stack", "--export", "coco", "rois", "yolo", "masks"),
)
KILLS = choose_count(10, 4)
PLANES = 12
"""Planes of each of the three stacks: more than so many kills leave time for."""


class Forker:
    """Runs the command line in processes that can be killed."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment_with_tests(),
        )
        assert self.read() == "ready"

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(
        self, arguments: list[str], kill_when: Callable[[], bool] = lambda: False, late: float = 0
    ) -> int:
        """Exit status as the system tells it; killed so many seconds after something is so."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        child = int(self.read())
        # It may come to its end by itself.
        with suppress(ProcessLookupError):
            while not kill_when():
                os.kill(child, 0)
                time.sleep(0.002)
            time.sleep(late)
            os.kill(child, signal.SIGKILL)
        return int(self.read())


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked on this system")
    forker = Forker()
    yield forker
    assert forker.process.stdin is not None
    assert forker.process.stdout is not None
    forker.process.stdin.close()
    forker.process.wait(timeout=20)
    forker.process.stdout.close()


def finished_planes(output: Path) -> int:
    kept = len(list((output / ".segany").glob("*.work/plane_*.npz")))
    return kept + PLANES * len(list(output.glob("*_recipe.json")))


def test_kills_at_random_moments(forker: Forker, stacks: Callable[..., Path]) -> None:
    folder = stacks(planes=PLANES)
    command = ["segment", str(folder), "-o"]
    whole, broken = folder.parent / "whole", folder.parent / "broken"
    began = time.monotonic()
    assert forker.run([*command, str(whole), *FAST]) == 0
    plane = (time.monotonic() - began) / (3 * PLANES)
    assert len(list(whole.glob("*_labels.ome.tif"))) == 3

    rng, killed, before = random.Random(20), 0, 0
    for _ in range(KILLS):
        # Each run gets one plane further at least, so that there is something to hit each time.
        status = forker.run(
            [*command, str(broken), *FAST],
            lambda least=before: finished_planes(broken) > least,  # type: ignore[misc]
            rng.uniform(0, 2 * plane),
        )
        assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
        killed += os.WIFSIGNALED(status)
        now = finished_planes(broken)
        assert now >= before, "a plane that was finished is lost"
        before = now
    assert killed >= KILLS / 2
    whole_time = plane * 3 * PLANES
    print(f"{killed} kills, {before} planes finished, {whole_time:.1f} s uninterrupted")

    assert forker.run([*command, str(broken), *FAST]) == 0
    assert results(broken) == results(whole)
    assert REPORT in {path.name for path in broken.iterdir()}
    left = [path.name for path in broken.rglob("*") if path.name.endswith((".tmp", ".work"))]
    assert left == []


def test_only_the_plane_in_work_is_lost(forker: Forker, stacks: Callable[..., Path]) -> None:
    folder = stacks(files=1, planes=PLANES)
    output = folder.parent / "out"
    command = ["segment", str(folder), "-o", str(output), *FAST, "--json"]
    forker.run(command, lambda: finished_planes(output) >= 3)
    kept = {p.name: p.stat().st_mtime_ns for p in output.rglob("plane_*.npz")}
    assert len(kept) >= 3
    forker.run(command, lambda: finished_planes(output) >= len(kept) + 2)

    again = {p.name: p.stat().st_mtime_ns for p in output.rglob("plane_*.npz")}
    for name, time_ns in kept.items():
        assert again.get(name, time_ns) == time_ns, f"{name} was computed twice"
