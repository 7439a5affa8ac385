"""Options of a training on a person's labels, and its result."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.training.fine_tune import FineTuned
from napari_segany.training.held_back_scores import PlaneScore
from napari_segany.weights.finders import FinderFile

LICENCE = "Trained further from the base on one person's images; sharing needs the rights to these."
"""Note in the file unless another one is given."""

FINISH = "finish"
"""Name of a file in the work folder with which another process asks for the result now."""


@dataclass(frozen=True)
class TrainedFinder:
    """A finder that was trained on a person's labels, and how it did.

    Attributes
    ----------
    file : FinderFile
        The finder's file, with its hash.
    before, after : tuple of PlaneScore
        Scores of the base and of the new finder on what was held back.
    held_back : str
        "planes", "quarters" (of planes) or "nothing".
    tuning : FineTuned
        Steps, and what ended them.
    seconds : float
        Time of all.
    picture : ndarray or None
        (height, width, 3) uint8 of the first held-back plane: its labels, what the base finds, and
        what the new finder finds.
    """

    file: FinderFile
    before: tuple[PlaneScore, ...]
    after: tuple[PlaneScore, ...]
    held_back: str
    tuning: FineTuned
    seconds: float
    picture: NDArray[np.uint8] | None = None

    @property
    def msa_before(self) -> float:
        """Mean mSA of the base on what was held back; NaN if nothing was."""
        return _mean([each.msa for each in self.before])

    @property
    def msa_after(self) -> float:
        """Mean mSA of the new finder on what was held back; NaN if nothing was."""
        return _mean([each.msa for each in self.after])


def work_folder(output: Path) -> Path:
    """Return the folder beside a finder's file that keeps what its training needs."""
    return output.with_name(f"{output.stem}.training")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


@dataclass(frozen=True)
class TuneOptions:
    """Options of training on a person's labels.

    Attributes
    ----------
    minutes : float
        Most time of all stages together; above 0.
    steps : int
        Most steps.
    threads : int
        Threads of the loop; the last bits of the weights depend on it.
    seed : int
        Of everything that is random.
    licence : str
        Note about the licence of the file.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    minutes: float = 5.0
    steps: int = 300
    threads: int = 2
    seed: int = 0
    licence: str = LICENCE

    def __post_init__(self) -> None:
        if not 0 < self.minutes < float("inf"):
            raise InputError(f"minutes must be above 0, got {self.minutes}.")
        for name, least in (("steps", 1), ("threads", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}.")
