"""Walls between objects that lie on each other: planes on which an object looks unlike itself.

Where an object ends, planes look unlike it. If what is behind them looks like it again, they show
the wall or the gap between two objects, blurred along Z, and each of both reaches as far as its
middle. If nothing like it follows, the object has ended at the first of them.
"""

from dataclasses import dataclass, field

import numpy as np

from napari_segany.linking.propagation.spans import PlaneAnswer

WIDEST = 0.5
"""Thickness of a wall at most, in diameters of the object. Beyond it nothing is looked for."""

LEAST_RISE = 0.25
"""Rise of the level behind a wall, where 1 is the object and 0 its surroundings."""


@dataclass(eq=False)
class UnlikePlanes:
    """Planes in a row on which an object looks unlike itself.

    Attributes
    ----------
    planes : list of int
        The planes, away from the prompted one.
    answers : list of PlaneAnswer
        Its best candidate on each of them.
    levels : list of float
        The level of each, see :meth:`Appearance.level`.
    """

    planes: list[int] = field(default_factory=list)
    answers: list[PlaneAnswer] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.planes)

    def add(self, plane: int, answer: PlaneAnswer, level: float) -> None:
        """Add the next plane."""
        self.planes.append(plane)
        self.answers.append(answer)
        self.levels.append(level)

    def rises_to(self, level: float) -> bool:
        """Return True if the planes are a wall in front of something of a level."""
        return level > min(self.levels) + LEAST_RISE

    def before_middle(self) -> dict[int, PlaneAnswer]:
        """Return the planes in front of the middle of the wall, where the level is lowest."""
        middle = int(np.argmin(self.levels))
        return dict(zip(self.planes[:middle], self.answers[:middle], strict=True))
