"""Review of the objects of a plane: the uncertain ones first, with decisions that can be undone."""

from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.found_masks import ReviewedObject
from napari_segany.plugin.layers.transforms import show_plane


class ObjectReview:
    """Review of the masks that a controller shows.

    Labels are values of the preview layer: numbers of candidates + 1.

    Parameters
    ----------
    controller : EverythingController
        Holder of the masks.

    Attributes
    ----------
    present : ReviewedObject or None
        The object that was shown last; None if none was, or none is left.
    left : int
        Objects of its plane that are not accepted.
    """

    def __init__(self, controller: EverythingController) -> None:
        self._controller = controller
        self.present: ReviewedObject | None = None
        self.left = 0

    @property
    def selected(self) -> int | None:
        """Label selected in the preview layer, None if it is not one of those shown."""
        of = self._controller
        if of.layer is None or of.shown is None:
            return None
        label = int(of.layer.selected_label)
        return label if label - 1 in of.shown.candidate else None

    def show_next(self) -> int | None:
        """Show the most uncertain object that is not accepted.

        Returns
        -------
        int or None
            Its label, None if no object is left.
        """
        found, _ = self._controller.opened()
        if self._controller.shown is None:
            return None
        return self._show(*found.object_to_review(self._controller.plane))

    def accept(self, label: int) -> None:
        """Mark an object as accepted."""
        found, _ = self._controller.opened()
        found.accept(self._controller.plane, label - 1)
        self._controller.changed.emit()

    def reject(self, label: int) -> None:
        """Remove an object from the kept ones."""
        found, _ = self._controller.opened()
        found.reject(self._controller.plane, label - 1)
        self._controller.draw_plane()

    def undo(self) -> int | None:
        """Take back the last decision and show its object; return its label, None without one."""
        found, view = self._controller.opened()
        undone = found.undo_decision()
        if undone is None:
            return None
        plane, candidate = undone
        if plane != self._controller.plane:
            show_plane(self._controller.viewer, view, plane, (0, 0))
        self._controller.draw_plane()
        return self._show(*found.object_to_review(plane, candidate))

    def point_of(self, label: int) -> tuple[float, float] | None:
        """Return row and column of the point that found an object."""
        shown = self._controller.shown
        if shown is None:
            return None
        row, col = shown.points[shown.candidate == label - 1][0].tolist()
        return row, col

    def _show(self, each: ReviewedObject | None, left: int) -> int | None:
        """Move the view to an object and select its label."""
        self.present, self.left = each, left
        of = self._controller
        if each is not None and of.view is not None:
            box = each.mask.boxes[0]
            show_plane(of.viewer, of.view, of.plane, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
            of.layer.selected_label = each.candidate + 1
        of.changed.emit()
        return None if each is None else each.candidate + 1
