"""Colours of napari's theme, and style sheets that follow it when it changes."""

from collections.abc import Callable

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

FAINT = 0.4
"""Opacity of what is left out or known from elsewhere."""

DARKER = 180
"""Percentage by which lines are darker than the accent on a light theme."""


def accent() -> str:
    """Return the colour with which napari's theme marks what is in use."""
    colour: str = get_theme(get_settings().appearance.theme).current.as_hex()
    return colour


def line_colour() -> str:
    """Return the accent as thin lines and bars need it: darker on a light theme, where it is pale.

    As a background of text, :func:`accent` is used.
    """
    theme = get_theme(get_settings().appearance.theme)
    colour = QColor(theme.current.as_hex())
    if QColor(theme.background.as_hex()).lightness() > colour.lightness():
        colour = colour.darker(DARKER)
    name: str = colour.name()
    return name


def quiet_colour() -> str:
    """Return the theme's colour for what matters less than text."""
    name: str = get_theme(get_settings().appearance.theme).highlight.as_hex()
    return name


def disabled_ticks() -> str:
    """Return a style sheet in which ticks that cannot be changed lose the accent."""
    grey = get_theme(get_settings().appearance.theme).secondary.as_hex()
    return f"QCheckBox::indicator:checked:disabled {{ background-color: {grey}; }}"


def faint(widget: QWidget) -> QColor:
    """Return the colour of a widget's text at less than half its strength, in every theme."""
    colour = widget.palette().color(QPalette.ColorRole.WindowText)
    colour.setAlphaF(FAINT)
    return colour


def follow_theme(widget: QWidget, style: Callable[[], str]) -> None:
    """Give a widget a style sheet that is made anew when the theme changes.

    Parameters
    ----------
    widget : QWidget
        The widget.
    style : callable
        Returns the style sheet in the colours of the present theme.
    """
    widget.installEventFilter(_ThemedStyle(widget, style))


class _ThemedStyle(QObject):
    """Event filter of a widget, whose child it is; a change of the window's style reaches it."""

    def __init__(self, widget: QWidget, style: Callable[[], str]) -> None:
        super().__init__(widget)
        self._style, self._shown = style, style()
        widget.setStyleSheet(self._shown)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Renew the style sheet if the theme is another one."""
        if event is not None and event.type() == QEvent.Type.StyleChange:
            style = self._style()
            # A new style sheet is a change of style, too.
            if style != self._shown and isinstance(watched, QWidget):
                self._shown = style
                watched.setStyleSheet(style)
        return False
