"""Embedded planes on a server that answer many points."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.geometry import PlaneFrame
from napari_segany.errors import InputError, RemoteError
from napari_segany.models.protocol import PointCandidates
from napari_segany.models.screening import Screen
from napari_segany.remote.message import Message
from napari_segany.remote.protocol import MOST_FEATURES, MOST_POINTS
from napari_segany.remote.search_results import decode_groups, encode_screen
from napari_segany.remote.values import take

Result = TypeVar("Result")

Ask = Callable[[str, Message], Message]
"""Sends a call about one plane."""


@dataclass(frozen=True)
class RemoteCrop:
    """An embedded plane or crop, an :class:`napari_segany.models.protocol.EmbeddedCrop`.

    Attributes
    ----------
    frame : PlaneFrame
        The relation between its pixels and the cells of low-resolution logits.
    ask : callable
        Sends a call about it to the server.
    damaged : callable
        Returns the error for an answer that cannot be read.
    """

    frame: PlaneFrame
    ask: Ask
    damaged: Callable[[], RemoteError]

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Result],
    ) -> Generator[Result]:
        """Yield the candidates of (P, 2) row, column that pass a screen, group by group."""
        step = min(at_once, MOST_POINTS)
        for start in range(0, len(points), step):
            some = {"points": points[start : start + step], "screen": encode_screen(screen)}
            answer = self.ask("points", Message({"at_once": step}, some))
            try:
                groups = decode_groups(answer)
            except InputError as error:
                raise self.damaged() from error
            for group in groups:
                yield finish(group)

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the (P, C) image features at (P, 2) row, column."""
        groups = np.split(points, range(MOST_FEATURES, len(points), MOST_FEATURES))
        answers = [self.ask("features", Message({}, {"points": some})) for some in groups]
        try:
            parts = [
                take(answer.arrays, "features", np.float32, (len(some), None))
                for answer, some in zip(answers, groups, strict=True)
            ]
            return np.concatenate(parts)
        except (InputError, ValueError) as error:
            raise self.damaged() from error
