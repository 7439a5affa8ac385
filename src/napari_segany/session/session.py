"""The interactive session: objects, their candidates, and every step that changes them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import PromptableModel
from napari_segany.session import prompt_updates
from napari_segany.session.history import History
from napari_segany.session.inference import Inference, Predictor, Request
from napari_segany.session.journal import Journal, OpenJournal, SavedSession, image_header
from napari_segany.session.label_ids import ChosenMasks, LabelIds
from napari_segany.session.labels_target import ArrayTarget, LabelsTarget
from napari_segany.session.painting import with_merged, with_stroke
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.state import OnOverlap, SegmentedObject, State, Step


class Session:
    """Objects of one image: prompted, segmented, chosen among candidates, committed to labels.

    Every step can be undone. Only :meth:`ask` blocks, as it runs the model; a graphical interface
    runs :meth:`requests` in a thread of its own and returns the results to :meth:`answer`.

    Parameters
    ----------
    source : ImageSource
        The image.
    model : PromptableModel, optional
        The model; can be set later.
    target : LabelsTarget, optional
        Labels to commit into; an array of zeros, int32, by default.
    journal : Path, optional
        Folder for the journal of the session, from which :meth:`restore` recovers it.
    cache : EmbeddingCache, optional
        Embeddings of planes.

    Attributes
    ----------
    changed : Signal
        Emitted after every step, with the state before and the state after.
    answered : Signal
        Emitted with the numbers of objects whose candidates are now known.
    trouble : Signal
        Emitted once if the journal cannot be written any more, with the reason.
    plane : tuple
        The plane that new objects belong to.
    on_overlap : {"keep", "replace"}
        Treatment of pixels that already belong to an object when another is committed.
    object_size : float or None
        Longer side in pixels of objects that are begun on large planes, see :class:`TiledModel`.
    """

    answered = Signal(tuple)

    def __init__(
        self,
        source: ImageSource,
        model: PromptableModel | None = None,
        target: LabelsTarget | None = None,
        journal: Path | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self._inference = Inference(source, model, cache)
        self.plane: Plane = (*(0 for _ in source.shape[:-2]), None, None)
        self.on_overlap: OnOverlap = "keep"
        self.object_size: float | None = None
        self._history = History(target or ArrayTarget(np.zeros(source.shape, np.int32)))
        self.changed, self.trouble = self._history.changed, self._history.trouble
        if journal is not None:
            self.begin_journal(journal)
        self._next_id = 1
        self._commits = 0

    @property
    def state(self) -> State:
        """All objects, frozen."""
        return self._history.state

    @property
    def source(self) -> ImageSource:
        """The image."""
        return self._inference.source

    @property
    def model(self) -> PromptableModel | None:
        """The model. Changing it clears embeddings and candidates; objects are kept."""
        return self._inference.model

    @model.setter
    def model(self, model: PromptableModel | None) -> None:
        if model is not self._inference.model:
            self._inference.model = model
            self.forget_image()

    @property
    def embeddings(self) -> EmbeddingCache:
        """Cached embeddings of planes."""
        return self._inference.embeddings

    @property
    def predictor(self) -> Predictor:
        """The predictor for this image and model; InputError if there is no model yet."""
        return self._inference.predictor

    def is_embedded(self, plane: Plane) -> bool:
        """Return True if the embedding of a plane is cached."""
        return self._inference.is_embedded(plane)

    def forget_image(self, source: ImageSource | None = None) -> None:
        """Clear embeddings and candidates, because the image has other pixels (or a new source)."""
        self._inference.clear(source)
        self.changed.emit(self.state, self.state)

    def candidates(self, number: int | None = None) -> MaskSet | None:
        """Return candidates of an open object (the active one), best first; None if not known."""
        each = self.state.get(number)
        return None if each is None else self._inference.candidates(each)

    def preview(self, number: int | None = None) -> MaskSet | None:
        """Return the chosen candidate of an open object (the active one); None if not known."""
        each, found = self.state.get(number), self.candidates(number)
        return found[min(each.choice, len(found) - 1)] if each and found else None

    def requests(self) -> list[Request]:
        """Return the requests that give every open object its candidates, one a plane."""
        return self._inference.requests(self.state)

    def answer(self, request: Request, sets: Sequence[MaskSet]) -> bool:
        """Store what :meth:`Request.predict` returned; return False if all of it is outdated."""
        if known := self._inference.add_candidates(request, sets, self.state):
            self.answered.emit(known)
        return bool(known)

    def ask(self, should_stop: ShouldStop | None = None) -> MaskSet | None:
        """Segment all open objects and wait; return the candidates of the active one."""
        for request in self.requests():
            self.answer(request, request.predict(should_stop))
        return self.candidates()

    def choose(self, choice: int, number: int | None = None) -> None:
        """Choose a candidate of an open object (the active one), 0 for the best."""
        each = self.state.find(self.state.active if number is None else number)
        state = prompt_updates.with_choice(self.state, each, choice, self.candidates(each.id))
        self._history.advance(state)

    def next_candidate(self, step: int = 1) -> int | None:
        """Choose the next candidate of the active object; the first follows the last."""
        found, active = self.candidates(), self.active
        if found is None or active is None or not len(found):
            return None
        choice = (active.choice + step) % len(found)
        self.choose(choice)
        return choice

    @property
    def active(self) -> SegmentedObject | None:
        """The object that prompts are added to; None if there is none."""
        return self.state.get()

    def set_prompt(self, prompt: Prompt | None, plane: Plane | None = None) -> int | None:
        """Set the prompt of the active object, or begin an object; return its number.

        None deletes the object. By default the plane is that of the active object, else the
        session's; on another plane than the active object's a new object is begun.
        """
        active = self.active
        if prompt is not None:
            return self._set_prompt(prompt, plane or (active.plane if active else self.plane))
        self.delete([] if active is None else [active.id])
        return None

    def _set_prompt(self, prompt: Prompt, plane: Plane) -> int:
        active = self.active
        number = active.id if active is not None and active.plane == plane else -1
        prompts = {**prompt_updates.open_prompts(self.state), number: (plane, prompt)}
        return self.set_open(prompts).get(number, number)

    def add_point(self, row: float, col: float, positive: bool = True) -> int:
        """Add a point on (or off) the active object of this plane, or begin an object with it."""
        new = Prompt([[row, col]], [int(positive)])
        return self._add(new, lambda prompt: prompt.with_point(row, col, positive))

    def add_box(self, box: ArrayLike) -> int:
        """Set the box of the active object of this plane, or begin an object with it."""
        return self._add(Prompt(box=box), lambda prompt: prompt.with_box(box))

    def _add(self, new: Prompt, extended: Callable[[Prompt], Prompt]) -> int:
        active = self.active
        if active is None or active.plane != self.plane:
            return self._set_prompt(new, self.plane)
        return self._set_prompt(extended(active.prompt), self.plane)

    def add_many(
        self,
        prompts: Iterable[Prompt],
        planes: Iterable[Plane] = (),
        labels: Iterable[int | None] = (),
        join: bool = False,
    ) -> list[int]:
        """Begin an object for each of the prompts; return their numbers.

        Parameters
        ----------
        prompts, planes : iterable
            Prompt and plane of each; by default the session's plane.
        labels : iterable of int or None, optional
            The label of each once it is committed; the next free one by default.
        join : bool
            Merge this step with the one before.
        """
        new = prompt_updates.new_objects(prompts, planes, self.plane)
        known = {-i: label for i, label in enumerate(labels, start=1) if label is not None}
        wanted = {**prompt_updates.open_prompts(self.state), **new}
        return list(self.set_open(wanted, join, known).values())

    def set_open(
        self,
        wanted: prompt_updates.ObjectPrompts,
        join: bool = False,
        labels: Mapping[int, int] | None = None,
        wholes: Mapping[int, int] | None = None,
    ) -> dict[int, int]:
        """Replace all open objects in one step; return numbers of new ones by the given ones.

        Parameters
        ----------
        wanted : mapping
            Plane and prompt by object number. Numbers of no open object begin new objects;
            objects whose plane and prompt are the same stay as they are.
        join : bool
            Merge this step with the one before, so that one undo reverts both.
        labels : mapping, optional
            Label values for new objects.
        wholes : mapping, optional
            Numbers of the objects that new ones are parts of, on other planes.
        """
        prompt_updates.check_prompts(self.state, wanted, self.source.shape)
        wanted = self._inference.with_object_sizes(self.state, wanted, self.object_size)
        state, begun = prompt_updates.with_open_objects(
            self.state, wanted, self._next_id, labels or {}, wholes
        )
        self._next_id += len(begun)
        self._history.advance(state, join)
        return begun

    def paint(
        self, pixels: ArrayLike | MaskSet, present: bool = True, number: int | None = None
    ) -> None:
        """Paint pixels of its plane onto the mask of an open object (the active one), or off it.

        They stay so, whatever the model says of further prompts. See :func:`with_stroke`.
        """
        state = with_stroke(self.state, number, pixels, present, self.source.shape)
        self._history.advance(state)

    def merge(self, numbers: Collection[int], into: int) -> list[int]:
        """Make segmented objects part of a committed one of the same plane; return its label."""
        state, mask = with_merged(self.state, into, numbers, self.preview)
        self._history.advance(state)
        return self._commit([(state.find(into), mask)], join=True)

    def set_absent(self, whole: int, plane: Plane, absent: bool = True) -> None:
        """Say that an open object is not on a plane of a stack, or take it back."""
        state = prompt_updates.with_absence(self.state, whole, plane, absent)
        self._history.advance(state)

    def commit(self, numbers: Iterable[int] | None = None, join: bool = False) -> list[int]:
        """Write objects (the active one) into the labels; return the labels of those committed.

        An object stays open if its mask is empty or all of its pixels belong to others. ``join``
        merges the step with the one before, so that one undo reverts many chunks.
        """
        if numbers is None:
            numbers = [] if self.state.active is None else [self.state.active]
        chosen = [self.state.find(number) for number in dict.fromkeys(numbers)]
        masks = [(each, self.preview(each.id)) for each in chosen if each.commit is None]
        return self._commit(masks, join)

    def commit_parts(self, masks: Iterable[PartMask], join: bool = False) -> list[int]:
        """Write propagated parts of objects into the labels, one after the other.

        They get the labels of the other parts, see :meth:`commit`; those without a pixel of their
        own are left out. Returns their labels.
        """
        parts = prompt_updates.propagated_parts(masks, self._next_id)
        self._next_id += len(parts)
        return self._commit(parts, join)

    def _commit(self, masks: ChosenMasks, join: bool) -> list[int]:
        ids = LabelIds(self.labels, self.state.committed)
        done = ids.commit(masks, self.on_overlap, self._commits, lambda: self.predictor.identity)
        self._commits += len(done)
        return [e.label for e in self._history.commit(done, join).values() if e.label is not None]

    def reopen(
        self, number: int, instead_of: Collection[int] = (), join: bool = False
    ) -> SegmentedObject:
        """Remove a committed object from the labels; open it, and its parts, as the active one.

        Objects ``instead_of`` which it is opened are deleted in the same step.
        """
        self._history.advance(self.state.without(instead_of).with_reopened(number), join)
        return self.state.find(self.state.active)

    def delete(self, numbers: Iterable[int], join: bool = False) -> None:
        """Delete objects in one step; committed ones are removed from the labels."""
        gone = {self.state.find(number).id for number in numbers}
        self._history.advance(self.state.without(gone), join)

    def by_label(self, label: int) -> SegmentedObject | None:
        """Return the committed object with a label, None if there is none."""
        return next((each for each in self.state.committed if each.label == label), None)

    def area(self, number: int) -> int:
        """Return the pixels of a committed object that no later one covers; paint is ignored."""
        return self._history.area(self.state.find(number).id)

    def check_labels(self) -> list[int]:
        """Find objects that were removed from the labels from outside; return their numbers.

        Objects whose commit was undone there are open again; those painted over are deleted.
        """
        return self._history.drop_lost()

    def set_target(self, target: LabelsTarget, reopen: bool = False) -> None:
        """Commit into other labels; committed objects leave, or are open again with ``reopen``."""
        self._history.set_target(target, reopen)

    @property
    def can_undo(self) -> bool:
        """True if there is a step to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """True if there is a step to redo."""
        return self._history.can_redo

    @property
    def is_between_steps(self) -> bool:
        """True if the last undo or redo was done in part; call it again to continue."""
        return self._history.is_between_steps

    def undo(self, at_most: int | None = None) -> bool:
        """Undo the last step: a prompt, a choice, a commit, a deletion; False without one.

        At most ``at_most`` objects are changed by one call; see :attr:`is_between_steps`.
        """
        return self._history.undo(at_most)

    def redo(self, at_most: int | None = None) -> bool:
        """Redo the step that was undone last; see :meth:`undo`."""
        return self._history.redo(at_most)

    @property
    def labels(self) -> LabelsTarget:
        """The labels that objects are committed into."""
        return self._history.target

    @property
    def steps(self) -> list[Step]:
        """All steps that wrote the present labels: objects added or removed, in order."""
        return list(self._history.steps)

    def begin_journal(self, folder: Path, open_journal: OpenJournal = Journal) -> Journal:
        """Record all steps so far, and every further one, in a new journal of a folder."""
        return self._history.begin_journal(open_journal(folder, image_header(self.source)))

    @property
    def is_begun(self) -> bool:
        """True if any step was taken, undone or not."""
        return self._history.is_begun

    def restore(self, saved: SavedSession) -> None:
        """Restore the state and the last labels that a journal recorded.

        InputError if a step was taken already, or the journal is of an image of another shape.
        """
        saved.check_shape(self.source.shape)
        self._history.check_unused()
        self._next_id, self._commits = saved.last_number + 1, saved.last_commit
        self._history.restore(saved)

    def close(self) -> None:
        """Close the journal."""
        self._history.close()

    def __repr__(self) -> str:
        done, todo = len(self.state.committed), len(self.state.open)
        return f"Session({self.source.name!r}: {done} committed, {todo} open)"
