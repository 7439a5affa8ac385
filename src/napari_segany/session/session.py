"""Session: the state of one interactive job, and every step that changes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from psygnal import Signal

from napari_segany.core.image_source import ImageSource, Plane, check_plane_index, plane_shape
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import PromptableModel
from napari_segany.session.history import History
from napari_segany.session.inquiry import Inquiry
from napari_segany.session.journal import Journal, SavedSession
from napari_segany.session.label_ids import LabelIds
from napari_segany.session.labels_target import ArrayTarget, LabelsTarget
from napari_segany.session.prompt_updates import Wanted, changed_prompts, open_prompts, opened
from napari_segany.session.state import OnOverlap, SegmentedObject, State, Step


class Session(Inquiry):
    """Objects of one image: asked for with prompts, chosen among candidates, committed to labels.

    Every step can be undone. Nothing here blocks but :meth:`ask`, which runs the model; a graphical
    face asks in a thread of its own (:meth:`questions`, :meth:`answer`).

    Parameters
    ----------
    source : ImageSource
        The image.
    model : PromptableModel, optional
        Can be set later.
    target : LabelsTarget, optional
        Labels to commit into; an array of zeros, int32, by default.
    journal : Path, optional
        Folder in which what happens is written down, for :meth:`restore`.
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
        What commits do with pixels that belong to something.
    """

    trouble = Signal(str)

    def __init__(
        self,
        source: ImageSource,
        model: PromptableModel | None = None,
        target: LabelsTarget | None = None,
        journal: Path | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        super().__init__(source, model, cache)
        self.plane: Plane = (*(0 for _ in source.shape[:-2]), None, None)
        self.on_overlap: OnOverlap = "keep"
        if target is None:
            target = ArrayTarget(np.zeros(source.shape, np.int32))
        self._timeline = History(target)
        if journal is not None:
            self.begin_journal(journal)
        self._troubled = False
        self._next_id = 1
        self._commits = 0

    @property
    def state(self) -> State:
        """All objects, frozen."""
        return self._timeline.state

    # Prompts --------------------------------------------------------------------------------

    @property
    def active(self) -> SegmentedObject | None:
        """The object that prompts are added to."""
        return None if self.state.active is None else self.state.find(self.state.active)

    def set_prompt(self, prompt: Prompt | None, plane: Plane | None = None) -> int | None:
        """Ask for the active object with this prompt, or begin one.

        Parameters
        ----------
        prompt : Prompt or None
            None gives up the object.
        plane : tuple, optional
            By default that of the active object, else the session's. An open object of another
            plane is left as it is, and a new one is begun.

        Returns
        -------
        int or None
            The object's number.
        """
        active = self.active
        plane = plane or (active.plane if active else self.plane)
        if prompt is None:
            if active is not None:
                self.delete([active.id])
            return None
        number = active.id if active is not None and active.plane == plane else -1
        begun = self.set_open({**open_prompts(self.state), number: (plane, prompt)})
        return begun.get(number, number)

    def add_point(self, row: float, col: float, positive: bool = True) -> int:
        """Add a point on (or off) the active object of this plane, or begin one with it."""
        given = self._prompt_here()
        one = Prompt([[row, col]], [int(positive)])
        return self._set_prompt_here(one if given is None else given.with_point(row, col, positive))

    def add_box(self, box: ArrayLike) -> int:
        """Give the active object of this plane a box, or begin one with it."""
        given = self._prompt_here()
        return self._set_prompt_here(Prompt(box=box) if given is None else given.with_box(box))

    def _prompt_here(self) -> Prompt | None:
        active = self.active
        return active.prompt if active is not None and active.plane == self.plane else None

    def _set_prompt_here(self, prompt: Prompt) -> int:
        number = self.set_prompt(prompt, self.plane)
        assert number is not None
        return number

    def add_many(
        self,
        prompts: Iterable[Prompt],
        planes: Iterable[Plane] = (),
        labels: Iterable[int | None] = (),
        join: bool = False,
    ) -> list[int]:
        """Begin an object for each prompt.

        Parameters
        ----------
        prompts : iterable of Prompt
            One object each.
        planes : iterable of tuple, optional
            The plane of each; all in the session's plane by default.
        labels : iterable of int or None, optional
            The value of each in the labels once it is committed; the next free one by default.
        join : bool
            Make this one step with the step before.

        Returns
        -------
        list of int
            Their numbers.
        """
        prompts = tuple(prompts)
        where = list(planes) or [self.plane] * len(prompts)
        new = {-i: each for i, each in enumerate(zip(where, prompts, strict=True), start=1)}
        labelled = {-i: label for i, label in enumerate(labels, start=1) if label is not None}
        return list(self.set_open({**open_prompts(self.state), **new}, join, labelled).values())

    def set_open(
        self, wanted: Wanted, join: bool = False, labels: Mapping[int, int] | None = None
    ) -> dict[int, int]:
        """Make the open objects just these, in one step; committed ones stay.

        Parameters
        ----------
        wanted : mapping
            Plane and prompt by object number. Numbers that no open object has are new objects;
            those with the prompt and plane that they have stay as they are.
        join : bool
            Make this one step with the step before.
        labels : mapping, optional
            Values that new objects shall have in the labels.

        Returns
        -------
        dict
            Numbers of the new objects by those that were given.
        """
        for plane, prompt in changed_prompts(self.state, wanted):
            check_plane_index(self.source.shape, plane)
            prompt.check_inside(plane_shape(self.source.shape, plane))
        state, begun = opened(self.state, wanted, self._next_id, labels or {})
        self._next_id += len(begun)
        if state is not self.state:
            self._advance(state, join)
        return begun

    # Choosing -------------------------------------------------------------------------------

    def choose(self, choice: int, number: int | None = None) -> None:
        """Mean another candidate of an open object (the active one), 0 for the best."""
        each = self.state.find(self.state.active if number is None else number)
        found = self.candidates(each.id)
        if each.commit is not None or found is None:
            raise InputError("There are no candidates to choose from.")
        if not 0 <= choice < len(found):
            raise InputError(f"There are candidates 0..{len(found) - 1}, got {choice}.")
        if choice != each.choice:
            self._advance(self.state.with_objects(replace(each, choice=choice)))

    def next_candidate(self, step: int = 1) -> int | None:
        """Mean the next candidate of the active object, after the last the first."""
        found, active = self.candidates(), self.active
        if found is None or active is None or not len(found):
            return None
        choice = (active.choice + step) % len(found)
        self.choose(choice)
        return choice

    # Committing -----------------------------------------------------------------------------

    def commit(self, numbers: Iterable[int] | None = None, join: bool = False) -> list[int]:
        """Write objects into the labels: the active one, or those given.

        Parameters
        ----------
        numbers : iterable of int, optional
            Which objects.
        join : bool
            Make this one step with the step before, so that thousands of objects can be
            committed in parts and are undone at once.

        Returns
        -------
        list of int
            Their labels. Objects without a pixel of their own, because their masks are empty or
            others have all of it, stay open.
        """
        if numbers is None:
            numbers = [] if self.state.active is None else [self.state.active]
        before, labelling = self.state.objects, LabelIds(self.labels, self.state.committed)
        chosen = [self.state.find(number) for number in dict.fromkeys(numbers)]
        meant = [(each, self.preview(each.id)) for each in chosen if each.commit is None]
        done = labelling.commit(meant, self.on_overlap, self._commits, lambda: self.asker.identity)
        self._commits += len(done)
        if done:
            state = self.state.with_objects(*done.values())
            active = None if state.active in done else state.active
            self._advance(replace(state, active=active), join)
            if empty := self._timeline.without_pixels(done):
                back = [replace(done.pop(n), label=before[n].label, commit=None) for n in empty]
                self._advance(self.state.with_objects(*back), join=True)
        return [each.label for each in done.values() if each.label is not None]

    def reopen(self, number: int) -> SegmentedObject:
        """Take a committed object out of the labels and go on with its prompts."""
        each = self.state.find(number)
        if each.commit is not None:
            opened = replace(each, commit=None)
            self._advance(replace(self.state.with_objects(opened), active=number))
        elif self.state.active != number:
            self._advance(replace(self.state, active=number))
        return self.state.objects[number]

    def delete(self, numbers: Iterable[int]) -> None:
        """Give up some objects in one step; committed ones leave the labels."""
        gone = {self.state.find(number).id for number in numbers}
        self._advance(self.state.without(gone))

    def by_label(self, label: int) -> SegmentedObject | None:
        """The committed object with a label."""
        return next((each for each in self.state.committed if each.label == label), None)

    def area(self, number: int) -> int:
        """Pixels of a committed object in the labels: what it wrote and no other lies over.

        What people painted over it is not counted.
        """
        return self._timeline.area(self.state.find(number).id)

    def check_labels(self) -> list[int]:
        """Numbers of objects that others took out of the labels; they are open again.

        To be called when labels were changed from outside, for example by undoing there.
        """
        before = self.state
        lost = self._timeline.drop_lost()
        if lost:
            self._moved(before)
        return lost

    def set_target(self, target: LabelsTarget, reopen: bool = False) -> None:
        """Commit into other labels from now on.

        What was committed before is left as it is there, and its objects are done with, as they can
        no longer be taken out of those labels. With ``reopen`` they are open again instead, because
        those labels are gone.
        """
        before = self.state
        self._timeline.move_to(target, reopen)
        self._moved(before)

    # Going back and forth -------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self._timeline.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return self._timeline.can_redo

    @property
    def is_between_steps(self) -> bool:
        """Whether the last undo or redo went part of its way only; call it again to go on."""
        return self._timeline.is_between_steps

    def undo(self, at_most: int | None = None) -> bool:
        """Undo the last step: a prompt, a choice, a commit, a deletion.

        Parameters
        ----------
        at_most : int, optional
            Change only so many objects now; see :attr:`is_between_steps`.

        Returns
        -------
        bool
            Whether there was a step.
        """
        return self._go(self._timeline.undo, at_most) if self.can_undo else False

    def redo(self, at_most: int | None = None) -> bool:
        """Do again what was undone last; see :meth:`undo`."""
        return self._go(self._timeline.redo, at_most) if self.can_redo else False

    def _go(self, way: Callable[[int | None], None], at_most: int | None) -> bool:
        before = self.state
        way(at_most)
        self._moved(before)
        return True

    def _advance(self, state: State, join: bool = False) -> None:
        before = self.state
        self._timeline.advance(state, join)
        self._moved(before)

    def _moved(self, before: State) -> None:
        if self._timeline.trouble and not self._troubled:
            self._troubled = True
            self.trouble.emit(self._timeline.trouble)
        self.changed.emit(before, self.state)

    # Keeping --------------------------------------------------------------------------------

    @property
    def labels(self) -> LabelsTarget:
        """What is committed into."""
        return self._timeline.target

    @property
    def steps(self) -> list[Step]:
        """How the present labels came about: every object put in or taken out, in order."""
        return list(self._timeline.steps)

    def begin_journal(self, folder: Path) -> Journal:
        """Write down in a folder what has happened, and whatever happens from now on."""
        about = {"image": self.source.name, "shape": list(self.source.shape)}
        return self._timeline.begin_journal(Journal(folder, about))

    @property
    def is_begun(self) -> bool:
        """Whether anything has happened, undone or not."""
        return self._timeline.is_begun

    def restore(self, story: SavedSession) -> None:
        """Take up what a journal tells; only a session in which nothing has happened can.

        Labels that were written into before the last ones are left out: they were done with.

        Raises
        ------
        InputError
            If something has happened, or the journal is of an image of another shape.
        """
        story.check_shape(self.source.shape)
        before = self.state
        self._timeline.restore(story)
        self._next_id, self._commits = story.last_number + 1, story.last_commit
        self._moved(before)

    def close(self) -> None:
        """End the journal properly."""
        self._timeline.close()

    def __repr__(self) -> str:
        done, todo = len(self.state.committed), len(self.state.open)
        return f"Session({self.source.name!r}: {done} committed, {todo} open)"
