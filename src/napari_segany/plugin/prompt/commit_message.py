"""Message about a commit: what was written, and what stays open."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_segany.session.state import SegmentedObject

if TYPE_CHECKING:
    # It is beside a widget, and this module needs no Qt.
    from napari_segany.plugin.shared.message_line import Severity


def commit_message(
    objects: Iterable[SegmentedObject], low: int, empty: int, no_mask: int = 0, failed: int = 0
) -> "tuple[str, Severity]":
    """Return a message about a commit, and its severity.

    Parameters
    ----------
    objects : iterable of SegmentedObject
        Objects that were to be committed, with all their parts.
    low : int
        Objects that stay open because of low scores.
    empty : int
        Objects that stay open because others have all of their pixels.
    no_mask : int
        Objects that stay open because their prompts give no mask.
    failed : int
        Corrections on further planes that gave no mask and were deleted.
    """
    pixels, left_out = 0, 0
    labels, planes = set(), set()
    for each in objects:
        if each.commit is not None:
            given_up = each.commit.left_out
            lost = 0 if given_up is None or not len(given_up) else int(given_up.area[0])
            pixels += int(each.commit.mask.area[0]) - lost
            left_out += lost
            labels.add(each.label)
            planes.add(each.plane)
    parts = []
    if labels:
        what = f"label {min(labels, key=str)}" if len(labels) == 1 else f"{len(labels)} objects"
        where = f" on {len(planes)} planes" if len(planes) > 1 else ""
        parts.append(f"Committed {what}, {pixels:,} px{where}.")
    if left_out:
        parts.append(
            f"{left_out:,} px belong to other objects; On overlap: replace existing takes them."
        )
    if failed:
        many = f"{failed} corrections" if failed > 1 else "1 correction"
        verb = "were" if failed > 1 else "was"
        parts.append(f"{many} gave no mask and {verb} deleted; what was found there is kept.")
    if text := _open_objects(low, empty, no_mask):
        parts.append(text)
    few = low or empty or no_mask or failed or left_out > pixels
    return " ".join(parts), "warning" if few else "info"


def _open_objects(low: int, empty: int, no_mask: int) -> str:
    """Return sentences about objects that stay open: with low scores, or without pixels."""
    parts = []
    if low:
        many = "objects with lower scores stay" if low > 1 else "object with lower scores stays"
        parts.append(f"{low} {many} open.")
    if empty:
        parts.append(
            f"{empty} object{'s stay' if empty > 1 else ' stays'} open, because others have all of "
            f"{'their' if empty > 1 else 'its'} pixels: choose On overlap: replace existing, or "
            "delete."
        )
    if no_mask:
        many = (
            "objects stay open, because their" if no_mask > 1 else "object stays open, because its"
        )
        parts.append(f"{no_mask} {many} prompts give no mask: change them, or delete.")
    return " ".join(parts)
