"""The labels that a session must show, from a plain account of which object wrote where."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.session.state import State

HAND, NOTHING = -1, -2


class Piles:
    """A pile of writes for every pixel, lowest first: object (or the hand), value and order.

    With "keep" an object gets the pixels that are free when it is committed, and the same ones when
    the commit is redone; a removed object leaves the piles; what was painted by hand stays, and
    nothing below it is ever seen again.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        size = int(np.prod(shape))
        # Axes: height in the pile, pixel.
        self.who = np.full((4, size), NOTHING, np.int32)
        self.value = np.zeros((4, size), np.int32)
        self.order = np.zeros((4, size), np.int32)
        self.height = np.zeros(size, np.int32)
        # Pixels that each commit got at first.
        self.got: dict[int, NDArray[np.bool_]] = {}

    def add(self, state: State, number: int) -> None:
        """Commit an object."""
        each = state.objects[number]
        assert each.commit is not None
        assert each.label is not None
        full = np.zeros(self.shape, bool)
        index = tuple(slice(None) if n is None else n for n in each.plane)
        full[index] = each.commit.mask.mask(0)
        pixels = np.flatnonzero(full)
        again = each.commit.order in self.got
        got = self.got.setdefault(each.commit.order, np.zeros(full.size, bool))
        # Below those that were committed later, which is so when a commit is redone.
        place = self.height[pixels]
        for top in range(len(self.who), 0, -1):
            place[(place == top) & (self.order[top - 1, pixels] > each.commit.order)] -= 1
        below = np.zeros(len(pixels), np.int32)
        for level in range(len(self.who)):
            counts = (level < place) & ((self.who[level, pixels] == HAND) | (not again))
            below[counts] = self.value[level, pixels[counts]]
        written = (got[pixels] | (not again)) & (
            (each.commit.on_overlap == "replace") | (below == 0)
        )
        self._insert(pixels[written], place[written], number, each.label, each.commit.order)
        got[pixels[written]] = True

    def _insert(
        self, pixels: NDArray[Any], place: NDArray[Any], who: int, value: Any, order: int
    ) -> None:
        if len(pixels) and self.height[pixels].max() == len(self.who):
            for name, empty in (("who", NOTHING), ("value", 0), ("order", 0)):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.full_like(old, empty)]))
        for rows, new in ((self.who, who), (self.value, value), (self.order, order)):
            for level in range(len(rows) - 1, 0, -1):
                moved = pixels[level > place]
                rows[level, moved] = rows[level - 1, moved]
            rows[place, pixels] = new
        self.height[pixels] += 1

    def remove(self, number: int) -> None:
        """Take an object out, except where it lies below what was painted by hand."""
        pixels = np.flatnonzero((self.who == number).any(axis=0))
        who, levels = self.who[:, pixels], np.arange(len(self.who))[:, None]
        hand = np.where(who == HAND, levels, -1).max(axis=0)
        gone = (who == number) & (levels > hand)
        stay = np.argsort(gone, axis=0, kind="stable")
        for rows in (self.who, self.value, self.order):
            rows[:, pixels] = np.take_along_axis(rows[:, pixels], stay, axis=0)
        self.height[pixels] -= gone.sum(axis=0, dtype=np.int32)
        above = levels >= self.height[pixels]
        self.who[:, pixels] = np.where(above, NOTHING, self.who[:, pixels])

    def follow(self, before: State, now: State) -> None:
        """Do what the step from one state to another does."""
        for number, each in before.objects.items():
            other = now.objects.get(number)
            if each.commit and (other is None or other.commit is not each.commit):
                self.remove(number)
        done = [(n, each) for n, each in now.objects.items() if each.commit]
        for number, each in sorted(done, key=lambda pair: pair[1].commit.order):  # type: ignore[union-attr]
            earlier = before.objects.get(number)
            if earlier is None or earlier.commit is not each.commit:
                self.add(now, number)

    def paint(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Paint by hand."""
        pixels = np.flatnonzero(before != after)
        self._insert(pixels, self.height[pixels], HAND, np.ravel(after)[pixels], 0)

    def image(self) -> NDArray[np.int32]:
        """Return the labels that this makes."""
        top = np.maximum(self.height - 1, 0)
        found = self.value[top, np.arange(len(top))]
        return np.where(self.height > 0, found, 0).reshape(self.shape)
