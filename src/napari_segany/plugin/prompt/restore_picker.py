"""Earlier sessions on the image, one of which can be restored."""

from collections.abc import Sequence

from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QWidget

from napari_segany.plugin.prompt.journal_store import LIKE
from napari_segany.session.journal import SavedSession


class RestorePicker(QWidget):
    """A button and the sessions to choose from, the latest first; nothing if there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton("Restore")
        self.button.setToolTip(
            "Objects, prompts and commits of an earlier session on this image come back; "
            "the present one ends, and can be restored, too"
        )
        self.choice = QComboBox()
        self.choice.setToolTip("When the session began, and how many objects it has")
        # Long texts must not make the panel wider.
        self.choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        # Not in the line of messages, which the next one would take.
        self.notice = QLabel("The last session on this image ended without being closed.")
        self.notice.setWordWrap(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.notice, 0, 0, 1, 2)
        grid.addWidget(self.button, 1, 0)
        grid.addWidget(self.choice, 1, 1)
        grid.setColumnStretch(1, 1)
        self._stories: list[SavedSession] = []
        self._show()

    @property
    def chosen(self) -> SavedSession | None:
        """The session that is chosen, None if there is none."""
        at = self.choice.currentIndex()
        return self._stories[at] if 0 <= at < len(self._stories) else None

    def show_stories(self, stories: Sequence[SavedSession]) -> None:
        """Offer these; the choice stays if they are the same."""
        if [id(each) for each in stories] != [id(each) for each in self._stories]:
            self._stories = list(stories)
            self._show()

    def _show(self) -> None:
        self.choice.clear()
        self.choice.addItems([told(each) for each in self._stories])
        for part in (self.button, self.choice):
            part.setVisible(bool(self._stories))
        self.notice.setVisible(bool(self._stories) and not self._stories[0].closed)


def told(story: SavedSession) -> str:
    """A session in a line."""
    count = story.count
    text = f"{story.begun:%Y-%m-%d %H:%M}, {count} object{'s' if count != 1 else ''}"
    text = f"{text}, its end is damaged" if story.damage else text
    # It ended before the image's pixels were known.
    return f"{text}, an image of this name" if story.path.parent.name.startswith(LIKE) else text
