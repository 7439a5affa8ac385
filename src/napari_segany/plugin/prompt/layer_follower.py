"""Keys and the pressed tool of the Prompt dock, as its layers come, go and change their modes."""

from collections.abc import Callable, Mapping
from typing import Any

from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.tools import TOOLS, Tool
from napari_segany.plugin.shared.key_bindings import KeyBindings

NAPARI_UNDO = {"Control-Z": "U", "Control-Shift-Z": "Shift-U"}
"""Keys of napari's undo and redo in labels, with those of the session's."""


class LayerFollower:
    """Binds the keys on the layers of a session, and tells which tool is selected.

    Parameters
    ----------
    controller : PromptController
        Controller of the session.
    show_tool : callable
        Called with the selected tool, or None.
    actions : mapping
        Action for each key, beside those of the tools.
    """

    def __init__(
        self,
        controller: PromptController,
        show_tool: Callable[[Tool | None], object],
        actions: Mapping[str, Callable[[], object]],
    ) -> None:
        self._controller, self._show = controller, show_tool
        own = {tool.key: lambda tool=tool: controller.select_tool(tool) for tool in TOOLS}
        self._keys = KeyBindings({**own, **actions})
        # Strokes in the preview are steps of the session, which napari's own undo knows nothing of.
        undo = {key: actions[own] for key, own in NAPARI_UNDO.items() if own in actions}
        self._undo_keys = KeyBindings(undo, overriding=undo)
        controller.sync.prompts_added.connect(self._on_prompt_layer)
        controller.viewer.layers.selection.events.active.connect(self._show_tool)
        controller.status.connect(self._show_tool)

    def follow(self) -> None:
        """Follow the present layers of the session."""
        of, view = self._controller, self._controller.view
        images = () if view is None else (view.layer, *view.others)
        # Those that are there: to ask for a layer of the controller adds all that are left.
        prompts = of.sync.prompts
        present = [] if prompts is None else prompts.layers
        preview = None if prompts is None or prompts.preview is None else prompts.preview.layer
        self._keys.follow([*present, of.labels, *images])
        self._undo_keys.follow([preview])
        self._show_tool()

    def end(self) -> None:
        """Release the layers and the viewer."""
        self._controller.viewer.layers.selection.events.active.disconnect(self._show_tool)
        self._keys.follow([])
        self._undo_keys.follow([])

    def _on_prompt_layer(self, layer: Any) -> None:
        layer.events.mode.connect(self._show_tool)
        self.follow()

    def _show_tool(self, *_: Any) -> None:
        self._show(self._controller.tool)
