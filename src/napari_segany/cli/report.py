"""What a run says: one line a file, a last line with counts; or one JSON object a line."""

import json
import logging
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_segany.batch.plan import FAILED, Outcome, called
from napari_segany.io.safe_names import shown

logger = logging.getLogger(__name__)

STATUS = {
    "done": "done",
    "partly": "partly",
    "same": "skipped",
    "edited": "skipped",
    "elsewhere": "elsewhere",
    "failed": "failed",
}
"""What a JSON line says."""


def say_notes(path: Path, notes: Iterable[str]) -> None:
    """Say what was guessed about an image, once."""
    for note in notes:
        logger.info("note: %s: %s", path, note)


@dataclass
class Report:
    """Prints as results come in and counts them."""

    folder: Path
    as_json: bool = False
    noun: str = "object"
    quiet: bool = False
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
            self._error(outcome.error)
            if self.as_json:
                self._say("", **values, error=outcome.error)
            return
        name = called(outcome.files.name if outcome.files else "", outcome.path)
        if outcome.state == "elsewhere":
            self._say(f"{name}: another process is at it", **values)
            return
        if outcome.state in FAILED:
            self.failed.append(outcome.path)
        for fault in outcome.failed_planes:
            self._error(f"{outcome.path}: {fault} Its labels are empty.")
        text = f"{name}: {shown(outcome.understood)}: "
        text += (
            counted(outcome.objects, self.noun) if self.noun else counted(outcome.planes, "plane")
        )
        if outcome.state in ("done", "partly"):
            text += f" in {seconds(outcome.seconds)}"
            if outcome.resumed:
                text += f", {counted(outcome.resumed, 'plane')} of them done before"
        else:
            text += ", done before"
        if outcome.failed_planes:
            text += f", {counted(len(outcome.failed_planes), 'plane')} could not be read"
        if outcome.notes:
            text += f", {counted(len(outcome.notes), 'blank plane')} left empty"
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
            failed_planes=list(outcome.failed_planes),
            notes=list(outcome.notes),
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
        partly = self.counts.get("partly", 0)
        counts += [f"{partly} done in part"] if partly else []
        failed = len(self.failed) - partly
        counts += [f"{failed} failed"] if failed else []
        took = time.monotonic() - self._started
        counts += [counted(self.objects, self.noun)] if self.noun else []
        text = f"{', '.join(counts)} in {seconds(took)}"
        if done + partly + before:
            text += f"; results in {shown(self.folder)}"
        self._say(
            text,
            status="finished",
            done=done,
            partly=partly,
            skipped=before,
            elsewhere=elsewhere,
            failed=[str(p) for p in self.failed],
            objects=self.objects,
            seconds=round(took, 3),
            output=str(self.folder),
        )
        if self.failed:
            print("failed: " + ", ".join(shown(p) for p in self.failed), file=sys.stderr)
        return 1 if self.failed else 0

    def _say(self, text: str, **values: Any) -> None:
        if self.as_json or not self.quiet:
            # JSON escapes by itself what cannot be shown.
            print(json.dumps(values) if self.as_json else text, flush=True)

    def _error(self, text: str) -> None:
        print(f"napari-segany: error: {shown(text)}", file=sys.stderr, flush=True)


def counted(number: int, noun: str) -> str:
    """ "1 object", "2 objects"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
