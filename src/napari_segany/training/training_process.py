"""Training in a process of its own, which a window watches and can leave alone."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import Cancelled, SeganyError
from napari_segany.training.tuning import FINISH, work_folder
from napari_segany.weights.finders import FinderFile, read_finder

OnStage = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it and all of it."""

LOWER_PRIORITY = 10
"""Added to the niceness of the process, so that windows stay live on few cores."""


@dataclass(frozen=True)
class TrainingResult:
    """A finder that was trained and neither kept nor discarded yet.

    Attributes
    ----------
    file : FinderFile
        The finder.
    images, objects : int
        Images and objects that the training had.
    held_back : str
        "planes", "quarters" (of planes) or "nothing".
    before, after : float or None
        mSA of the finder that it began with, and of the new one, on what was held back.
    picture : Path or None
        Picture of a held-back part: its labels, found before, found after.
    ended_by_time : bool
        True if learning might have gone on with more time.
    """

    file: FinderFile
    images: int
    objects: int
    held_back: str
    before: float | None
    after: float | None
    picture: Path | None
    ended_by_time: bool = False

    @property
    def is_better(self) -> bool | None:
        """True if the new finder has the higher score; None without scores."""
        if self.before is None or self.after is None:
            return None
        return self.after > self.before

    @classmethod
    def read(cls, path: Path) -> "TrainingResult":
        """Read the result of a training from its file, also in another process than it ran in.

        Raises
        ------
        WeightsError
            If the file is damaged.
        """
        file = read_finder(path)
        facts, picture = file.card.facts, path.with_suffix(".png")

        def mean(name: str) -> float | None:
            scores = [float(each["msa"]) for each in facts.get(name, ())]
            return sum(scores) / len(scores) if scores else None

        return cls(
            file=file,
            images=int(facts.get("planes", 0)),
            objects=int(facts.get("objects", 0)),
            held_back=str(facts.get("held_back", "nothing")),
            before=mean("before"),
            after=mean("after"),
            picture=picture if picture.is_file() else None,
            ended_by_time=facts.get("ended_by") == "time",
        )


class TrainingProcess:
    """A running ``napari-segany train``.

    The process ends when nobody reads what it prints any more, so it does not outlive a window
    that was killed by more than a few seconds. The same training continues it.

    Parameters
    ----------
    images : sequence of Path
        Images to learn from.
    truth : Path
        Folder of their labels.
    output : Path
        File of the new finder.
    model : str
        Name of the model.
    minutes : float
        Most time, in minutes.
    """

    def __init__(
        self, images: Sequence[Path], truth: Path, output: Path, model: str, minutes: float
    ) -> None:
        self.output = output
        self._is_stopped = False
        self._finish = work_folder(output) / FINISH
        self._finish.unlink(missing_ok=True)
        command = [
            *(sys.executable, "-m", "napari_segany", "train", *map(str, images)),
            *("--truth", str(truth), "-o", str(output), "--model", model, "--device", "cpu"),
            *("--minutes", str(minutes), "--json"),
        ]
        # A pipe that nobody reads meanwhile would be full of warnings at some time.
        self._errors = tempfile.TemporaryFile(  # noqa: SIM115 (closed by wait)
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True, encoding="utf-8"
        )
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.pid, LOWER_PRIORITY)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def wait(self, on_stage: OnStage, should_stop: ShouldStop) -> TrainingResult:
        """Report stages until the process ends; return its result.

        Raises
        ------
        Cancelled
            If it was stopped; the same training continues it.
        SeganyError
            If it failed.
        """
        out, is_finished = self._process.stdout, False
        assert out is not None
        with out, self._errors as errors:
            for text in out:
                if should_stop():
                    self.stop()
                with suppress(ValueError):
                    line = json.loads(text)
                    if "stage" in line:
                        on_stage(line["stage"], line["done"], line["total"])
                    is_finished |= "finder" in line
            code = self._process.wait()
            errors.seek(0)
            said = errors.read()
        if self._is_stopped:
            raise Cancelled("Training was stopped; started again, it continues.")
        if code or not is_finished:
            lines = said.strip().splitlines() or [f"the process ended with code {code}"]
            raise SeganyError(
                f"The training failed: {lines[-1].removeprefix('napari-segany: error: ')}"
            )
        return TrainingResult.read(self.output)

    def finish(self) -> None:
        """Let it make a finder of what it has learned so far."""
        self._finish.parent.mkdir(parents=True, exist_ok=True)
        self._finish.touch()

    def stop(self) -> None:
        """End it; its last checkpoint is kept."""
        self._is_stopped = True
        if self._process.poll() is None:
            self._process.terminate()
