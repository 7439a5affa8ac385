"""Prompts: points, box, mask or logits that describe one object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.sequences import listed
from napari_segany.errors import InputError


def _numbers(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    try:
        given = np.asarray(value)
        if given.dtype.kind == "c":
            raise TypeError("complex numbers are no coordinates")
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be real numbers, got {value!r}.") from error
    fits = len(shape) == array.ndim and all(
        n is None or n == m for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise InputError(f"{name} must have shape ({wanted}), got {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, got {value!r}.")
    array.flags.writeable = False
    return array


SAME_PLACE = 1e-6
"""Distance in pixels up to which positions are equal; transforms of layers round."""

SHORTEST_SIDE = 0.5
"""Shortest side in pixels of boxes that prompts are made of."""


def prompt_boxes(
    boxes: NDArray[Any], margins: ArrayLike, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return boxes for prompts from boxes along the edges of pixels, larger by margins.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) row_min, col_min, row_max, col_max in pixels; a box of one pixel has sides of 1.
    margins : array_like
        (N, 4) or a number of pixels, by which each side moves outwards.
    shape : tuple of int
        Rows and columns of the plane, which the boxes are kept in.

    Returns
    -------
    ndarray
        (N, 4) float64, through the centres of the outermost pixels, where coordinates are whole
        numbers; no side is shorter than half a pixel.
    """
    outwards = np.asarray(margins, np.float64) * (-1, -1, 1, 1)
    limits = np.array(shape * 2, np.float64) - 1
    grown: NDArray[np.float64] = np.clip(boxes - (0.0, 0.0, 1.0, 1.0) + outwards, 0, limits)
    grown[:, 2:] = np.maximum(grown[:, 2:], grown[:, :2] + SHORTEST_SIDE)
    return grown


def _is_empty(value: ArrayLike) -> bool:
    # Not through NumPy, which refuses ragged lists before they can be told.
    if isinstance(value, np.ndarray):
        return value.size == 0
    return isinstance(value, Sequence) and len(value) == 0


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt for one object: points, a box, a mask or previous logits.

    Coordinates are (row, column) with pixel centres at integers.

    Parameters
    ----------
    points : array_like, optional
        (N, 2).
    labels : array_like, optional
        (N,): 1 for points on the object, 0 for points off it. All 1 by default.
    box : array_like, optional
        (row_min, col_min, row_max, col_max).
    mask : array_like or MaskSet, optional
        Approximate mask of the object: a binary (H, W) image of the plane's shape, or a set of
        one mask, which needs no more memory than the object.
    mask_logits : array_like or MaskSet, optional
        (256, 256) ``low_res_logits`` of a previous candidate, to refine it; or the candidate
        itself, a set of one mask that has logits, which also says in which crop of a large plane
        it was found.
    logits_crop : array_like, optional
        (row_min, col_min, row_max, col_max) in pixels of the crop that ``mask_logits`` belong to;
        needed on planes that are embedded in tiles, where a candidate in ``mask_logits`` has it.
    object_size : float, optional
        Longer side of the object in pixels, about; decides how large a crop of a large plane the
        model sees around points. A box or a mask says it by itself. Without effect on planes that
        are embedded as a whole.

    Raises
    ------
    InputError
        If nothing is given, or something has the wrong shape or values.

    Examples
    --------
    >>> Prompt(points=[[120, 88], [40, 30]], labels=[1, 0])
    Prompt(2 points)
    """

    points: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    box: NDArray[np.float64] | None = None
    region: MaskSet | None = None
    mask_logits: NDArray[np.float32] | None = None
    logits_crop: NDArray[np.float64] | None = None
    object_size: float | None = None

    def __init__(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | MaskSet | None = None,
        mask_logits: ArrayLike | MaskSet | None = None,
        logits_crop: ArrayLike | None = None,
        object_size: float | None = None,
    ) -> None:
        points, labels, box = listed(points), listed(labels), listed(box)
        mask, mask_logits = listed(mask), listed(mask_logits)
        if isinstance(mask_logits, MaskSet):
            mask_logits, logits_crop = _logits_of(mask_logits)
        fields: dict[str, Any] = dict.fromkeys(("points", "labels", "box", "region", "mask_logits"))
        if points is not None and not _is_empty(points):
            fields["points"] = _numbers("points", points, (None, 2))
        fields["labels"] = _check_labels(labels, fields["points"])
        if box is not None:
            fields["box"] = _check_box(box)
        if mask is not None and mask_logits is not None:
            raise InputError("Give either mask or mask_logits, not both.")
        if mask is not None:
            fields["region"] = _check_mask(mask)
        if mask_logits is not None:
            logits = _numbers("mask_logits", mask_logits, (None, None)).astype(np.float32)
            logits.flags.writeable = False
            fields["mask_logits"] = logits
        if all(value is None for value in fields.values()):
            raise InputError("A prompt needs at least one of points, box, mask and mask_logits.")
        fields["logits_crop"] = None if logits_crop is None else _check_box(logits_crop)
        fields["object_size"] = _check_size(object_size)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """The (H, W) binary mask prompt, None if there is none."""
        return None if self.region is None else self.region.mask(0)

    def with_point(self, row: float, col: float, positive: bool = True) -> "Prompt":
        """Return the prompt with one more point, on the object or off it."""
        points = [] if self.points is None else self.points.tolist()
        labels = [] if self.labels is None else self.labels.tolist()
        points, labels = [*points, [row, col]], [*labels, int(positive)]
        return self.changed(points=points, labels=labels)

    def with_box(self, box: ArrayLike) -> "Prompt":
        """Return the prompt with another box."""
        return self.changed(box=box)

    def refining(self, candidate: MaskSet) -> "Prompt":
        """Return the prompt with the logits of a candidate, a set of one mask, and no mask."""
        return self.changed(mask=None, mask_logits=candidate)

    def changed(self, **parts: Any) -> "Prompt":
        """Return the prompt with other parts, named as those of the constructor."""
        own = {
            "points": self.points,
            "labels": self.labels,
            "box": self.box,
            "mask": self.region,
            "mask_logits": self.mask_logits,
            "logits_crop": self.logits_crop,
            "object_size": self.object_size,
        }
        return Prompt(**(own | parts))

    @property
    def has_mask(self) -> bool:
        """True if a mask or previous logits are part of the prompt."""
        return self.region is not None or self.mask_logits is not None

    def completed(self) -> "Prompt":
        """Return the prompt, with the bounding box of its mask if it has nothing but a mask.

        The models were trained to refine masks together with points or boxes. They segment poorly
        from a mask alone.
        """
        if self.region is None or self.points is not None or self.box is not None:
            return self
        a, b, c, d = self.region.boxes[0].tolist()
        # A box is continuous: its edges pass through the outermost pixels' centres.
        box = np.array([a, b, max(c - 1, a + 0.5), max(d - 1, b + 0.5)])
        return self.changed(box=box)

    @property
    def is_ambiguous(self) -> bool:
        """True if the prompt is a single point, which may mean the whole, a part or a subpart."""
        single = self.points is not None and len(self.points) == 1
        return single and self.box is None and not self.has_mask

    @property
    def first_point(self) -> NDArray[np.float64]:
        """The first point on the object, (2,); NaN if there is none."""
        if self.points is not None and self.labels is not None and (self.labels == 1).any():
            point: NDArray[np.float64] = self.points[np.argmax(self.labels == 1)]
            return point
        return np.full(2, np.nan)

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Raise InputError unless the prompt fits a plane of ``shape`` (H, W)."""
        size = np.asarray(shape)
        if self.points is not None:
            outside = ((self.points < -0.5) | (self.points > size - 0.5)).any(axis=1)
            if outside.any():
                row, col = self.points[outside][0]
                raise InputError(
                    f"The point ({row:g}, {col:g}) lies outside the plane, whose rows are "
                    f"0..{shape[0] - 1} and columns 0..{shape[1] - 1}."
                )
        if self.box is not None and ((self.box[2:] <= -0.5) | (self.box[:2] >= size)).any():
            raise InputError(
                f"The box {self.box.tolist()} lies outside the plane of shape {shape}."
            )
        if self.region is not None and self.region.shape != tuple(shape):
            raise InputError(
                f"The mask has shape {self.region.shape} but the plane has shape {tuple(shape)}."
            )

    def __repr__(self) -> str:
        parts = []
        if self.points is not None:
            parts.append(f"{len(self.points)} point{'s' if len(self.points) > 1 else ''}")
        if self.box is not None:
            parts.append(f"box {self.box.tolist()}")
        given = {"mask": self.region, "mask_logits": self.mask_logits}
        parts += [name for name, value in given.items() if value is not None]
        return f"Prompt({', '.join(parts)})"


def _check_labels(
    labels: ArrayLike | None, points: NDArray[np.generic] | None
) -> NDArray[np.int64] | None:
    if points is None:
        if labels is not None and not _is_empty(labels):
            raise InputError("labels were given without points.")
        return None
    if labels is None:
        out = np.ones(len(points), np.int64)
    else:
        values = _numbers("labels", labels, (None,))
        if len(values) != len(points):
            raise InputError(f"There are {len(points)} points but {len(values)} labels.")
        if not np.isin(values, (0, 1)).all():
            raise InputError(f"labels must be 1 (on the object) or 0 (off it), got {labels!r}.")
        out = values.astype(np.int64)
    out.flags.writeable = False
    return out


def _check_box(box: ArrayLike) -> NDArray[np.float64]:
    values = _numbers("box", box, (4,))
    if (values[2:] - values[:2] <= SAME_PLACE).any():
        raise InputError(
            f"box must be (row_min, col_min, row_max, col_max) with min < max, got {box!r}."
        )
    return values


def _logits_of(candidate: MaskSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the (m, m) logits of a set of one mask and the crop in which it was found."""
    logits = candidate.low_res_logits
    if len(candidate) != 1 or logits is None:
        raise InputError(
            f"mask_logits must be one mask with logits, got {candidate!r}; choose one candidate of "
            "what predict returned."
        )
    return logits[0], candidate.crop_boxes[0]


def _check_size(size: float | None) -> float | None:
    if size is None:
        return None
    (value,) = _numbers("object_size", [size], (1,)).tolist()
    if value <= 0:
        raise InputError(f"object_size must be above 0, got {size!r}.")
    return float(value)


def _check_mask(mask: ArrayLike | MaskSet) -> MaskSet:
    if isinstance(mask, MaskSet):
        region = mask
    else:
        array = np.array(mask)
        if array.ndim != 2 or array.dtype.kind not in "bui":
            raise InputError(
                f"mask must be a binary (H, W) image, got shape {array.shape} of type "
                f"{array.dtype}."
            )
        region = MaskSet.from_masks(array.astype(bool)[None])
    if len(region) != 1:
        raise InputError(f"mask must be one mask, got a set of {len(region)}.")
    if not region.area[0]:
        raise InputError("The mask prompt is empty: no pixel of it is set.")
    return region


def group_alike(prompts: Sequence[Prompt]) -> list[list[int]]:
    """Return groups of indices of prompts that can be decoded together.

    Prompts of a group have equal numbers of points, and all or none have a box and a mask. No
    prompt is padded to the length of another, because padding changes the result.
    """
    groups: dict[tuple[int, bool, bool], list[int]] = {}
    for i, prompt in enumerate(prompts):
        count = 0 if prompt.points is None else len(prompt.points)
        groups.setdefault((count, prompt.box is not None, prompt.has_mask), []).append(i)
    return list(groups.values())
