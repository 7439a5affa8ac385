"""Buttons of candidates."""

from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QColor

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.prompt.candidate_buttons import CandidateButtons
from napari_segany.plugin.shared.colours import OUTLINE
from napari_segany.plugin.shared.theme import line_colour
from napari_segany.plugin.shared.thumbnails import SIDE

pytestmark = pytest.mark.gui


def colours_of(picture: Any) -> set[str]:
    image = picture.toImage()
    return {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }


def alphas_of(button: Any) -> set[int]:
    """Return the opacities in the middle row of a button's picture."""
    picture = button.icon().pixmap(button.iconSize()).toImage()
    return {picture.pixelColor(x, SIDE // 2).alpha() for x in range(picture.width())}


def test_candidates_that_fill_the_plane_are_dim_but_not_their_frame(qtbot: Any) -> None:
    masks = np.zeros((2, 40, 50), bool)
    masks[0, 1:, :], masks[1, 10:20, 10:20] = True, True
    candidates = MaskSet.from_masks(masks, np.array([1.02, 0.9]), np.array([0.98, 0.9]))
    buttons = CandidateButtons()
    qtbot.addWidget(buttons)
    buttons.show()
    assert buttons.show_candidates(candidates, 0)
    filling, one = buttons.buttons[:2]
    assert filling.text() == "IoU 1.00\nstability 0.98"
    assert max(alphas_of(filling)) < 100
    assert alphas_of(one) == {255}
    frame = QColor(line_colour()).name()
    assert frame in colours_of(filling.grab())
    assert OUTLINE not in colours_of(filling.grab())
    assert OUTLINE in colours_of(one.grab())
    # The next candidates in the same buttons are bright again.
    buttons.show_candidates(candidates[np.array([1])], 0)
    assert alphas_of(filling) == {255}
    assert filling.property("fills") is False
