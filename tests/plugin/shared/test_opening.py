"""Docks as the menu opens them, and as scripts do."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils._proxies import PublicOnlyProxy
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow

import napari_segany
from napari_segany.plugin.shared import opening
from napari_segany.plugin.shared.opening import LoadingDock, find_dock, open_dock, open_then

PACKAGE = Path(napari_segany.__file__).parent
LARGE = {"torch", "pandas", "skimage", "tifffile", "zarr", "transformers"}
"""Packages that take long to import, and that napari itself does not need for an empty window."""

made: list["Content"] = []


class Content(QLabel):
    """Content of a dock, in the place of a real one."""

    def __init__(self, viewer: Any) -> None:
        super().__init__("content")
        self.viewer, self.updates = viewer, 0
        made.append(self)

    def reset_choices(self, event: Any = None) -> None:
        self.updates += 1


class SmallDock(LoadingDock):
    module, name = __name__, "Content"


class BrokenDock(LoadingDock):
    module, name = "no_module_of_that_name", "BrokenWidget"


@pytest.fixture(autouse=True)
def nothing_is_made() -> Iterator[None]:
    made.clear()
    yield
    made.clear()


@pytest.fixture(autouse=True)
def no_preloading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Leave out what goes on after a dock was opened."""
    begun: list[int] = []
    monkeypatch.setattr(
        "napari_segany.plugin.shared.opening.preloading.begin", lambda: begun.append(1)
    )
    return begun


@pytest.fixture
def panel(qtbot: Any) -> Iterator[QDockWidget]:
    """A panel of a window, as napari puts docks into."""
    window = QMainWindow()
    panel = QDockWidget(window)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, panel)
    qtbot.addWidget(window)
    yield panel
    # Qt would destroy the panel with its window as soon as nothing in Python holds that.
    window.close()


def put(dock: Any, panel: QDockWidget) -> Any:
    panel.setWidget(dock)
    return dock


def test_the_menu_needs_no_large_module_to_open_a_dock() -> None:
    code = (
        "import sys\n"
        "import napari_segany.plugin.shared.opening\n"
        f"print(*set(sys.modules) & {LARGE!r})"
    )
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == ""


def test_every_dock_of_the_menu_is_opened_this_way() -> None:
    contributions = PluginManifest.from_file(PACKAGE / "napari.yaml").contributions
    commands = {each.id: each.python_name for each in contributions.commands or ()}
    docks = [resolve_name(commands[each.command]) for each in contributions.widgets or ()]
    assert len(docks) == 7
    for dock in docks:
        assert issubclass(dock, LoadingDock)
        content = resolve_name(f"{dock.module}:{dock.name}")
        assert ("viewer" in content.__init__.__annotations__) == dock.needs_viewer


def test_a_script_gets_the_content_at_once(viewer: ViewerModel, qtbot: Any) -> None:
    proxy = PublicOnlyProxy(viewer)
    content = SmallDock(proxy)
    qtbot.addWidget(content)
    assert type(content) is Content
    assert content.viewer is proxy


def test_the_menu_gets_a_dock_that_the_content_replaces(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any, no_preloading: list[int]
) -> None:
    dock, turns = put(SmallDock(viewer), panel), []
    dock._jobs.call_later = lambda key, act: turns.append(act)
    assert dock.line.text() == "Loading …"
    assert not made
    qtbot.waitUntil(lambda: bool(turns), timeout=60_000)
    # The content is made in one turn of the event loop, and shown in another one.
    assert panel.widget() is dock
    assert len(made) == 1
    turns[0]()
    assert panel.widget() is made[0]
    assert no_preloading
    viewer.add_layer(Image(np.zeros((3, 4))))
    assert made[0].updates == 1


def test_a_panel_that_was_closed_meanwhile_gets_no_content(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any, no_preloading: list[int]
) -> None:
    dock = put(SmallDock(viewer), panel)
    dock.setParent(None)
    qtbot.waitUntil(lambda: bool(no_preloading), timeout=60_000)
    assert not made


def test_an_import_that_fails_is_told_in_the_dock(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any
) -> None:
    dock = put(BrokenDock(viewer), panel)
    qtbot.waitUntil(lambda: dock.line.text() != "Loading …", timeout=60_000)
    assert dock.line.text() == (
        "BrokenWidget could not be loaded. No module named 'no_module_of_that_name'"
    )
    dock._jobs.shut_down()


def test_who_opens_a_dock_that_is_loading_gets_its_content(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any
) -> None:
    dock = put(SmallDock(viewer), panel)

    class Window:
        @property
        def dock_widgets(self) -> Any:
            return {"Small (Segment Anything)": panel.widget()}

    class Viewer:
        window = Window()

    content = open_dock(Viewer(), "Small")
    assert content is made[0] is panel.widget()
    qtbot.wait(50)
    assert panel.widget() is content
    assert len(made) == 1
    # An open dock is found, too.
    assert open_dock(Viewer(), "Small") is content
    del dock


def test_a_dock_is_found_however_it_was_opened(viewer: ViewerModel, qtbot: Any) -> None:
    content = Content(viewer)
    qtbot.addWidget(content)
    seen: list[Any] = []
    for title in ("Prompt (Segment Anything)", "Prompt (napari-segany)"):
        fake: Any = SimpleNamespace(window=SimpleNamespace(dock_widgets={title: content}))
        # There is no method to open another one.
        assert find_dock(fake, "Prompt") is open_dock(fake, "Prompt") is content
        open_then(fake, "Prompt", seen.append)
    assert seen == [content, content]
    assert find_dock(SimpleNamespace(window=SimpleNamespace(dock_widgets={})), "Prompt") is None
    # A model of a viewer has no window.
    assert find_dock(viewer, "Prompt") is None


def test_a_missing_dock_is_opened_as_the_menu_does(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(opening.DOCKS, "Small", SmallDock)
    titles: list[str] = []

    def add(dock: Any, name: str, tabify: bool) -> None:
        put(dock, panel)
        titles.append(name)

    fake: Any = SimpleNamespace(
        __wrapped__=viewer, window=SimpleNamespace(dock_widgets={}, add_dock_widget=add)
    )
    seen: list[Any] = []
    monkeypatch.setattr(Content, "jobs", SimpleNamespace(call_later=lambda _, act: act()), False)
    open_then(fake, "Small", seen.append)
    # The content is made in later turns of the event loop.
    assert titles == ["Small (Segment Anything)"]
    assert not made
    qtbot.waitUntil(lambda: bool(seen), timeout=60_000)
    assert seen == made == [panel.widget()]


def test_further_docks_of_the_menu_are_tabs_of_the_first(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any
) -> None:
    window: Any = panel.parentWidget()
    other, second, third = (QDockWidget(window) for _ in range(3))
    for each in (other, second, third):
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, each)
    docks = [put(SmallDock(viewer), each) for each in (panel, second)]
    for dock in docks:
        dock._join()
    # A dock of somebody else stays where it is.
    assert window.tabifiedDockWidgets(panel) == [second]
    assert not window.tabifiedDockWidgets(other)
    # The content may come before the window shows the dock.
    docks.append(put(SmallDock(viewer), third))
    docks[2].finish()
    assert set(window.tabifiedDockWidgets(panel)) == {second, third}
    # A person may move a dock, and it stays there.
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, second)
    docks[1].finish()
    assert window.tabifiedDockWidgets(panel) == [third]
    docks[0]._jobs.shut_down()


def test_a_dock_that_was_closed_gets_no_tabs(
    viewer: ViewerModel, panel: QDockWidget, qtbot: Any
) -> None:
    window: Any = panel.parentWidget()
    second = QDockWidget(window)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, second)
    docks = [put(SmallDock(viewer), each) for each in (panel, second)]
    docks[0]._join()
    panel.hide()
    docks[1]._join()
    assert not window.tabifiedDockWidgets(panel)
    for dock in docks:
        dock._jobs.shut_down()
