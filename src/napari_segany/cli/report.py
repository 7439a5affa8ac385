"""What a run says: one line a file, a last line with counts; or one JSON object a line."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_segany.batch.plan import Outcome

STATUS = {
    "done": "done",
    "same": "skipped",
    "edited": "skipped",
    "elsewhere": "elsewhere",
    "failed": "failed",
}
"""What a JSON line says."""


def say_notes(path: Path, notes: Iterable[str]) -> None:
    """Say what was guessed about an image, once."""
    for note in notes:
        print(f"note: {path}: {note}", file=sys.stderr, flush=True)


@dataclass
class Report:
    """Prints as results come in and counts them."""

    folder: Path
    as_json: bool = False
    noun: str = "object"
    objects: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failed: list[Path] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        """Say what became of one image."""
        self.counts[outcome.state] = self.counts.get(outcome.state, 0) + 1
        self.objects += outcome.objects
        values: dict[str, Any] = {"input": str(outcome.path), "status": STATUS[outcome.state]}
        if outcome.state == "failed":
            self.failed.append(outcome.path)
            print(f"napari-segany: error: {outcome.error}", file=sys.stderr, flush=True)
            if self.as_json:
                self._say("", **values, error=outcome.error)
            return
        if outcome.state == "elsewhere":
            self._say(f"{outcome.path.name}: another process is at it", **values)
            return
        text = f"{outcome.path.name}: {outcome.understood}: "
        text += (
            counted(outcome.objects, self.noun) if self.noun else counted(outcome.planes, "plane")
        )
        if outcome.state == "done":
            text += f" in {seconds(outcome.seconds)}"
            if outcome.resumed:
                text += f", {counted(outcome.resumed, 'plane')} of them done before"
        else:
            text += ", done before"
        if outcome.state == "edited":
            text += " (changed by hand since, so left as it is)"
        self._say(
            text + (f" (picture: {outcome.pictured})" if outcome.pictured else ""),
            **values,
            understood=outcome.understood,
            objects=outcome.objects,
            planes=outcome.planes,
            seconds=round(outcome.seconds, 3),
            pictured=outcome.pictured,
            resumed=outcome.resumed,
            edited=outcome.state == "edited",
            outputs=[] if outcome.files is None else [str(p) for p in outcome.files.all()],
        )

    def finish(self) -> int:
        """Print the last line and give the exit code."""
        done = self.counts.get("done", 0)
        before = self.counts.get("same", 0) + self.counts.get("edited", 0)
        elsewhere = self.counts.get("elsewhere", 0)
        counts = [f"{done} of {counted(sum(self.counts.values()), 'file')} done"]
        counts += [f"{before} done before"] if before else []
        counts += [f"{elsewhere} with another process"] if elsewhere else []
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        took = time.monotonic() - self._started
        counts += [counted(self.objects, self.noun)] if self.noun else []
        text = f"{', '.join(counts)} in {seconds(took)}"
        if done + before:
            text += f"; results in {self.folder}"
        self._say(
            text,
            status="finished",
            done=done,
            skipped=before,
            elsewhere=elsewhere,
            failed=[str(p) for p in self.failed],
            objects=self.objects,
            seconds=round(took, 3),
            output=str(self.folder),
        )
        if self.failed:
            print("failed: " + ", ".join(str(p) for p in self.failed), file=sys.stderr)
        return 1 if self.failed else 0

    def _say(self, text: str, **values: Any) -> None:
        print(json.dumps(values) if self.as_json else text, flush=True)


def counted(number: int, noun: str) -> str:
    """ "1 object", "2 objects"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
