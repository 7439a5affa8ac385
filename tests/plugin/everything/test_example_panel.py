"""Line about examples, and what it advises."""

from types import SimpleNamespace
from typing import Any

import pytest

from napari_segany.plugin.everything.example_panel import BY_LIKENESS, NOTHING, ExamplePanel

pytestmark = pytest.mark.gui


def test_another_order_is_advised_only_where_it_would_change_something(qtbot: Any) -> None:
    panel = ExamplePanel()
    qtbot.addWidget(panel)
    assert panel.line.text() == NOTHING
    examples: Any = SimpleNamespace(summary="2 examples")
    panel.show_examples(examples)
    assert panel.line.text().startswith("2 examples. ")
    assert BY_LIKENESS in panel.line.text()
    panel.show_examples(examples, by_likeness=True)
    assert "Rank by" not in panel.line.text()
    assert "press Not this one." in panel.line.text()
    assert panel.buttons["Not this one"].isEnabled()
    panel.show_examples(None)
    assert panel.line.text() == NOTHING
    assert not panel.buttons["Not this one"].isEnabled()
