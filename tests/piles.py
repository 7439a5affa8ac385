"""What labels must be, from a plain account of who wrote where."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.session.state import State


class Piles:
    """For every pixel a pile of who wrote there, lowest first: object (None for a hand), value.

    With "keep" an object gets the pixels that are free when it is committed, and the same ones when
    that is done again; what is taken out leaves the piles; what was painted by hand stays, and
    nothing below it is ever seen again.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.piles: dict[tuple[int, ...], list[tuple[int | None, int, int]]] = {}
        # Which pixels each commit got at first.
        self.got: dict[int, set[tuple[int, ...]]] = {}

    def put(self, state: State, number: int) -> None:
        """An object is committed."""
        each = state.objects[number]
        assert each.commit is not None
        assert each.label is not None
        full = np.zeros(self.shape, bool)
        index = tuple(slice(None) if n is None else n for n in each.plane)
        full[index] = each.commit.mask.mask(0)
        again = each.commit.order in self.got
        got = self.got.setdefault(each.commit.order, set())
        for at in map(tuple, np.argwhere(full).tolist()):
            pile = self.piles.setdefault(at, [])
            # Below those that were committed later, which is so when a commit is done again.
            place = len(pile)
            while place and pile[place - 1][2] > each.commit.order:
                place -= 1
            below = [value for who, value, _ in pile[:place] if who is None or not again]
            free = not below or below[-1] == 0
            if (at in got or not again) and (each.commit.on_overlap == "replace" or free):
                pile.insert(place, (number, each.label, each.commit.order))
                got.add(at)

    def take(self, number: int) -> None:
        """An object is taken out."""
        for pile in self.piles.values():
            hand = max((i for i, entry in enumerate(pile) if entry[0] is None), default=-1)
            pile[hand + 1 :] = [entry for entry in pile[hand + 1 :] if entry[0] != number]

    def follow(self, before: State, now: State) -> None:
        """What a step from one state to another does."""
        for number, each in before.objects.items():
            other = now.objects.get(number)
            if each.commit and (other is None or other.commit is not each.commit):
                self.take(number)
        done = [(n, each) for n, each in now.objects.items() if each.commit]
        for number, each in sorted(done, key=lambda pair: pair[1].commit.order):  # type: ignore[union-attr]
            earlier = before.objects.get(number)
            if earlier is None or earlier.commit is not each.commit:
                self.put(now, number)

    def paint(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Somebody painted by hand."""
        for at in map(tuple, np.argwhere(before != after).tolist()):
            self.piles.setdefault(at, []).append((None, int(after[at]), 0))

    def image(self) -> NDArray[np.int32]:
        """The labels that this makes."""
        found = np.zeros(self.shape, np.int32)
        for at, pile in self.piles.items():
            if pile:
                found[at] = pile[-1][1]
        return found
