"""The preview layer: what the open objects would become, in a layer of its own."""

from typing import Any

import numpy as np

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
        # What is shown: object, and its mask.
        self._shown: dict[int, tuple[Plane, Any]] = {}

    def show(self, session: Session) -> None:
        """Show the present state of a session; planes in which nothing changed are not touched."""
        wanted: dict[int, tuple[Plane, Any]] = {}
        for each in session.state.open:
            mask = session.preview(each.id)
            if mask is not None and len(mask) and mask.area[0]:
                found = session.candidates(each.id)
                known = self._shown.get(each.id)
                key = (id(found), each.choice)
                same = known is not None and known[1][0] == key
                wanted[each.id] = known if same and known else (each.plane, (key, mask, found))
        changed = {
            plane
            for number in {*wanted, *self._shown}
            for state in (wanted, self._shown)
            if wanted.get(number) is not self._shown.get(number)
            for plane in ([state[number][0]] if number in state else [])
        }
        for plane in changed:
            self._paint(plane, wanted)
        self._shown = wanted
        if changed:
            self.layer.refresh(extent=False, thumbnail=False)

    def clear(self) -> None:
        """Show nothing."""
        for plane in {plane for plane, _ in self._shown.values()}:
            self._paint(plane, {})
        self._shown = {}
        self.layer.refresh(extent=False, thumbnail=False)

    def _paint(self, plane: Plane, wanted: dict[int, tuple[Plane, Any]]) -> None:
        image = self.layer.data[plane_slices(plane)]
        for where, (_, mask, _) in self._shown.values():
            if where == plane:
                a, b, c, d = mask.boxes[0]
                image[a:c, b:d] = 0
        for number, (where, (_, mask, _)) in wanted.items():
            if where == plane:
                a, b, c, d = mask.boxes[0]
                # 1 to 49: neighbouring numbers have colours that differ.
                image[a:c, b:d][mask.crop(0)] = number % 49 + 1


def preview_data(shape: tuple[int, ...]) -> Any:
    """An empty image; memory is used only for planes that are written."""
    return np.zeros(shape, np.uint8)
