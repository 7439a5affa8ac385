"""List of a session's objects with planes, scores and prompts."""

from functools import partial
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelection, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableView, QVBoxLayout, QWidget

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.shared.controls import button, row
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject

COLUMNS = ("Label", "Plane", "IoU", "Stability", "Pixels", "Prompt")
WIDTHS = (42, 42, 36, 62, 50)
"""Widths of columns in pixels; the last one gets the rest, and its text is in the tooltip."""

PLANE = 1
"""Column that is hidden where the image is one plane."""

STABILITY, LEAST = 3, 60
"""Column that is hidden where the last one would be narrower than this, in pixels."""

MOST_SELECTED = 1000
"""Objects that stay selected when the list changes; more would be felt."""


class ObjectListModel(QAbstractTableModel):
    """Table model of the objects; rows are made on demand, so thousands cost no time."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[SegmentedObject] = []
        self._session: Session | None = None

    def show_session(self, session: Session | None) -> None:
        """Show the objects of a session, the latest first, and parts of one by their planes."""
        rows = [] if session is None else list(session.state.objects.values())[::-1]
        if any(each.part_of is not None for each in rows):
            order = {whole: n for n, whole in enumerate(dict.fromkeys(e.whole for e in rows))}
            rows.sort(key=lambda each: (order[each.whole], [n or 0 for n in each.plane]))
        if rows == self.rows and session is self._session:
            return
        self.beginResetModel()
        self.rows, self._session = rows, session
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects."""
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return the name of a column."""
        horizontal = orientation == Qt.Orientation.Horizontal
        if role == Qt.ItemDataRole.DisplayRole and horizontal:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return the text of a cell."""
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts(self.rows[index.row()])[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            texts = self._texts(self.rows[index.row()])
            known = f"; stability {texts[STABILITY]}" if texts[STABILITY] else ""
            return f"{texts[-1]}{known}"
        return None

    def _texts(self, each: SegmentedObject) -> tuple[str, ...]:
        mask = each.commit.mask if each.commit is not None else None
        if mask is None and self._session is not None and each.id in self._session.state.objects:
            mask = self._session.preview(each.id)
        known = mask is not None and len(mask) > 0
        return (
            str(each.label) if each.commit is not None else "open",
            ", ".join(str(n) for n in each.plane if n is not None) or "-",
            _score(mask.predicted_iou[0]) if mask is not None and known else "",
            _score(mask.stability_score[0]) if mask is not None and known else "",
            str(self._area(each, mask)) if mask is not None and known else "",
            _prompt_text(each),
        )

    def _area(self, each: SegmentedObject, mask: MaskSet) -> int:
        """Return the pixels of a committed object in the labels, or of an open one's mask."""
        session = self._session
        now = None if session is None else session.state.objects.get(each.id)
        if session is not None and now is each and each.commit is not None:
            return session.area(each.id)
        return int(mask.area[0])


class _Table(QTableView):
    """Table that hides a column where it has no room."""

    def resizeEvent(self, event: Any) -> None:
        """Hide or show the column."""
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """Hide a column where the last one has too little room, and give that one the rest."""
        hidden = WIDTHS[PLANE] if self.isColumnHidden(PLANE) else 0
        rest = self.viewport().width() - sum(WIDTHS) + hidden
        crowded = rest < LEAST
        self.setColumnHidden(STABILITY, crowded)
        # Qt's own stretching of the last column counts hidden ones while they change.
        self.setColumnWidth(len(WIDTHS), rest + (WIDTHS[STABILITY] if crowded else 0))


class ObjectList(QWidget):
    """The list of objects with buttons for the selected ones."""

    go_to_requested = Signal(list)
    """Emitted with the numbers of the selected objects, to show them."""

    reopen_requested = Signal(list)
    """Emitted with the numbers of the selected objects, to reopen them."""

    delete_requested = Signal(list)
    """Emitted with the numbers of the selected objects, to delete them."""

    alike_requested = Signal(list)
    """Emitted with the numbers of the selected objects, to find others like them."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.model = ObjectListModel()
        self.table = _Table()
        self.table.setModel(self.model)
        self.table.setToolTip("Double-click: look at the object")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().setVisible(False)
        # Bold names of the columns of a selected row would be cut.
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.horizontalHeader().setMinimumSectionSize(20)
        for section, width in enumerate(WIDTHS):
            self.table.setColumnWidth(section, width)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setMinimumHeight(150)
        self.table.doubleClicked.connect(partial(self._emit, self.go_to_requested))
        column.addWidget(self.table)
        buttons = (
            (
                "Go there",
                "Show the object's plane with the object in the middle",
                self.go_to_requested,
            ),
            (
                "Reopen",
                "Remove it from the labels and bring its prompts back",
                self.reopen_requested,
            ),
            ("Delete", "Remove it, also from the labels; Undo reverts it", self.delete_requested),
            (
                "Find alike",
                "Find other objects like it, in the Everything dock",
                self.alike_requested,
            ),
        )
        made = [button(text, partial(self._emit, to), tip) for text, tip, to in buttons]
        self.buttons = made
        # Four beside each other would widen the dock.
        for few in (made[:3], made[3:]):
            column.addLayout(row(*few))
        # Numbers of the objects that were selected before the rows changed.
        self._before: list[int] = []
        # The object that was selected because it was the latest; None once a person selects.
        self._latest: int | None = None
        self._is_resetting = False
        self.model.modelAboutToBeReset.connect(self._keep_selection)
        self.model.modelReset.connect(self._select_again)
        self.model.modelReset.connect(self._show_planes)
        self.table.selectionModel().selectionChanged.connect(self._on_selected)
        # A click on what is selected already changes nothing, but is a choice.
        self.table.pressed.connect(self._on_selected)
        self._enable()

    def _emit(self, signal: Any, *_: Any) -> None:
        signal.emit(self.selected)

    def _keep_selection(self) -> None:
        self._before = self.selected
        self._is_resetting = True

    def _on_selected(self, *_: Any) -> None:
        if not self._is_resetting:
            self._latest = None
        self._enable()

    def _select_again(self) -> None:
        """Select the objects of before, as far as they are left, or else the latest one.

        The latest one follows further ones until a person selects.
        """
        rows = {each.id: number for number, each in enumerate(self.model.rows)}
        left = [rows[number] for number in self._before[:MOST_SELECTED] if number in rows]
        if not left or self._before == [self._latest]:
            left = list(rows.values())[:1]
            self._latest = next(iter(rows), None)
        model = self.table.selectionModel()
        selection = QItemSelection()
        for number in left:
            at = self.model.index(number, 0)
            selection.select(at, at)
        model.select(selection, model.SelectionFlag.Select | model.SelectionFlag.Rows)
        self._is_resetting = False
        self._enable()

    def _show_planes(self) -> None:
        """Show the column of planes if the image has several."""
        first = self.model.rows[:1]
        self.table.setColumnHidden(PLANE, all(set(each.plane) == {None} for each in first))
        self.table.fit()

    def _enable(self, *_: Any) -> None:
        """Enable the buttons while an object is selected."""
        for each in self.buttons:
            each.setEnabled(self.table.selectionModel().hasSelection())

    @property
    def selected(self) -> list[int]:
        """Numbers of the selected objects."""
        rows = self.table.selectionModel().selectedRows()
        return [self.model.rows[index.row()].id for index in rows]


def _score(score: float) -> str:
    """Return a score as text, not above 1 although a model may predict more."""
    return f"{min(float(score), 1.0):.2f}"


def _prompt_text(each: SegmentedObject) -> str:
    return repr(each.prompt)[len("Prompt(") : -1]
