"""Prompt layers that come into the viewer one a turn of the event loop."""

from collections.abc import Iterator
from contextlib import contextmanager

from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.prompt.layer_sync import LayerSync
from napari_segany.plugin.prompt.layers import PromptLayers


class GradualLayers:
    """Adds the layers of an image one a turn where a person chose it, all at once for a script.

    napari takes a tenth of a second for a layer. What needs all layers adds the rest at once, and
    so does a further image, whose layers take the place of others.

    Parameters
    ----------
    sync : LayerSync
        Owner of the layers.
    jobs : JobQueue
        Queue that gives the turns.
    """

    def __init__(self, sync: LayerSync, jobs: JobQueue) -> None:
        self._sync, self._jobs = sync, jobs
        self._is_active = self._is_adding = False
        self._is_first = True
        sync.add_layers = self._begin

    @contextmanager
    def active(self) -> Iterator[None]:
        """Return a context in which the layers of an image that is opened are added gradually."""
        self._is_active = True
        try:
            yield
        finally:
            self._is_active = False

    def all_added(self) -> PromptLayers | None:
        """Return the layers, after those were added that are left; None without an image."""
        if self._is_adding and self._sync.prompts is not None:
            self._sync.ensure_layers()
        self._is_adding = False
        return self._sync.prompts

    def until_added(self) -> Iterator[None]:
        """Yield while layers are left to add, for work in turns that needs all of them."""
        while self._is_adding and self._sync.prompts is not None:
            yield

    def _begin(self) -> None:
        # Software OpenGL crashes if napari draws between the removal of an image's layers and the
        # addition of another's.
        self._is_adding = self._is_active and self._is_first
        self._is_first = False
        if self._is_adding:
            self._jobs.call_later("prompt layers", self._add_next)
        else:
            self._sync.ensure_layers()

    def _add_next(self) -> None:
        prompts = self._sync.prompts
        if self._is_adding and prompts is not None and not prompts.complete:
            self._sync.ensure_layers(at_most=1)
            self._is_adding = not prompts.complete
            if self._is_adding:
                self._jobs.call_later("prompt layers", self._let_draw)

    def _let_draw(self) -> None:
        """Leave a turn to the drawing of the last layer, which takes as long as the next layer."""
        self._jobs.call_later("prompt layers", self._add_next)
