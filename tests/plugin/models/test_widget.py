"""The Models widget without a window around it."""

from pathlib import Path
from typing import Any

import pytest
from tests.plugin.windows import until

from napari_segany.plugin.models.widget import ModelsWidget

pytestmark = pytest.mark.gui


def test_a_model_that_is_not_here_is_not_verified(cache: Path, qtbot: Any) -> None:
    widget = ModelsWidget()
    qtbot.addWidget(widget)
    assert [widget.table.item(0, column).text() for column in range(2)] == [
        "mobile_sam",
        "not fetched",
    ]
    assert widget.refresh() == []
    widget.table.selectRow(0)
    widget.verify()
    until(qtbot, lambda: not widget.jobs.busy)
    assert "mobile_sam is not in the cache" in widget.message.text()
    widget.close()
