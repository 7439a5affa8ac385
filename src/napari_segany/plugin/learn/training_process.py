"""Training in a process of its own, so that the window stays live and can be closed."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import Cancelled, SeganyError
from napari_segany.training.tuning import FINISH, work_folder

OnStage = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it and all of it."""


class TrainingProcess:
    """A running ``napari-segany train``.

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
        Most time.
    """

    def __init__(
        self, images: Sequence[Path], truth: Path, output: Path, model: str, minutes: float
    ) -> None:
        self.output = output
        self._stopped = False
        self._finish = work_folder(output) / FINISH
        self._finish.unlink(missing_ok=True)
        command = [
            *(sys.executable, "-m", "napari_segany", "train", *map(str, images)),
            *("--truth", str(truth), "-o", str(output), "--model", model, "--device", "cpu"),
            *("--minutes", str(minutes), "--json"),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def wait(self, on_stage: OnStage, should_stop: ShouldStop) -> dict[str, Any]:
        """Report stages until the process ends; return its result.

        Raises
        ------
        Cancelled
            If it was stopped; the same training continues it.
        SeganyError
            If it failed.
        """
        result: dict[str, Any] = {}
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for text in self._process.stdout:
            if should_stop():
                self.stop()
            line = json.loads(text)
            if "stage" in line:
                on_stage(line["stage"], line["done"], line["total"])
            else:
                result = line
        errors = self._process.stderr.read()
        code = self._process.wait()
        if self._stopped:
            raise Cancelled("Training was stopped; started again, it continues.")
        if code or not result:
            said = errors.strip().splitlines()[-1:] or [f"the process ended with code {code}"]
            raise SeganyError(f"Training failed: {said[0].removeprefix('napari-segany: error: ')}")
        return result

    def finish(self) -> None:
        """Let it make a finder of what it has learned so far."""
        self._finish.parent.mkdir(parents=True, exist_ok=True)
        self._finish.touch()

    def stop(self) -> None:
        """End it; its last checkpoint is kept."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.terminate()
