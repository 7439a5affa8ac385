"""Tests of sections that fold away."""

from typing import Any

import pytest
from qtpy.QtWidgets import QLabel

from napari_segany.plugin.shared.fold import COLLAPSED, EXPANDED, Fold, SetupFold


@pytest.fixture
def setup(qtbot: Any) -> SetupFold:
    fold = SetupFold("Choose an image", QLabel("controls"))
    qtbot.addWidget(fold)
    return fold


def test_the_title_has_a_mark_that_follows_the_section(qtbot: Any) -> None:
    fold = Fold("Cells & nuclei", QLabel("inside"))
    qtbot.addWidget(fold)
    assert fold.text() == f"{COLLAPSED}  Cells && nuclei"
    fold.expand(animate=False)
    assert fold.text() == f"{EXPANDED}  Cells && nuclei"


def test_setup_folds_to_a_line_when_it_is_made_and_opens_when_something_is_missing(
    setup: SetupFold,
) -> None:
    assert setup.isExpanded()
    setup.show_summary("cells, minisam on CPU")
    assert not setup.isExpanded()
    assert "cells, minisam on CPU" in setup.text()
    setup.show_summary("")
    assert setup.isExpanded()
    assert "Choose an image" in setup.text()


def test_a_section_that_was_opened_by_hand_is_left_open(setup: SetupFold) -> None:
    setup.show_summary("cells, minisam on CPU")
    setup.toggleButton().click()
    assert setup.isExpanded()
    setup.show_summary("nuclei, minisam on CPU")
    assert setup.isExpanded()
    setup.show_summary("")
    setup.show_summary("nuclei, minisam on CPU")
    assert setup.isExpanded()
