"""Loss of the finder's maps against their targets."""

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segany.networks.finder import CENTRE, CONTOUR, FOREGROUND, INTERIOR, SIZE

PARTS = {
    "foreground": 1.0,
    "dice": 0.5,
    "contour": 1.0,
    "interior": 2.0,
    "centre": 1.0,
    "size": 0.3,
}
"""Weight of each part of the loss."""

CONTOUR_GAIN = 3.0
"""Weight of contour pixels, which are few."""


def finder_loss(raw: Tensor, maps: Tensor, weights: Tensor, sized: Tensor) -> dict[str, Tensor]:
    """Return the parts of the loss, each a mean over the batch.

    Parameters
    ----------
    raw : Tensor
        (B, MAPS, H, W) float32 output of the network.
    maps : Tensor
        (B, MAPS, H, W) targets.
    weights : Tensor
        (B, H, W), 0 where nothing is known.
    sized : Tensor
        (B, H, W) boolean, where the size of the object is known.

    Returns
    -------
    dict
        A scalar for each name in ``PARTS``.
    """
    known = (weights > 0).float()
    total = weights.sum().clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return (values * weights).sum() / total

    def entropy(which: int) -> Tensor:
        return F.binary_cross_entropy_with_logits(raw[:, which], maps[:, which], reduction="none")

    probability = torch.sigmoid(raw[:, :SIZE])
    parts = {
        "foreground": mean(entropy(FOREGROUND)),
        "dice": _dice(probability[:, FOREGROUND], maps[:, FOREGROUND], known)
        + _dice(probability[:, INTERIOR], maps[:, INTERIOR], known),
        "contour": mean(entropy(CONTOUR) * (1 + CONTOUR_GAIN * maps[:, CONTOUR])),
    }
    for name, which in (("interior", INTERIOR), ("centre", CENTRE)):
        parts[name] = mean((probability[:, which] - maps[:, which]).abs())
    # The size is learned in objects only.
    in_objects = weights * (maps[:, FOREGROUND] * (weights > 0) * sized)
    off = F.smooth_l1_loss(raw[:, SIZE], maps[:, SIZE], reduction="none", beta=0.5)
    parts["size"] = (off * in_objects).sum() / in_objects.sum().clamp(min=1)
    return parts


def total_loss(parts: dict[str, Tensor]) -> Tensor:
    """Return the weighted sum of the parts."""
    return torch.stack([PARTS[name] * value for name, value in parts.items()]).sum()


def _dice(found: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Return one minus the soft Dice coefficient, averaged over the batch."""
    found, wanted = found * known, wanted * known
    shared = (found * wanted).sum(dim=(1, 2))
    both = found.square().sum(dim=(1, 2)) + wanted.square().sum(dim=(1, 2))
    return (1 - (2 * shared + 10) / (both + 10)).mean()
