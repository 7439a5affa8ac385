"""Review of the objects of a plane: the uncertain ones first, with decisions that can be undone."""

from typing import Any

import numpy as np

from napari_segany.core.image_source import Plane
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.correction import Correction
from napari_segany.plugin.everything.decisions import Decision
from napari_segany.plugin.everything.found_masks import FoundMasks, ReviewedObject
from napari_segany.plugin.everything.selected_size import selected_size
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
    done, left : int
        Objects of its plane that were accepted or rejected, and the others.
    """

    def __init__(self, controller: EverythingController) -> None:
        self._controller = controller
        self.present: ReviewedObject | None = None
        self.done = self.left = 0
        self._corrections: list[Correction] = []

    def number_of(self, plane: Plane, candidate: int) -> int:
        """Return the number by which a person knows an object of a plane.

        It is the label where labels were made, which count no rejected objects, else the label in
        the preview.
        """
        made = self._controller.made
        label = None if made is None else made.label_of(plane, candidate)
        return candidate + 1 if label is None else label

    @property
    def selected(self) -> int | None:
        """Label selected in the preview layer, None if it is not one of those shown."""
        of = self._controller
        if of.layer is None or of.shown is None:
            return None
        label = int(of.layer.selected_label)
        return label if label - 1 in of.shown.candidate else None

    def selected_size(self) -> float:
        """Return the longer side in pixels of the selected shape, or of the selected object.

        Raises
        ------
        InputError
            If neither is selected.
        """
        of, label = self._controller, self.selected
        _, view = of.opened()
        chosen = None
        if label is not None and of.shown is not None:
            chosen = of.shown[of.shown.candidate == label - 1]
        return selected_size(of.viewer, view, of.plane, chosen)

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
        evidence = self._controller.preview.evidence
        return self._show(*found.object_to_review(self._controller.plane, known=evidence))

    def show(self, layer: Any, label: int) -> int | None:
        """Show an object that was clicked in the preview or in the labels; the view stays.

        Returns
        -------
        int or None
            Its label in the preview, None if it is no object that was found.
        """
        of = self._controller
        found, _ = of.opened()
        made, plane = of.made, of.plane
        candidate: int | None = label - 1
        if made is not None and layer is made.layer:
            candidate = made.candidate_of(plane, label)
        if candidate is None:
            return None
        known = of.preview.evidence
        each, left = found.object_to_review(plane, candidate, known)
        return None if each is None else self._show(each, left, center=False)

    def accept(self, label: int) -> None:
        """Mark an object as accepted."""
        found, _ = self._controller.opened()
        found.accept(self._controller.plane, label - 1)
        self._controller.changed.emit()

    def reject(self, label: int) -> None:
        """Remove an object from the kept ones, and from the labels if they were made."""
        found, _ = self._controller.opened()
        plane, made = self._controller.plane, self._controller.made
        found.reject(plane, label - 1)
        if made is not None:
            made.take_out(plane, label - 1)
        self._controller.draw_plane()

    def correct(self, label: int, prompt_dock: Any) -> None:
        """Open an object in the Prompt dock, whose commit replaces it in the labels.

        Parameters
        ----------
        label : int
            The object.
        prompt_dock : PromptWidget
            The dock, with the image in work.
        """
        of = self._controller
        found, _ = of.opened()
        made, plane, candidate = of.made, of.plane, label - 1
        if made is None or made.label_of(plane, candidate) is None:
            raise InputError(
                "This object is not in the labels. Press 'Change filters', then 'Make labels'."
            )
        prompt_dock.controller.commit_into(made.layer)
        prompt_dock.reset_choices()
        session = prompt_dock.session
        for each in self._corrections:
            if each.is_about(session, plane, candidate):
                each.reopen()
                self._tell_how(prompt_dock, plane, candidate)
                return

        def changed(corrected: bool) -> None:
            if found is of.found:
                what = "was corrected" if corrected else "is as it was found"
                if self.present is not None and self.present.candidate == candidate:
                    self.present, self.left = found.object_to_review(plane, candidate)
                    self.done = found.count_decided(plane)
                of.redraw()
                of.status.emit(f"Object {self.number_of(plane, candidate)} {what}.")

        correction = Correction(session, made, found, plane, candidate, changed)
        self._corrections.append(correction)
        point = self.point_of(label)
        box = found.masks[plane].all_candidates.boxes[candidate]
        correction.begin(Prompt([point], [1]) if point is not None else Prompt(box=box))
        self._tell_how(prompt_dock, plane, candidate)

    def _tell_how(self, prompt_dock: Any, plane: Plane, candidate: int) -> None:
        """Say in the Prompt dock what is corrected there, and what becomes of it."""
        made, number = self._controller.made, self.number_of(plane, candidate)
        name = "the labels" if made is None else f"'{made.layer.name}'"
        text = f"Correct object {number}: click on it or off it, or draw another box."
        prompt_dock.controller.status.emit(f"{text} Commit replaces it in {name}.", "info")

    def undo(self) -> int | None:
        """Take back the last decision and show its object; return its label, None without one."""
        found, view = self._controller.opened()
        undone = found.undo_decision()
        if undone is None:
            return None
        plane, candidate = undone.plane, undone.candidate
        self._undo_in_labels(undone, found)
        if plane != self._controller.plane:
            show_plane(self._controller.viewer, view, plane, (0, 0), centre=False)
        self._controller.draw_plane()
        return self._show(*found.object_to_review(plane, candidate))

    def _undo_in_labels(self, undone: Decision, found: FoundMasks) -> None:
        """Bring an object back into the labels as it was found."""
        made, plane, candidate = self._controller.made, undone.plane, undone.candidate
        for each in self._corrections if undone.is_correction else ():
            if each.is_about(each.session, plane, candidate) and each.found is found:
                each.reopen()
                return
        if made is not None and undone.is_correction:
            made.replace(plane, candidate, found.masks[plane].all_candidates[candidate])
        elif made is not None and undone.undo is None:
            made.put_back(plane, candidate)

    def point_of(self, label: int) -> tuple[float, float] | None:
        """Return row and column of the point that found an object, None if none did."""
        shown = self._controller.shown
        if shown is None:
            return None
        row, col = shown.points[shown.candidate == label - 1][0].tolist()
        return None if np.isnan(row) else (row, col)

    def _show(self, each: ReviewedObject | None, left: int, center: bool = True) -> int | None:
        """Select the label of an object, and move the view to it."""
        self.present, self.left = each, left
        of = self._controller
        found, _ = of.opened()
        self.done = found.count_decided(of.plane)
        if each is not None and of.view is not None:
            a, b, c, d = each.mask.boxes[0].tolist()
            if center:
                middle = (a + c) / 2, (b + d) / 2
                show_plane(of.viewer, of.view, of.plane, middle, centre=False, fill=True)
            of.layer.selected_label = each.candidate + 1
            label = None if of.made is None else of.made.label_of(of.plane, each.candidate)
            if of.made is not None and label is not None:
                of.made.layer.selected_label = label
        of.changed.emit()
        return None if each is None else each.candidate + 1
