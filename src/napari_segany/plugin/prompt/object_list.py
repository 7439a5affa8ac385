"""The list of a session's objects: what there is, where, how good, and how to go there."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QHBoxLayout, QPushButton, QTableView, QVBoxLayout
from qtpy.QtWidgets import QWidget as Widget

from napari_segany.core.masks import MaskSet
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject

COLUMNS = ("Label", "Plane", "IoU", "Stability", "Pixels", "Prompt")


class ObjectListModel(QAbstractTableModel):
    """Rows are made when they are seen, so that thousands of objects cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[SegmentedObject] = []
        self._session: Session | None = None

    def show_session(self, session: Session | None) -> None:
        """Show these objects, the latest first."""
        rows = [] if session is None else list(session.state.objects.values())[::-1]
        if rows == self.rows and session is self._session:
            return
        self.beginResetModel()
        self.rows, self._session = rows, session
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of objects."""
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Names of columns."""
        horizontal = orientation == Qt.Orientation.Horizontal
        if role == Qt.ItemDataRole.DisplayRole and horizontal:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """One cell."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        each = self.rows[index.row()]
        return self._texts(each)[index.column()]

    def _texts(self, each: SegmentedObject) -> tuple[str, ...]:
        mask = each.commit.mask if each.commit is not None else None
        if mask is None and self._session is not None and each.id in self._session.state.objects:
            mask = self._session.preview(each.id)
        known = mask is not None and len(mask) > 0
        return (
            str(each.label) if each.commit is not None else "open",
            ", ".join(str(n) for n in each.plane if n is not None) or "-",
            f"{mask.predicted_iou[0]:.2f}" if mask is not None and known else "",
            f"{mask.stability_score[0]:.2f}" if mask is not None and known else "",
            str(self._area(each, mask)) if mask is not None and known else "",
            repr(each.prompt)[len("Prompt(") : -1],
        )

    def _area(self, each: SegmentedObject, mask: MaskSet) -> int:
        """Pixels that a committed object has in the labels, or that an open one would have."""
        session = self._session
        now = None if session is None else session.state.objects.get(each.id)
        if session is not None and now is each and each.commit is not None:
            return session.area(each.id)
        return int(mask.area[0])


class ObjectList(Widget):
    """The list with its buttons.

    Parameters
    ----------
    go_to, reopen, delete : callable
        Called with the numbers of the selected objects.
    """

    def __init__(
        self,
        go_to: Callable[[list[int]], Any],
        reopen: Callable[[list[int]], Any],
        delete: Callable[[list[int]], Any],
    ) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.model = ObjectListModel()
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setToolTip("Double-click: look at the object")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.verticalHeader().setDefaultSectionSize(22)
        for section in range(len(COLUMNS) - 1):
            self.table.setColumnWidth(section, 62)
        self.table.setMinimumHeight(150)
        self.table.doubleClicked.connect(lambda _: go_to(self.selected))
        column.addWidget(self.table)
        row = QHBoxLayout()
        for text, tip, act in (
            ("Go there", "Show the object's plane with the object in the middle", go_to),
            ("Reopen", "Take it out of the labels and bring its prompts back", reopen),
            ("Delete", "Take it out of the labels and forget it; Undo brings it back", delete),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, call=act: call(self.selected))
            row.addWidget(button)
        column.addLayout(row)

    @property
    def selected(self) -> list[int]:
        """Numbers of the selected objects."""
        rows = self.table.selectionModel().selectedRows()
        return [self.model.rows[index.row()].id for index in rows]
