"""Messages of a run: one line per file and a last line with counts, or one JSON object per line."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_segany.batch.plan import FAILED, Outcome, called
from napari_segany.io.safe_names import shown

STATUS = {
    "done": "done",
    "partly": "partly",
    "same": "skipped",
    "edited": "skipped",
    # Scripts that read the output know this word.
    "locked": "elsewhere",
    "failed": "failed",
}
"""The status in JSON output by state of the outcome."""


@dataclass
class Report:
    """A report that prints each outcome and counts the outcomes.

    Attributes
    ----------
    folder : Path
        The folder with the results.
    as_json : bool
        Print JSON instead of sentences.
    noun : str
        The noun for what is counted; empty if nothing is counted.
    quiet : bool
        Print errors only.
    objects : int
        The number of objects.
    counts : dict
        The number of images by state.
    failed : list of Path
        Images that failed, in whole or in part.
    """

    folder: Path
    as_json: bool = False
    noun: str = "object"
    quiet: bool = False
    objects: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failed: list[Path] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        """Print and count the outcome of one image."""
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
        if outcome.state == "locked":
            self._say(f"{name}: another process works on it", **values)
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
            text + (f" (overlay: {outcome.pictured})" if outcome.pictured else ""),
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
        """Print the last line; return the exit code."""
        done = self.counts.get("done", 0)
        before = self.counts.get("same", 0) + self.counts.get("edited", 0)
        locked = self.counts.get("locked", 0)
        counts = [f"{done} of {counted(sum(self.counts.values()), 'file')} done"]
        counts += [f"{before} done before"] if before else []
        counts += [f"{locked} with another process"] if locked else []
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
            elsewhere=locked,
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
    """Return a number with its noun, such as "1 object" or "2 objects"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def seconds(value: float) -> str:
    """Return a duration in seconds, minutes or hours."""
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
