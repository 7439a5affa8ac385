"""Section of a dock that folds away, with a summary in its title."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QSizePolicy, QWidget
from superqt import QCollapsible

from napari_segany.plugin.shared.late_controls import adopt, scroll_panel_of

UNLIMITED = 16_777_215
"""Qt's largest height."""

COLLAPSED, EXPANDED = "\u25b8", "\u25be"
"""Marks of a section: a triangle to the right, and one that points down."""


class Fold(QCollapsible):
    """Collapsible section, collapsed at first.

    The mark is part of the title, so that it has the colours of the theme.

    Parameters
    ----------
    title : str
        Title.
    part : QWidget or callable
        Content; or a function that makes it when the section is opened first.

    Attributes
    ----------
    title : str
        Title, without the mark.
    """

    def __init__(self, title: str, part: QWidget | Callable[[], QWidget]) -> None:
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self.title = title
        self._make: Callable[[], QWidget] | None = None
        if isinstance(part, QWidget):
            self.addWidget(part)
        else:
            self._make = part
        layout, inside = self.layout(), self.content().layout()
        for each in (layout, inside):
            if each is not None:
                each.setContentsMargins(0, 0, 0, 0)
        # As high as its lines and rows need where they wrap: superqt's limit would cut them, and a
        # layout that is aligned gets no more than the height that it has without wrapping.
        if layout is not None:
            layout.setAlignment(Qt.AlignmentFlag(0))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        # The Tab key leaves out what is folded away.
        self.content().setVisible(False)
        self.toggled.connect(lambda _: self._show_title())
        self.toggleButton().clicked.connect(lambda _=False: self._show_in_panel())
        self._show_title()

    def set_title(self, title: str) -> None:
        """Show another title."""
        self.title = title
        self._show_title()

    def fill(self) -> None:
        """Make the content now if it is made when the section is opened; above what was added."""
        make, self._make = self._make, None
        if make is not None:
            part, inside = make(), self.content()
            inside.layout().insertWidget(0, part)
            adopt(inside, part.findChildren(QWidget), self.toggleButton())

    def expand(self, animate: bool = False) -> None:
        """Open the section, as high as its content needs; it never moves in steps."""
        self.fill()
        super().expand(animate=False)
        self.content().setMaximumHeight(UNLIMITED)
        self.content().setVisible(True)

    def collapse(self, animate: bool = False) -> None:
        """Fold the section away."""
        super().collapse(animate=False)
        self.content().setVisible(False)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the height to the layout: superqt would cut lines of text that wrap."""
        return False

    def _show_in_panel(self) -> None:
        """Scroll what a person opened into view."""
        around = scroll_panel_of(self)
        if around is not None:
            around.follow(self if self.isExpanded() else None)

    def _show_title(self) -> None:
        mark = EXPANDED if self.isExpanded() else COLLAPSED
        # An ampersand would underline the letter after it.
        self.setText(f"{mark}  {self.title}".replace("&", "&&"))


class SetupFold(Fold):
    """Section with choices that are made once: it folds to a line when they are made.

    A person who opens it again decides from then on.

    Parameters
    ----------
    title : str
        Title until everything is chosen.
    part : QWidget
        Content.
    """

    def __init__(self, title: str, part: QWidget) -> None:
        super().__init__(title, part)
        self._empty, self._is_settled, self._by_hand = title, False, False
        self.expand(animate=False)
        self.toggleButton().clicked.connect(self._on_click)

    def show_summary(self, summary: str) -> None:
        """Show what is chosen; an empty summary asks for it, and opens the section.

        Parameters
        ----------
        summary : str
            One line, empty while something is missing.
        """
        self.set_title(summary or self._empty)
        if bool(summary) == self._is_settled:
            return
        self._is_settled = bool(summary)
        if not summary:
            self.expand(animate=False)
        elif not self._by_hand:
            self.collapse(animate=False)

    def _on_click(self) -> None:
        self._by_hand = True
