"""Mouse and keyboard of a person in a real napari window, for ``docs/jobs.py``.

Every press goes through Qt to the widget or the canvas under the pointer, and is counted. A button
that is hidden, disabled or scrolled out of view cannot be pressed.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QScrollArea,
    QSlider,
    QWidget,
)

LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier
OURS = "napari_segany"
EVERY = 0.004
"""Seconds between two looks at what the GUI thread does."""


class TurnWatch:
    """Longest turn of the event loop, and longest part of one turn that our code took.

    A thread looks at the stack of the GUI thread; time that napari spends in painting or in its own
    callbacks is no part of ``ours``, time that it spends because our code called it is.
    """

    def __init__(self) -> None:
        self.longest = self.ours = 0.0
        self.cause = ""
        self._turn, self._last, self._began = 0, time.perf_counter(), (-1, 0.0)
        self._seen: Counter[str] = Counter()
        self._gui = threading.get_ident()
        self._timer = QTimer()
        self._timer.timeout.connect(self._on_turn)
        self._timer.start(0)
        self._ended = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def begin(self) -> None:
        """Forget what was measured."""
        self.longest = self.ours = 0.0
        self.cause, self._last = "", time.perf_counter()

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._timer.stop()

    def _on_turn(self) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now
        self._turn += 1

    def _look(self) -> None:
        while not self._ended.wait(EVERY):
            turn, now = self._turn, time.perf_counter()
            frame = sys._current_frames().get(self._gui)
            names = []
            while frame is not None:
                if f"{OURS}/" in frame.f_code.co_filename:
                    names.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
                frame = frame.f_back
            if not names:
                self._began = -1, 0.0
                continue
            if self._began[0] != turn:
                self._began = turn, now
                self._seen.clear()
            self._seen[names[0]] += 1
            if now - self._began[1] > self.ours:
                self.ours = now - self._began[1]
                self.cause = self._seen.most_common(1)[0][0]


@dataclass(frozen=True)
class Step:
    """A step of a job.

    Attributes
    ----------
    name : str
        Name, also of its picture.
    clicks, keys : int
        Presses of the mouse, and of the keyboard.
    seconds : float
        Time until the window was still, the person's own not counted.
    longest, ours : float
        Longest turn of the event loop, and longest part of one that our code took, in seconds.
    cause : str
        The innermost function of ours in most looks at that part.
    """

    name: str
    clicks: int
    keys: int
    seconds: float
    longest: float
    ours: float
    cause: str


class WindowDriver:
    """A person in front of a new window.

    Parameters
    ----------
    size : tuple of int
        Width and height of the window.
    folder : Path
        Folder of the pictures.
    job : str
        Name of the job, with which names of pictures begin.
    """

    def __init__(self, size: tuple[int, int], folder: Path, job: str) -> None:
        self.folder, self.job, self.size = folder, job, size
        self.viewer = napari.Viewer(show=False)
        self.window: Any = self.viewer.window._qt_window
        self.window.resize(*size)
        self.viewer.window.show()
        self.window.resize(*size)
        self.steps: list[Step] = []
        self._clicks = self._keys = 0
        self._watch = TurnWatch()
        self._began = time.perf_counter()
        self.wait(0.5)

    # Time -------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Let the window work."""
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() > end)

    def until(self, condition: Callable[[], Any], seconds: float = 300) -> None:
        """Let the window work until something is so."""
        end = time.perf_counter() + seconds
        while not condition():
            if time.perf_counter() > end:
                raise TimeoutError(f"{self.job}: waited {seconds} s after {self.steps[-1:]}")
            QApplication.processEvents()
            time.sleep(0.001)

    def until_idle(self, dock: Any) -> None:
        """Let the window work until a dock has nothing more to do."""
        self.wait(0.3)
        self.until(lambda: not dock.jobs.busy)
        self.wait(0.4)

    def step(self, name: str) -> None:
        """End a step with a picture of the window; what follows belongs to the next one."""
        seconds = time.perf_counter() - self._began
        watch = self._watch
        measured = seconds, watch.longest, watch.ours, watch.cause
        self.steps.append(Step(name, self._clicks, self._keys, *measured))
        self.wait(0.5)
        width, height = self.size
        shot = self.folder / f"{self.job}_{len(self.steps)}_{name}_{width}x{height}.png"
        self.window.grab().save(str(shot))
        self._clicks = self._keys = 0
        watch.begin()
        self._began = time.perf_counter()

    def close(self) -> None:
        """Close the window."""
        self._watch.end()
        self.viewer.close()
        QApplication.processEvents()

    # Presses ----------------------------------------------------------------------------------

    def open_dock(self, name: str) -> Any:
        """Open a dock by the menu Plugins > Segment Anything: three clicks."""
        self._clicks += 3
        _, widget = self.viewer.window.add_plugin_dock_widget("napari-segany", name, tabify=True)
        if hasattr(widget, "asks_on_close"):
            widget.asks_on_close = False
        self.wait(0.5)
        return widget

    def show_dock(self, widget: Any) -> None:
        """Bring a dock to the front by its tab: one click."""
        self._clicks += 1
        dock = widget.parent()
        dock.show()
        dock.raise_()
        self.wait(0.3)

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Click on a control, which is scrolled into view."""
        self._reveal(widget)
        if not widget.isEnabled():
            raise RuntimeError(f"{self.job}: {describe(widget)} is disabled")
        self._clicks += 1
        if at is None:
            at = widget.rect().center()
            if isinstance(widget, QCheckBox):
                # Beyond its text a box does not answer.
                at.setX(8)
        QTest.mouseClick(widget, LEFT, PLAIN, at)
        self.wait(0.05)

    def press(self, dock: QWidget, text: str) -> None:
        """Press the button of a dock that has, or begins with, a text."""
        self.click(self.find_button(dock, text))

    def find_button(self, dock: QWidget, text: str) -> Any:
        """Return the visible button of a dock with a text; marks of folds are ignored."""
        found = [b for b in dock.findChildren(QAbstractButton) if b.isVisibleTo(dock)]
        for same in (str.__eq__, str.startswith):
            for each in found:
                if same(each.text().lstrip("\u25b8\u25be ").replace("&&", "&"), text):
                    return each
        raise RuntimeError(f"{self.job}: no button {text!r} among {[b.text() for b in found]}")

    def choose(self, combo: QComboBox, text: str) -> None:
        """Choose an entry of a combo box by its text: two clicks."""
        self.click(combo)
        self.wait(0.1)
        view: Any = combo.view()
        at = combo.findText(text, Qt.MatchFlag.MatchStartsWith)
        if at < 0:
            raise RuntimeError(f"{self.job}: no entry {text!r} in {describe(combo)}")
        place = view.visualRect(combo.model().index(at, combo.modelColumn())).center()
        self._clicks += 1
        # A popup ignores releases that come at once after it was opened.
        self.wait(QApplication.doubleClickInterval() / 1000)
        QTest.mouseClick(view.viewport(), LEFT, PLAIN, place)
        self.wait(0.1)
        if combo.currentIndex() != at:
            raise RuntimeError(f"{self.job}: {text!r} was not chosen")

    def key(self, key: str, modifiers: Any = PLAIN) -> None:
        """Press a key while the canvas has the focus."""
        self._keys += 1
        QTest.keyClick(self.canvas, key, modifiers)
        self.wait(0.05)

    def type(self, line: QWidget, text: str) -> None:
        """Click into a line, and replace its text."""
        self.click(line)
        QTest.keyClick(line, "a", Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)
        self._keys += len(text) + 2
        self.wait(0.1)

    def drag_slider(self, slider: Any, share: float) -> None:
        """Drag the handle of a slider to a share of its length: one press."""
        inside: Any = slider.findChild(QSlider) or slider
        self._reveal(inside)
        low, high, value = inside.minimum(), inside.maximum(), inside.value()
        value = value if not isinstance(value, tuple) else value[0]
        left, right = 8, inside.width() - 8
        scaled = (value - low) / max(high - low, 1e-9)
        y = inside.height() // 2
        start = QPoint(round(left + scaled * (right - left)), y)
        end = QPoint(round(left + share * (right - left)), y)
        self._drag(inside, start, end)

    # The canvas -------------------------------------------------------------------------------

    @property
    def canvas(self) -> Any:
        """The widget that napari draws in."""
        return self.viewer.window._qt_viewer.canvas.native

    def at(self, layer: Any, row: float, col: float) -> QPoint:
        """Return the place on the canvas of a pixel of a layer in the plane in view."""
        position = list(self.viewer.dims.point)
        data = list(layer.world_to_data(position))
        shown = self.viewer.dims.displayed[-2:]
        offset = self.viewer.dims.ndim - layer.ndim
        data[shown[0] - offset], data[shown[1] - offset] = row, col
        world = layer.data_to_world(data)
        y, x = (world[axis - offset] for axis in shown)
        transform = self.viewer.window._qt_viewer.canvas.view.scene.transform
        where = np.asarray(transform.map([x, y, 0, 1]))
        across, down = where[:2] / where[3]
        return QPoint(int(across), int(down))

    def click_image(self, layer: Any, row: float, col: float, modifiers: Any = PLAIN) -> None:
        """Click on a pixel of a layer."""
        self._clicks += 1
        place = self.at(layer, row, col)
        QTest.mouseMove(self.canvas, place)
        QTest.mouseClick(self.canvas, LEFT, modifiers, place)
        self.wait(0.05)

    def drag_image(self, layer: Any, *places: tuple[float, float]) -> None:
        """Drag from the first pixel over the others: one press."""
        start, *rest = (self.at(layer, *place) for place in places)
        self._drag(self.canvas, start, *rest)

    def _drag(self, widget: Any, start: QPoint, *rest: QPoint) -> None:
        self._clicks += 1
        QTest.mouseMove(widget, start)
        self.wait(0.05)
        QTest.mousePress(widget, LEFT, PLAIN, start)
        before = start
        for place in rest:
            for part in (0.5, 1.0):
                at = QPointF(before) + part * QPointF(place - before)
                everywhere = QPointF(widget.mapToGlobal(at.toPoint()))
                # Qt's test module moves the mouse without saying that a button is down.
                move = QMouseEvent(
                    QEvent.Type.MouseMove, at, everywhere, Qt.MouseButton.NoButton, LEFT, PLAIN
                )
                QApplication.sendEvent(widget, move)
                self.wait(0.02)
            before = place
        QTest.mouseRelease(widget, LEFT, PLAIN, rest[-1])
        self.wait(0.05)

    # Dialogs and looks --------------------------------------------------------------------------

    @contextmanager
    def answering(self, path: Path) -> Iterator[None]:
        """Answer file dialogs with a path: typing it is one click and one key."""
        names = ("getOpenFileName", "getSaveFileName", "getOpenFileNames", "getExistingDirectory")
        before = {name: getattr(QFileDialog, name) for name in names}

        def answer(name: str) -> Any:
            self._clicks += 1
            self._keys += 1
            one = str(path)
            if name == "getExistingDirectory":
                return one
            return ([one] if name == "getOpenFileNames" else one), ""

        for name in names:
            setattr(QFileDialog, name, staticmethod(lambda *_, name=name, **__: answer(name)))
        try:
            yield
        finally:
            for name, method in before.items():
                setattr(QFileDialog, name, method)

    def _reveal(self, widget: QWidget) -> None:
        parent = widget.parentWidget()
        while parent is not None:
            if isinstance(parent, QScrollArea):
                parent.ensureWidgetVisible(widget)
            parent = parent.parentWidget()
        self.wait(0.05)
        if widget.visibleRegion().isEmpty():
            raise RuntimeError(f"{self.job}: {describe(widget)} is not visible")


def describe(widget: QWidget) -> str:
    """Return a control's kind and text."""
    if isinstance(widget, QAbstractButton | QLabel):
        return f"{type(widget).__name__} {widget.text()!r}"
    if isinstance(widget, QComboBox):
        return f"{type(widget).__name__} at {widget.currentText()!r}"
    if isinstance(widget, QAbstractSlider):
        return f"{type(widget).__name__} at {widget.value()}"
    return type(widget).__name__
