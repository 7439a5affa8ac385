"""The preview layer: what the open objects would become, in a layer of its own."""

from typing import Any

from napari_segany.core.masks import MaskSet
from napari_segany.session.session import Session
from napari_segany.session.source import Plane, plane_slices


class Preview:
    """Shows the meant candidates of open objects; nothing here reaches the results.

    Parameters
    ----------
    layer : napari.layers.Labels
        As large as the image; what is in it is overwritten.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        # What is shown of each object: plane, candidates, and which of them.
        self._shown: dict[int, tuple[Plane, MaskSet, int]] = {}

    def show(self, session: Session) -> None:
        """Show the present state of a session; planes in which nothing changed are not touched."""
        wanted: dict[int, tuple[Plane, MaskSet, int]] = {}
        for each in session.state.open:
            found = session.candidates(each.id)
            if found is not None and len(found):
                wanted[each.id] = each.plane, found, min(each.choice, len(found) - 1)
        different = {number for number, _ in wanted.items() ^ self._shown.items()}
        planes: dict[Plane, bool] = {}
        for number in different:
            if number in wanted:
                planes.setdefault(wanted[number][0], False)
            if number in self._shown:
                # Something leaves, and what was below it must be seen again.
                planes[self._shown[number][0]] = True
        for plane, anew in planes.items():
            self._paint(plane, wanted, None if anew else different)
        self._shown = wanted
        if planes:
            self.layer.refresh(extent=False, thumbnail=False)

    def _paint(
        self, plane: Plane, wanted: dict[int, tuple[Plane, MaskSet, int]], added: set[int] | None
    ) -> None:
        """Paint the objects of a plane; if some were only added, just these."""
        image = self.layer.data[plane_slices(plane)]
        for where, found, choice in () if added is not None else self._shown.values():
            if where == plane:
                a, b, c, d = found.boxes[choice]
                image[a:c, b:d] = 0
        for number, (where, found, choice) in wanted.items():
            if where == plane and (added is None or number in added):
                a, b, c, d = found.boxes[choice]
                # 1 to 49: neighbouring numbers have colours that differ.
                image[a:c, b:d][found.crop(choice)] = number % 49 + 1
