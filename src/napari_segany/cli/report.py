"""What a run says: one line a file, a last line with counts; or one JSON object a line."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_segany.io.results import ResultFiles


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes
    ----------
    path : Path
        The image.
    understood : str
        Its axes, size, type and pixel size in words.
    objects, planes : int
        How many were found, on how many planes.
    seconds : float
        How long it took.
    files : ResultFiles
        Where the results are.
    pictured : str
        The plane that the picture shows, empty if there is only one.
    """

    path: Path
    understood: str
    objects: int
    planes: int
    seconds: float
    files: ResultFiles
    pictured: str = ""


@dataclass
class Report:
    """Prints as results come in and counts them."""

    folder: Path
    as_json: bool = False
    objects: int = 0
    done: int = 0
    skipped: int = 0
    failed: list[Path] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        """One image is done."""
        self.done += 1
        self.objects += outcome.objects
        self._say(
            f"{outcome.path.name}: {outcome.understood}: "
            f"{counted(outcome.objects, 'object')} in {seconds(outcome.seconds)}"
            + (f" (picture: {outcome.pictured})" if outcome.pictured else ""),
            input=str(outcome.path),
            status="done",
            understood=outcome.understood,
            objects=outcome.objects,
            planes=outcome.planes,
            seconds=round(outcome.seconds, 3),
            pictured=outcome.pictured,
            outputs=[str(p) for p in outcome.files.all()],
        )

    def skip(self, path: Path) -> None:
        """The results of one image are there already."""
        self.skipped += 1
        self._say(f"{path.name}: skipped, its results are there", input=str(path), status="skipped")

    def fail(self, path: Path, reason: str) -> None:
        """One image failed."""
        self.failed.append(path)
        print(f"napari-segany: error: {reason}", file=sys.stderr, flush=True)
        if self.as_json:
            self._say("", input=str(path), status="failed", error=reason)

    def finish(self) -> int:
        """Print the last line and give the exit code."""
        total = self.done + self.skipped + len(self.failed)
        counts = [f"{self.done} of {counted(total, 'file')} done"]
        counts += [f"{self.skipped} skipped"] if self.skipped else []
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        took = time.monotonic() - self._started
        text = f"{', '.join(counts)}, {counted(self.objects, 'object')} in {seconds(took)}"
        if self.done + self.skipped:
            text += f"; results in {self.folder}"
        self._say(
            text,
            status="finished",
            done=self.done,
            skipped=self.skipped,
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
