"""Table of the files of a batch."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_segany.plugin.batch.file_list import FileRow
from napari_segany.plugin.shared.theme import faint

COLUMNS = ("Image", "State", "Found", "Axes", "Content")
WIDTHS = {1: 80, 2: 44, 3: 40}
"""Widths of columns in pixels; the name of the image gets the rest, so that nothing scrolls."""

STATE, OBJECTS, AXES, CONTENT = 1, 2, 3, 4
"""Columns after that of the image; the content is shown of one image at a time, below the table."""

EMPTY = "Drop images or folders here,\nor press a button below."
"""Text in a table without images."""

ALIGNED = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
"""Place of numbers in their cells."""

DETECTED = Qt.ItemDataRole.UserRole
"""Role of the axes that a file itself has, which are shown faint."""


class FileTable(QTableWidget):
    """Table of images with state, editable axes, and a description of the content."""

    dropped = Signal(list)
    """Emitted with the paths of files and folders that were dropped on the table."""

    axes_changed = Signal(int, str)
    """Emitted with the row of an image and the axes that the user entered."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(list(COLUMNS))
        self.setToolTip("Drop images or folders here. Axes can be changed; empty: as the file says")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAcceptDrops(True)
        self.setMinimumHeight(140)
        header = self.horizontalHeader()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            # Bold names of the columns of a selected row would be cut.
            header.setHighlightSections(False)
        numbers = self.verticalHeader()
        if numbers is not None:
            numbers.setVisible(False)
        for column, width in WIDTHS.items():
            self.setColumnWidth(column, width)
        self.setColumnHidden(CONTENT, True)
        self.setWordWrap(False)
        # Names of files often differ at their ends.
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.cellChanged.connect(self._on_cell)

    def show_rows(self, rows: Sequence[FileRow], editable: bool) -> None:
        """Show images; their axes can be edited if ``editable``."""
        self.blockSignals(True)
        self.setRowCount(len(rows))
        known, given = faint(self), self.palette().text()
        for n, row in enumerate(rows):
            detected = "" if row.axes else row.detected_axes
            axes = row.axes or detected
            texts = (row.path.name, row.short_state, row.count, axes, row.understood)
            tips = {0: str(row.path), STATE: row.state}
            for column, text in enumerate(texts):
                item = self.item(n, column)
                if item is None:
                    item = QTableWidgetItem()
                    self.setItem(n, column, item)
                item.setText(text)
                item.setToolTip(tips.get(column, text))
                flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
                if column == AXES:
                    item.setData(DETECTED, detected)
                    item.setForeground(known if detected else given)
                if column == OBJECTS:
                    item.setTextAlignment(ALIGNED)
                if column == AXES and editable:
                    flags |= Qt.ItemFlag.ItemIsEditable
                item.setFlags(flags)
        self.blockSignals(False)

    def describe(self) -> str:
        """Return name, state and content of the only selected image in full; else empty."""
        chosen = self.selected()
        if len(chosen) != 1:
            return ""
        name, content = (self.item(chosen[0], n).text() for n in (0, CONTENT))
        state = self.item(chosen[0], STATE).toolTip()
        return "\n".join(filter(None, (f"{name}: {content}", state)))

    def paintEvent(self, event: Any) -> None:
        """Draw the table, or what to do first."""
        super().paintEvent(event)
        viewport = self.viewport()
        if not self.rowCount() and viewport is not None:
            painter = QPainter(viewport)
            painter.drawText(viewport.rect(), Qt.AlignmentFlag.AlignCenter, EMPTY)
            painter.end()

    def selected(self) -> list[int]:
        """Return the rows of the selected images."""
        return sorted({index.row() for index in self.selectedIndexes()})

    def select_first(self, numbers: Sequence[int]) -> None:
        """Select the first of some rows, unless a row is selected."""
        if numbers and not self.selected():
            self.selectRow(numbers[0])

    def _on_cell(self, row: int, column: int) -> None:
        item = self.item(row, column)
        if column == AXES and item is not None:
            # Axes of the file that are left as they are stay those of the file.
            same = item.text() == item.data(DETECTED)
            self.axes_changed.emit(row, "" if same else item.text())

    def dragEnterEvent(self, event: Any) -> None:
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: Any) -> None:
        """Accept them at any position."""
        self.dragEnterEvent(event)

    def dropEvent(self, event: Any) -> None:
        """Emit the paths that were dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)
