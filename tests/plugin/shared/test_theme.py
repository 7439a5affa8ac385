"""Colours of napari's theme."""

from collections.abc import Iterator
from typing import Any

import pytest
from napari.qt import get_stylesheet
from napari.settings import get_settings
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segany.plugin.shared.controls import column, primary, tick_box
from napari_segany.plugin.shared.theme import accent, faint, line_colour


@pytest.fixture
def appearance() -> Iterator[Any]:
    """Settings of the theme, which are restored afterwards."""
    settings = get_settings().appearance
    before = settings.theme
    settings.theme = "dark"
    yield settings
    settings.theme = before


def test_a_button_follows_the_theme(qtbot: Any, appearance: Any) -> None:
    root, button = QWidget(), primary(QPushButton("Commit"))
    root.setLayout(column(button))
    qtbot.addWidget(root)
    root.show()
    dark = accent()
    assert dark in button.styleSheet()
    appearance.theme = "light"
    # napari gives its window another style sheet then.
    root.setStyleSheet("QWidget { color: #1e1e21; }")
    assert accent() != dark
    assert accent() in button.styleSheet()
    assert dark not in button.styleSheet()


def test_lines_are_darker_than_the_background_of_a_light_theme(appearance: Any) -> None:
    assert line_colour() == accent()
    appearance.theme = "light"
    assert QColor(line_colour()).lightness() < 0.7 * QColor(accent()).lightness()


def test_what_is_faint_has_the_colour_of_the_text(qtbot: Any) -> None:
    widget = QWidget()
    widget.setStyleSheet("QWidget { color: #123456; }")
    qtbot.addWidget(widget)
    widget.ensurePolished()
    colour = faint(widget)
    assert (colour.name(), colour.alphaF() < 0.5) == ("#123456", True)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_tick_that_cannot_be_changed_has_no_accent(
    qtbot: Any, appearance: Any, theme: str
) -> None:
    appearance.theme = theme
    root, box = QWidget(), tick_box("No background")
    root.setStyleSheet(get_stylesheet(theme))
    inside = QWidget(root)
    inside.setLayout(column(box))
    root.setLayout(column(inside))
    qtbot.addWidget(root)
    box.setChecked(True)
    root.show()

    def colours() -> set[str]:
        picture = box.grab().toImage()
        side = range(picture.height())
        return {picture.pixelColor(x, y).name() for x in side for y in side}

    assert accent() in colours()
    inside.setEnabled(False)
    assert accent() not in colours()
