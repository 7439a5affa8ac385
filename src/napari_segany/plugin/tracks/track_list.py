"""Table of tracks: parent, first and last frame, objects, and the most doubtful place."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_segany.linking.tracks.doubts import Doubt
from napari_segany.linking.tracks.track_table import TrackTable

COLUMNS = ("Track", "From", "Doubt", "First", "Last", "Seen", "Gaps")
TIPS = (
    "Id of the track, and its colour",
    "Track that divided into it",
    "Score of its most doubtful place, up to 1",
    "First frame",
    "Last frame",
    "Frames in which it has an object",
    "Frames between the first and the last one in which it has none",
)
WIDTHS = (60, 40, 44, 36, 36, 40, 40)
"""Widths of columns in pixels; the first one gets the rest. The last one is hidden without room."""

SWATCH = 12

Colour = Callable[[int], Any]
"""Returns red, green, blue and opacity of a track, 0 to 1."""


class TrackListModel(QAbstractTableModel):
    """Model of the table; columns are arrays, and rows are made when they are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.colour: Colour = lambda track: (1, 1, 1, 1)
        self._columns: list[NDArray[Any]] = [np.zeros(0)] * len(COLUMNS)
        self._reasons: dict[int, Doubt] = {}
        self._table: TrackTable | None = None
        self._order = (-1, False)

    @property
    def tracks(self) -> NDArray[np.int64]:
        """Tracks in the order of the rows."""
        return self._columns[0]

    def show_table(self, table: TrackTable | None) -> None:
        """Show the tracks of a table, or none."""
        self._table = table
        self._arrange()

    def show_doubts(self, doubts: Sequence[Doubt]) -> None:
        """Show the most doubtful place of each track."""
        self._reasons = {}
        for each in doubts:
            self._reasons.setdefault(each.track, each)
        self._arrange()

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 restores the order of ids."""
        self._order = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()
        columns: list[NDArray[Any]] = [np.zeros(0)] * len(COLUMNS)
        if self._table is not None:
            table = self._table
            ids, counts = np.unique(table.track, return_counts=True)
            spans = np.array(list(table.spans.values()), np.int64).reshape(-1, 2)
            parents = np.array([table.parents.get(t, 0) for t in ids.tolist()], np.int64)
            gaps = spans[:, 1] - spans[:, 0] + 1 - counts
            scores = [self._reasons[t].score if t in self._reasons else 0 for t in ids.tolist()]
            columns = [ids, parents, np.array(scores), spans[:, 0], spans[:, 1], counts, gaps]
            column, descending = self._order
            if column >= 0:
                key = columns[column]
                order = np.argsort(-key if descending else key, kind="stable")
                columns = [each[order] for each in columns]
        self._columns = columns
        self.endResetModel()

    def row_of(self, track: int) -> int | None:
        """Return the row of a track, None if it is not there."""
        found = np.flatnonzero(self.tracks == track)
        return int(found[0]) if len(found) else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of tracks."""
        return len(self.tracks)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return the name or the tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return the text, colour, tooltip or alignment of a cell."""
        row, column = index.row(), index.column()
        if not 0 <= row < len(self.tracks):
            return None
        track, value = int(self.tracks[row]), self._columns[column][row]
        if role == Qt.ItemDataRole.DisplayRole:
            if COLUMNS[column] == "Doubt":
                return f"{value:.2f}" if value else ""
            return str(value) if value or COLUMNS[column] in ("First", "Last") else ""
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            return self._swatch(track)
        if role == Qt.ItemDataRole.ToolTipRole and track in self._reasons:
            doubt = self._reasons[track]
            return f"Frame {doubt.frame}: {doubt.reason}"
        if role == Qt.ItemDataRole.TextAlignmentRole and column > 0:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _swatch(self, track: int) -> Any:
        pixmap = QPixmap(SWATCH, SWATCH)
        pixmap.fill(QColor.fromRgbF(*(float(n) for n in self.colour(track))))
        return QIcon(pixmap)


class TrackList(QTableView):
    """Table of tracks.

    Attributes
    ----------
    chosen : Signal
        Emitted with a track when its row is chosen.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.tracks = TrackListModel()
        self.setModel(self.tracks)
        self.setToolTip("Choose a row to go to the track; click a heading to sort")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(22)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        # Bold names of the columns of a selected row would be cut.
        header.setHighlightSections(False)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        for section, width in enumerate(WIDTHS):
            self.setColumnWidth(section, width)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(150)
        self.clicked.connect(self._on_clicked)

    def resizeEvent(self, event: Any) -> None:
        """Hide the last column where there is no room for it."""
        super().resizeEvent(event)
        self.setColumnHidden(len(WIDTHS) - 1, self.viewport().width() < sum(WIDTHS))

    def show_track(self, track: int | None) -> None:
        """Mark the row of a track, or none."""
        row = None if track is None else self.tracks.row_of(track)
        if row is None:
            self.clearSelection()
        else:
            self.selectRow(row)

    def _on_clicked(self, index: QModelIndex) -> None:
        if 0 <= index.row() < len(self.tracks.tracks):
            self.chosen.emit(int(self.tracks.tracks[index.row()]))
