"""Settings of the plugin in napari's Preferences."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_state_path


@dataclass(frozen=True)
class PluginSettings:
    """Settings with their defaults; see ``configurations`` in ``napari.yaml``."""

    model: str = "auto"
    device: str = "auto"
    precision: Literal["auto", "exact", "bfloat16"] = "auto"
    cache_folder: str = ""
    embeddings_gb: float = 1.0


def read_settings() -> PluginSettings:
    """Return the settings, or defaults if this version of napari has no plugin settings."""
    try:
        from napari.settings import get_plugin_settings

        found: Any = get_plugin_settings("napari-segany")
        return PluginSettings(
            model=str(found.models.model),
            device=str(found.models.device),
            precision=found.models.precision,
            cache_folder=str(found.models.cache_folder),
            embeddings_gb=float(found.memory.embeddings_gb),
        )
    except (ImportError, AttributeError, KeyError):
        return PluginSettings()


def journals_folder() -> Path:
    """Return the folder of the session journals."""
    return user_state_path("napari-segany", appauthor=False) / "sessions"
