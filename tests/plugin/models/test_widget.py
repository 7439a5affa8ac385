"""The Models widget without a window around it."""

from pathlib import Path
from typing import Any

import pytest
from tests.plugin.windows import until
from torch import Tensor

from napari_segany.errors import WeightsError
from napari_segany.plugin.models.widget import ModelsWidget
from napari_segany.weights.safetensors_file import to_safetensors

pytestmark = pytest.mark.gui


def test_a_model_that_is_not_here_is_not_verified(cache: Path, qtbot: Any) -> None:
    widget = ModelsWidget()
    qtbot.addWidget(widget)
    assert [widget.table.item(0, column).text() for column in range(2)] == [
        "mobile_sam",
        "to fetch",
    ]
    assert widget.refresh() == []
    widget.table.selectRow(0)
    widget.verify()
    until(qtbot, lambda: not widget.jobs.busy)
    assert "mobile_sam is not in the cache" in widget.message.text()
    until(qtbot, lambda: not widget.stop_button.isEnabled())
    assert widget.fetch_button.isEnabled()
    widget.close()


def test_a_model_by_hand_says_where_it_is_and_is_imported_under_its_name(
    cache: Path, qtbot: Any, tmp_path: Path, vit_t_state: dict[str, Tensor]
) -> None:
    widget = ModelsWidget()
    qtbot.addWidget(widget)
    names = [widget.table.item(i, 0).text() for i in range(widget.table.rowCount())]
    at = names.index("sam3")
    assert [widget.table.item(at, k).text() for k in (1, 3)] == ["by hand", "SAM License"]
    widget.table.selectRow(at)
    assert "gated" in widget.about.text()
    assert "huggingface.co/facebook/sam3" in widget.about.text()
    with pytest.raises(WeightsError, match="sam3 is not fetched"):
        widget.verify()
    widget.fetch()
    until(qtbot, lambda: not widget.jobs.busy)
    assert "sam3 is not fetched" in widget.message.text()
    file = tmp_path / "model.safetensors"
    file.write_bytes(to_safetensors(vit_t_state))
    widget.import_file(file)
    until(qtbot, lambda: not widget.jobs.busy)
    assert "is not sam3: its weights are those of the network vit_t" in widget.message.text()
    assert widget.table.item(at, 1).text() == "by hand"
    # The same file is welcome under a name of its own.
    widget.table.clearSelection()
    widget.import_file(file)
    until(qtbot, lambda: not widget.jobs.busy)
    assert "model can be used now" in widget.message.text()
    widget.close()
