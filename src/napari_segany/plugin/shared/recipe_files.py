"""Saving of recipes from a dock."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_segany.io.atomic import writing
from napari_segany.recipe import Recipe


def choose_target(parent: Any, path: str | Path | None) -> Path | None:
    """Return a path for a recipe; without one ask in a dialog, and return None if cancelled."""
    if path is None:
        path, _ = QFileDialog.getSaveFileName(parent, "Save", "recipe.json", "Recipes (*.json)")
    return Path(path) if path else None


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe; an existing file is replaced only by a complete one."""
    with writing(path) as temporary:
        temporary.write_text(recipe.to_json(), encoding="utf-8")
