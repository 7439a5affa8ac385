"""Choice of an earlier session on the image, to restore it."""

from collections.abc import Sequence

from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QWidget

from napari_segany.plugin.prompt.journal_store import LIKE
from napari_segany.plugin.shared.controls import column
from napari_segany.session.journal import SavedSession


class RestorePicker(QWidget):
    """Button and choice of saved sessions, the latest first; hidden if there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton("Restore")
        self.button.setToolTip(
            "Objects, prompts and commits of an earlier session on this image come back; "
            "the present one ends, and can be restored, too"
        )
        self.choice = QComboBox()
        self.choice.setToolTip("When the session began, and how many objects it has")
        # Long texts must not widen the panel.
        self.choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        # Not in the message line, where the next message would replace it.
        self.notice = QLabel("The last session on this image ended without being closed.")
        self.notice.setWordWrap(True)
        # One below the other: beside the button a narrow dock has no room for the text.
        self.state = QLabel("")
        self.state.setWordWrap(True)
        self.choice.currentIndexChanged.connect(self._show_state)
        layout = column(self.notice, self.choice, self.state, self.button)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self._sessions: list[SavedSession] = []
        self._fill()

    @property
    def chosen(self) -> SavedSession | None:
        """The chosen session, None if there is none."""
        at = self.choice.currentIndex()
        return self._sessions[at] if 0 <= at < len(self._sessions) else None

    def show_sessions(self, sessions: Sequence[SavedSession]) -> None:
        """Offer these sessions; the choice stays if they are the same."""
        if [id(each) for each in sessions] != [id(each) for each in self._sessions]:
            self._sessions = list(sessions)
            self._fill()

    def _show_state(self) -> None:
        chosen = self.chosen
        self.state.setText("" if chosen is None else describe_state(chosen))
        self.state.setVisible(bool(self.state.text()))

    def _fill(self) -> None:
        self.choice.clear()
        self.choice.addItems([describe_session(each) for each in self._sessions])
        for part in (self.button, self.choice):
            part.setVisible(bool(self._sessions))
        self._show_state()
        self.notice.setVisible(bool(self._sessions) and not self._sessions[0].closed)


def describe_session(saved: SavedSession) -> str:
    """Return a line about a session that a narrow dock has room for: its time and its objects."""
    count = saved.count
    return f"{saved.begun:%Y-%m-%d %H:%M}, {count} object{'s' if count != 1 else ''}"


def describe_state(saved: SavedSession) -> str:
    """Return what is not as usual with a session; empty if all is."""
    states = ["Its end is damaged; what comes before is restored."] if saved.damage else []
    if saved.path.parent.name.startswith(LIKE):
        # The session ended before the pixels of the image were known.
        states.append("It is of an image of this name, maybe another one.")
    return " ".join(states)
