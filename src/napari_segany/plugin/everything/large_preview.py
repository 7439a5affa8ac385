"""Preview of the objects of large planes, chosen and painted in the background; needs no Qt."""

from collections.abc import Callable, Sequence
from typing import Any

from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.core.level_paint import LevelPainter, StackedLabels, WindowLabels
from napari_segany.core.masks import MaskSet
from napari_segany.generators.tile_params import AUTO_TILES
from napari_segany.plugin.everything import result_layers
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.plane_choice import PlaneChoice, choose_objects
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.label_levels import LabelLevels, PaintedBlocks

Shown = Callable[[PlaneChoice], object]
"""Called in the GUI thread with the objects that are shown."""


def is_large(view: LayerView, plane: Plane) -> bool:
    """Return True if a plane is too large to be painted as a whole at every move of a slider."""
    return AUTO_TILES.applies_to(plane_shape(view.shape, plane))


class LargePreview:
    """Labels layer of the objects of large planes, of which only what the canvas shows is painted.

    One choice is made at a time; of those that are asked for meanwhile, the last one follows.

    Parameters
    ----------
    jobs : JobQueue
        Queue beside which it works.
    view : LayerView
        The image.
    plane : tuple
        A plane, which is parallel to all others that are shown.

    Attributes
    ----------
    layer : napari.layers.Labels
        The multiscale layer.
    choice : PlaneChoice or None
        What is shown.
    """

    def __init__(self, jobs: JobQueue, view: LayerView, plane: Plane) -> None:
        self._jobs = jobs
        rows, cols = (axis for axis, n in enumerate(plane) if n is None)
        self.axes = rows, cols
        self._levels = LabelLevels(view.shape, (rows, cols), self._on_missing)
        self.layer = result_layers.preview_layer(view, self._levels.levels)
        self.choice: PlaneChoice | None = None
        # Labels of a search that is not finished, one for each tile.
        self._live: list[LevelPainter] = []
        self._wanted: Callable[[], None] | None = None
        self._choosing = self._painting = False

    def fits(self, plane: Plane) -> bool:
        """Return True if a plane is parallel to those that the layer shows."""
        return self.axes == tuple(axis for axis, n in enumerate(plane) if n is None)

    # Objects that were found ----------------------------------------------------------------

    def choose(
        self,
        found: FoundMasks,
        plane: Plane,
        shown: Shown,
        failed: Callable[[Exception], object],
    ) -> None:
        """Show the objects of a plane as soon as they are chosen and painted.

        Parameters
        ----------
        found : FoundMasks
            Masks, filters and decisions; later changes do not count.
        plane : tuple
            The plane.
        shown, failed : callable
            Called in the GUI thread. Neither is called if another choice follows.
        """
        one = found.snapshot()

        def begin() -> None:
            before, blocks = self.choice, self._levels.in_view
            known = self._levels.painted

            def work(_: Any) -> tuple[PlaneChoice, PaintedBlocks]:
                choice = choose_objects(one, plane)
                # Of objects of unfinished searches, no block is kept.
                same = before is not None and known is not None and known.labels is before.labels
                changed = choice.changed_since(before) if same else None
                return choice, self._levels.paint(choice.labels, blocks, known, changed)

            def done(made: tuple[PlaneChoice, PaintedBlocks]) -> None:
                self._choosing = False
                if self._wanted is None:
                    self.choice, painted = made
                    self._live = []
                    self._show(plane, painted)
                    shown(self.choice)
                self._next()

            def stop(error: Exception) -> None:
                self._choosing = False
                if self._wanted is None:
                    failed(error)
                self._next()

            self._choosing = True
            self._jobs.run_beside(work, done, stop)

        self._wanted = begin
        if not self._choosing:
            self._next()

    def _next(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            wanted()

    def clear(self) -> None:
        """Show nothing."""
        self.choice, self._live, self._wanted = None, [], None
        if self._levels.painted is not None:
            self._show(None, None)

    # Objects of tiles that are done ---------------------------------------------------------

    def add_tiles(self, plane: Plane, tiles: Sequence[MaskSet]) -> None:
        """Show the objects of more tiles of a plane whose search goes on."""
        last = sum(len(each.ids) for each in self._live)
        for masks in tiles:
            self._live.append(LevelPainter(masks, range(last + 1, last + len(masks) + 1)))
            last += len(masks)
        self.choice = None
        labels: WindowLabels = StackedLabels(self._live)
        blocks = self._levels.in_view

        def done(painted: PaintedBlocks) -> None:
            # The search may have ended in the meantime.
            if self._live and self.choice is None:
                self._show(plane, painted)

        self._jobs.run_beside(lambda _: self._levels.paint(labels, blocks), done, _fail)

    # Blocks ---------------------------------------------------------------------------------

    def _show(self, plane: Plane | None, painted: PaintedBlocks | None) -> None:
        self._levels.show(plane, painted)
        self.layer.refresh(extent=False, thumbnail=False)

    def _on_missing(self) -> None:
        if not self._painting:
            self._jobs.call_later("labels painted", self._paint_missing)

    def _paint_missing(self) -> None:
        painted, blocks = self._levels.painted, tuple(self._levels.missing)
        if self._painting or painted is None or not blocks:
            return
        labels = painted.labels
        self._painting = True

        def done(more: PaintedBlocks) -> None:
            self._painting = False
            if self._levels.add(more):
                self.layer.refresh(extent=False, thumbnail=False)
            elif self._levels.missing:
                self._on_missing()

        self._jobs.run_beside(lambda _: self._levels.paint(labels, blocks), done, _fail)


def _fail(error: Exception) -> None:
    """Raise an error in the GUI thread, where the queue reports it."""
    raise error
