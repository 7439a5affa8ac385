"""Sample data in a real window."""

from typing import Any

import numpy as np
import pytest
from tests.plugin.windows import needs_a_display

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


@pytest.mark.parametrize("key", ["coins", "tissue", "cells"])
def test_sample_data_opens(viewer: Any, key: str) -> None:
    (layer,) = viewer.open_sample("napari-segany", key)
    assert np.ptp(layer.data) > 0
