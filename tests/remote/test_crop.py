"""Answers about points that cannot be read."""

import numpy as np
import pytest

from napari_segany.core.geometry import Frame
from napari_segany.errors import RemoteError
from napari_segany.models.screening import Screen
from napari_segany.remote.crop import RemoteCrop
from napari_segany.remote.message import Message

POINTS = np.zeros((2, 2))
SCREEN = Screen(0.0, 0.0, 1.0, 1.0)


def crop(answer: Message) -> RemoteCrop:
    """A crop whose server gives one answer to everything."""
    return RemoteCrop(
        Frame((4, 5), 64), lambda name, message: answer, lambda: RemoteError("broken")
    )


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"prompted": np.array([2]), "counts": np.array([-1])},
        {"prompted": np.array([2]), "counts": np.array([1]), "points": np.zeros((3, 2))},
        {"features": np.zeros((3, 8), np.float32)},
        {"features": np.zeros((2, 8), np.float64)},
    ],
)
def test_damaged_answers_are_errors_of_the_server(arrays: dict[str, np.ndarray]) -> None:
    broken = crop(Message({}, arrays))
    with pytest.raises(RemoteError, match="broken"):
        list(broken.predict_points(POINTS, 2, SCREEN, lambda found: found))
    with pytest.raises(RemoteError, match="broken"):
        broken.features_at(POINTS)
