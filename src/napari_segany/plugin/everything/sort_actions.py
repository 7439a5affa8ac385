"""Actions of the part "Sort by example" of the Everything dock."""

from functools import partial

from napari_segany.classification.class_set import COLOURS, MOST_CLASSES, ObjectClass
from napari_segany.errors import InputError
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.object_sorting import ObjectSorting
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.everything.sort_panel import SortPanel
from napari_segany.plugin.everything.sorted_objects import SortedObjects
from napari_segany.plugin.shared.image_dock import ImageDock
from napari_segany.plugin.shared.key_bindings import KeyBindings


class SortActions:
    """Sorts the objects of a dock into classes by a few that are labelled.

    Parameters
    ----------
    dock : ImageDock
        The dock.
    controller : EverythingController
        Holder of its masks.
    review : ObjectReview
        Review of them.
    panel : SortPanel
        The controls.

    Examples
    --------
    >>> widget.sort.label(0, wait=True)  # the selected object belongs to the first class
    """

    def __init__(
        self,
        dock: ImageDock,
        controller: EverythingController,
        review: ObjectReview,
        panel: SortPanel,
    ) -> None:
        self._dock, self._controller, self._review = dock, controller, review
        self._panel = panel
        self._objects = ObjectSorting(controller)
        self._panel.given.connect(dock.guarded_with(self.label))
        self._panel.renamed.connect(dock.guarded_with(self.rename))
        for text, act in (
            ("Add class", self.add_class),
            ("Learn from decisions", self.learn_from_decisions),
            ("Forget classes", self.forget),
        ):
            self._panel.buttons[text].clicked.connect(dock.guarded(act))
        actions = {
            str(k + 1): partial(dock.guarded_with(self.label), k) for k in range(MOST_CLASSES)
        }
        # The digits choose tools for painting, which the preview does not allow.
        self._keys = KeyBindings(actions, actions)
        controller.changed.connect(self._refresh)
        self._refresh()

    @property
    def sorted(self) -> SortedObjects | None:
        """Classes and labelled objects of the image, None before anything is sorted."""
        return self._objects.sorted

    def label(self, number: int, wait: bool = False) -> None:
        """Give the selected object to a class, and show the most doubtful one.

        Parameters
        ----------
        number : int
            The class, counted from 0.
        wait : bool
            Return when the other objects have followed.

        Raises
        ------
        InputError
            If no object is selected, or there is no such class.
        """
        selected = self._review.selected
        if selected is None:
            raise InputError("Select an object first, for example the most doubtful one.")
        self._objects.start()
        named = self._review.number_of(self._controller.plane, selected - 1)

        def show_next() -> None:
            sorting, label = self.sorted, self._review.show_next()
            left = " No object is left to sort." if label is None else ""
            if sorting is not None:
                self._dock.say(f"Object {named}: {sorting.classes[number].name}.{left}")

        self._dock.run_when_ready(
            lambda: self._objects.label(selected - 1, number, show_next), wait
        )

    def learn_from_decisions(self, wait: bool = False) -> None:
        """Leave out what resembles rejected objects more than accepted ones.

        Parameters
        ----------
        wait : bool
            Return when the other objects have followed.

        Raises
        ------
        InputError
            If no object was accepted, or none rejected.
        """

        def said() -> None:
            self._dock.say("Objects that resemble rejected ones are left out.")

        self._dock.run_when_ready(lambda: self._objects.learn_from_decisions(said), wait)

    def add_class(self, name: str = "") -> None:
        """Add a class."""
        sorting = self._objects.start()
        number = len(sorting.classes)
        new = ObjectClass(name or f"class {number + 1}", COLOURS[number % len(COLOURS)])
        sorting.add_class(new)
        self._refresh()

    def rename(self, number: int, name: str) -> None:
        """Give a class another name."""
        sorting = self.sorted
        if sorting is not None and name != sorting.classes[number].name:
            sorting.rename(number, name)
            self._objects.show()

    def forget(self) -> None:
        """Forget classes and labels; objects that were left out come back."""
        self._objects.end()
        self._refresh()

    def _refresh(self) -> None:
        self._panel.setEnabled(self._controller.shown is not None)
        self._panel.show_classes(self.sorted)
        self._keys.follow([self._controller.layer])
        self._objects.follow_search()
        self._objects.colour()
