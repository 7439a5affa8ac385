"""Table with the verdict on every object, with verdicts as legend and as filters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QGridLayout, QTableView, QVBoxLayout
from qtpy.QtWidgets import QWidget as Widget

from napari_segany.evaluation.comparison import ObjectComparison
from napari_segany.evaluation.instance_metrics import ERROR_KINDS
from napari_segany.plugin.evaluate.errors_layer import COLOURS
from napari_segany.plugin.shared.controls import tick_box

COLUMNS = ("Verdict", "Truth", "Prediction", "Plane", "IoU", "Area")
TIPS = (
    "Verdict on the object",
    "Label of the true object",
    "Label of the predicted object that fits it best, or of one that belongs to no true one",
    "The plane that it lies in",
    "Intersection over union of the two, or with what fits best",
    "Pixels of the true object, else of the predicted one; voxels of objects through planes",
)
WIDTHS = (76, 36, 61, 40, 34, 36)
"""Least widths of the columns in pixels; the last one gets the rest."""

PLANE, AREA = COLUMNS.index("Plane"), COLUMNS.index("Area")
SWATCH = 12
LEGEND = 2
"""Boxes of the legend side by side."""

NOTHING = np.zeros(0, np.intp)


class ObjectTableModel(QAbstractTableModel):
    """Model of the table; rows are sorted and filtered as arrays, and made when they are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.result: ObjectComparison | None = None
        self.kinds = set(ERROR_KINDS)
        self.rows: NDArray[np.intp] = NOTHING
        self._column, self._descending = -1, False
        self._icons: dict[str, Any] = {}

    def show_result(self, result: ObjectComparison | None) -> None:
        """Show another result with the current filter and order."""
        self.result = result
        self._arrange()

    def show_kinds(self, kinds: set[str]) -> None:
        """Show only objects with these verdicts."""
        self.kinds = set(kinds)
        self._arrange()

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 restores the order of planes and labels."""
        self._column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()
        self.rows = NOTHING
        if self.result is not None:
            shown = [n for n, kind in enumerate(ERROR_KINDS) if kind in self.kinds]
            rows = np.flatnonzero(np.isin(self.result.objects.kind, shown))
            if self._column >= 0:
                key = self._key(self.result)[rows]
                rows = rows[np.argsort(-key if self._descending else key, kind="stable")]
            self.rows = rows
        self.endResetModel()

    def _key(self, found: ObjectComparison) -> NDArray[Any]:
        table = found.objects
        keys: tuple[NDArray[Any], ...] = (
            *(table.kind.astype(np.intp), table.truth, table.prediction),
            *(table.part, table.iou, table.area),
        )
        return keys[self._column]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects."""
        return len(self.rows)

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
        """Return the text, icon, tooltip or alignment of a cell."""
        if self.result is None:
            return None
        row, column = int(self.rows[index.row()]), index.column()
        kind = list(ERROR_KINDS)[self.result.objects.kind[row]]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(self.result, row, kind, column)
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            return self._icons.setdefault(kind, swatch(kind))
        if role == Qt.ItemDataRole.ToolTipRole and column == 0:
            return ERROR_KINDS[kind]
        if role == Qt.ItemDataRole.TextAlignmentRole and column > 0:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    @staticmethod
    def _text(found: ObjectComparison, row: int, kind: str, column: int) -> str:
        table = found.objects
        other = (table.label if kind == "false" else table.partner)[row]
        texts = (
            lambda: kind,
            lambda: "" if kind == "false" else str(table.label[row]),
            lambda: str(other) if other else "",
            lambda: found.plane_text(int(table.part[row])),
            lambda: f"{table.iou[row]:.2f}",
            lambda: str(table.area[row]),
        )
        return texts[column]()


def swatch(kind: str) -> Any:
    """Return a square icon in the colour of a verdict."""
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(QColor(COLOURS[kind]))
    return QIcon(pixmap)


class _Table(QTableView):
    """Table that leaves out the area where it has no room, and never scrolls sideways."""

    def resizeEvent(self, event: Any) -> None:
        """Hide or show the area."""
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """Hide or show the area."""
        others = sum(
            width for n, width in enumerate(WIDTHS) if n != AREA and not self.isColumnHidden(n)
        )
        self.setColumnHidden(AREA, self.viewport().width() < others + WIDTHS[AREA])


class ObjectTable(Widget):
    """Table of objects, below a legend whose boxes filter it.

    Attributes
    ----------
    chosen : Signal
        Emitted with an object's position in the result when its row is chosen.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        legend = QGridLayout()
        self.boxes: dict[str, Any] = {}
        for n, (kind, meaning) in enumerate(ERROR_KINDS.items()):
            box = self.boxes[kind] = tick_box(kind)
            box.setIcon(swatch(kind))
            box.setToolTip(f"{meaning.capitalize()}. Untick to leave these out of the table")
            box.setChecked(True)
            box.toggled.connect(lambda _: self._on_filter())
            legend.addWidget(box, n // LEGEND, n % LEGEND)
        column.addLayout(legend)
        self.model = ObjectTableModel()
        self.table = _Table()
        self.table.setModel(self.model)
        self.table.setToolTip("Choose a row to look at the object; click a heading to sort")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(True)
        # In the order of planes and labels until a heading is clicked.
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.setSortingEnabled(True)
        header.setMinimumSectionSize(20)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for section, width in enumerate(WIDTHS):
            self.table.setColumnWidth(section, width)
        self.table.setMinimumHeight(180)
        self.table.selectionModel().currentRowChanged.connect(lambda now, _: self._on_row(now))
        self.table.clicked.connect(self._on_row)
        column.addWidget(self.table, 1)

    def show_result(self, result: ObjectComparison | None) -> None:
        """Show another result, or none."""
        self.model.show_result(result)
        self.table.setColumnHidden(PLANE, result is None or len(result.scores) < 2)
        self.table.fit()
        for kind, box in self.boxes.items():
            box.setText(kind if result is None else f"{kind}  {result.counts[kind]}")

    def show_kinds(self, *kinds: str) -> None:
        """Show only objects with these verdicts, all if none is named."""
        for kind, box in self.boxes.items():
            box.blockSignals(True)
            box.setChecked(not kinds or kind in kinds)
            box.blockSignals(False)
        self._on_filter()

    def _on_filter(self) -> None:
        self.model.show_kinds({kind for kind, box in self.boxes.items() if box.isChecked()})

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid() and index.row() < len(self.model.rows):
            self.chosen.emit(int(self.model.rows[index.row()]))
