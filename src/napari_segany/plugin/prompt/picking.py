"""Objects at a place on the canvas."""

from collections.abc import Sequence

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject


def open_at(
    session: Session, plane: Plane, row: int, col: int, propagated: Sequence[PartMask] = ()
) -> SegmentedObject | None:
    """Return the open object at a pixel of a plane, None if there is none.

    Of several, it is the smallest: the others can be chosen beside it.

    Parameters
    ----------
    session : Session
        The session.
    plane : tuple
        The plane.
    row, col : int
        The pixel.
    propagated : sequence of tuple
        Masks of objects that were followed through planes.
    """
    found: list[tuple[int, SegmentedObject]] = []
    for each in session.state.open:
        mask = session.preview(each.id) if each.plane == plane else None
        if mask is not None and is_on(mask, row, col):
            found.append((int(mask.area[0]), each))
    for whole, there, mask in propagated:
        if there == plane and is_on(mask, row, col):
            parts = (part for part in session.state.parts(whole) if part.commit is None)
            found += [(int(mask.area[0]), part) for part in parts][:1]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def committed_at(session: Session, plane: Plane, row: int, col: int) -> SegmentedObject | None:
    """Return the committed object that is visible at a pixel of a plane, None if there is none.

    Objects of an earlier session and labels painted by hand are none.
    """
    label = label_at(session, plane, row, col)
    here = (each for each in session.state.committed if each.label == label and each.plane == plane)
    return next((e for e in here if e.commit and is_on(e.commit.mask, row, col)), None)


def label_at(session: Session, plane: Plane, row: int, col: int) -> int:
    """Return the label at a pixel of a plane, whoever wrote it; 0 for none."""
    sides = iter((row, col))
    at = [next(sides) if n is None else n for n in plane]
    try:
        return int(session.labels.read(tuple(slice(n, n + 1) for n in at)).item())
    except InputError:
        # There are no labels before the first commit.
        return 0


def is_on(mask: MaskSet, row: int, col: int) -> bool:
    """Return True if a pixel of the plane is on the first mask of a set."""
    if not len(mask):
        return False
    a, b, c, d = mask.boxes[0].tolist()
    return bool(a <= row < c and b <= col < d and mask.crop(0)[row - a, col - b])
