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

    def show(self, session: Session) -> bool:
        """Show the present state of a session; what did not change is not touched.

        Returns
        -------
        bool
            Whether anything changed, so that :meth:`refresh` must be called.
        """
        wanted: dict[int, tuple[Plane, MaskSet, int]] = {}
        for each in session.state.open:
            found = session.candidates(each.id)
            if found is not None and len(found):
                wanted[each.id] = each.plane, found, min(each.choice, len(found) - 1)
        different = {number for number, _ in wanted.items() ^ self._shown.items()}
        gone = [self._shown[number] for number in different if number in self._shown]
        for plane, found, choice in gone:
            a, b, c, d = found.boxes[choice]
            self.layer.data[plane_slices(plane)][a:c, b:d] = 0
        touched = {plane for plane, _, _ in gone}
        for number, (plane, found, choice) in wanted.items():
            if number in different or any(_meet(plane, other) for other in touched):
                a, b, c, d = found.boxes[choice]
                # 1 to 49: neighbouring numbers have colours that differ.
                image = self.layer.data[plane_slices(plane)]
                image[a:c, b:d][found.crop(choice)] = number % 49 + 1
        self._shown = wanted
        return bool(different)

    def refresh(self) -> None:
        """Draw the layer again."""
        self.layer.refresh(extent=False, thumbnail=False)


def _meet(plane: Plane, other: Plane) -> bool:
    """Whether two planes have pixels in common: they are the same, or cross."""
    return all(a is None or b is None or a == b for a, b in zip(plane, other, strict=True))
