"""Correction of a found object in the Prompt dock, whose commit takes its place in the labels."""

from collections.abc import Callable

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.made_labels import MadeLabels
from napari_segany.session import Session
from napari_segany.session.state import Commit, SegmentedObject, State


class Correction:
    """An object of a session that takes the place of a found one while it is committed.

    It has the label of the found one. Undoing the commit brings the found object back.

    Parameters
    ----------
    session : Session
        Session whose labels are those that were made.
    made : MadeLabels
        Labels of the found masks.
    found : FoundMasks
        The found masks.
    plane : tuple
        Plane of the object.
    candidate : int
        Number of the found mask.
    changed : callable
        Called with True after the found object was replaced, with False after it came back.
    """

    def __init__(
        self,
        session: Session,
        made: MadeLabels,
        found: FoundMasks,
        plane: Plane,
        candidate: int,
        changed: Callable[[bool], object],
    ) -> None:
        self.session, self.made, self.found = session, made, found
        self.plane, self.candidate = plane, candidate
        self._changed = changed
        self._commit: Commit | None = None
        # Another search has other masks, and other numbers for them.
        self._masks = found.masks[plane]
        self._is_live = True
        self.number = -1

    def begin(self, prompt: Prompt) -> None:
        """Open an object with a prompt, which its commit writes with the label of the found one."""
        label = self.made.label_of(self.plane, self.candidate)
        (self.number,) = self.session.add_many([prompt], [self.plane], [label])
        self.session.changed.connect(self._on_session)

    def is_about(self, session: Session, plane: Plane, candidate: int) -> bool:
        """Return True if it replaces this object, and its own is still in this session."""
        same = (self.session, self.plane, self.candidate) == (session, plane, candidate)
        return same and self._is_live and self.number in session.state.objects

    def reopen(self) -> None:
        """Open its object again, so that the found one is back until the next commit."""
        self.session.reopen(self.number)

    def _on_session(self, before: State, after: State) -> None:
        if getattr(self.session.labels, "layer", None) is not self.made.layer:
            # The session writes into other labels; what it wrote into these stays.
            self._is_live = False
            self.session.changed.disconnect(self._on_session)
            return
        each = after.objects.get(self.number)
        commit = None if each is None else each.commit
        if commit is self._commit:
            return
        self._commit = commit
        is_known = self.found.masks.get(self.plane) is self._masks
        if each is not None and commit is not None:
            mask = _written(each, commit, self._masks)
            self.made.take_out(self.plane, self.candidate, mask)
            if is_known:
                self.found.correct(self.plane, self.candidate, mask)
        else:
            self.made.put_back(self.plane, self.candidate)
            if is_known:
                self.found.take_back_correction(self.plane, self.candidate)
        if is_known:
            self._changed(commit is not None)


def _written(each: SegmentedObject, commit: Commit, found: MaskSet) -> MaskSet:
    """Return the pixels that a commit wrote as one mask, with the first point of its prompt."""
    mask, crop = commit.mask, commit.mask.crop(0)
    a, b, c, d = mask.boxes[0].tolist()
    if commit.left_out is not None:
        crop = crop & ~commit.left_out.mask(0)[a:c, b:d]
    points = each.prompt.points
    return MaskSet.from_crops(
        found.shape,
        [crop],
        [(a, b)],
        mask.predicted_iou,
        mask.stability_score,
        None if points is None else points[:1],
    )
