"""Sets of scored, possibly overlapping masks of one plane, kept as cropped bits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core import binary_mask, rasterize
from napari_segany.core.coco_annotation import coco_annotations
from napari_segany.core.lazy_logits import Logits, RecomputedLogits, join_logits
from napari_segany.core.mask_classes import MaskClasses, join_classes
from napari_segany.core.nms import Overlaps, box_nms, mask_nms
from napari_segany.core.overlap import Nms, Overlap
from napari_segany.core.packed_masks import PackedMasks
from napari_segany.core.refilterable import Refilterable
from napari_segany.core.sequences import listed
from napari_segany.errors import InputError


@dataclass(frozen=True, eq=False)
class MaskSet:
    """N masks of one plane with their scores.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the plane.
    boxes : ndarray
        (N, 4) int64 half-open row_min, col_min, row_max, col_max; zeros for an empty mask.
    area : ndarray
        (N,) int64, pixels.
    predicted_iou : ndarray
        (N,) float32, the model's own estimate of each mask's IoU (it can exceed 1).
    stability_score : ndarray
        (N,) float32 in 0..1, IoU of the mask at logits above +1 and above -1.
    points : ndarray
        (N, 2) float64 row, column of the point that found each mask, NaN if none did.
    crop_boxes : ndarray
        (N, 4) int64, the crop of the plane in which each mask was found.
    low_res_logits : ndarray or None
        (N, m, m) float32 logits in the model's frame; only ``predict`` gives them. Those of a call
        with many prompts are computed anew, to the same bytes, each time that they are read.
    candidate : ndarray
        (N,) int64 index of each mask among all candidates, in sets from a generator; it
        stays the same whatever a filter lets through. Elsewhere 0, 1, 2 ...
    prompts_asked : int
        Number of prompts that were given to the model to find these masks.
    classes : MaskClasses or None
        The class of each mask, in sets that were found by text.
    """

    shape: tuple[int, int]
    boxes: NDArray[np.int64]
    area: NDArray[np.int64]
    predicted_iou: NDArray[np.float32]
    stability_score: NDArray[np.float32]
    points: NDArray[np.float64]
    crop_boxes: NDArray[np.int64]
    candidate: NDArray[np.int64]
    prompts_asked: int = 0
    classes: MaskClasses | None = None
    _bits: PackedMasks = field(default_factory=lambda: PackedMasks.of([]), repr=False)
    _logits: Logits | None = field(default=None, repr=False)
    _candidates: "Refilterable[MaskSet] | None" = field(default=None, repr=False)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "MaskSet":
        """Return a set of no masks on a plane of ``shape`` (H, W)."""
        return cls.from_masks(np.zeros((0, *shape), bool))

    @classmethod
    def from_masks(
        cls,
        masks: ArrayLike,
        predicted_iou: ArrayLike | None = None,
        stability_score: ArrayLike | None = None,
        points: ArrayLike | None = None,
        low_res_logits: NDArray[np.float32] | None = None,
    ) -> "MaskSet":
        """Pack (N, H, W) boolean masks; scores default to 1 and points to NaN."""
        full = np.asarray(listed(masks), dtype=bool)
        if full.ndim != 3:
            raise InputError(f"masks must have shape (N, H, W), got {full.shape}.")
        return cls.from_crops(
            (full.shape[1], full.shape[2]),
            list(full),
            [(0, 0)] * len(full),
            predicted_iou,
            stability_score,
            points,
            low_res_logits,
        )

    @classmethod
    def from_crops(
        cls,
        shape: tuple[int, int],
        masks: Sequence[NDArray[np.bool_]],
        origins: Sequence[tuple[int, int]],
        predicted_iou: ArrayLike | None = None,
        stability_score: ArrayLike | None = None,
        points: ArrayLike | None = None,
        low_res_logits: Logits | None = None,
        crop_box: tuple[int, int, int, int] | None = None,
    ) -> "MaskSet":
        """Pack masks known on parts of a plane of ``shape`` only, empty elsewhere.

        ``masks`` holds N boolean arrays and ``origins`` the row and column of each one's first
        pixel; scores default to 1, points to NaN and ``crop_box`` to the whole plane.
        """
        masks, origins = list(masks), list(origins)
        count = len(masks)
        within = np.array([binary_mask.bounding_box(m) for m in masks], np.int64).reshape(-1, 4)
        crops = [mask[a:c, b:d] for mask, (a, b, c, d) in zip(masks, within, strict=True)]
        area = np.array([np.count_nonzero(c) for c in crops], np.int64)
        offset = np.tile(np.array(origins, np.int64).reshape(-1, 2), 2)
        boxes = np.where(area[:, None] > 0, within + offset, 0)
        logits = getattr(low_res_logits, "chosen", low_res_logits)
        given = {"predicted_iou": predicted_iou, "stability_score": stability_score}
        for name, values in {**given, "points": points, "low_res_logits": logits}.items():
            if values is not None and len(np.asarray(values)) != count:
                raise InputError(f"There are {count} masks but {len(np.asarray(values))} {name}.")
        ones = np.ones(count, np.float32)
        given = {name: ones if each is None else each for name, each in given.items()}
        return cls(
            shape=shape,
            boxes=boxes,
            area=area,
            predicted_iou=np.asarray(given["predicted_iou"], np.float32),
            stability_score=np.asarray(given["stability_score"], np.float32),
            points=np.asarray(ones[:, None] * [nan, nan] if points is None else points, np.float64),
            crop_boxes=np.tile(np.array(crop_box or (0, 0, *shape), np.int64), (count, 1)),
            candidate=np.arange(count, dtype=np.int64),
            _logits=low_res_logits,
            _bits=PackedMasks.of(
                [binary_mask.pack(c, int(box[1])) for c, box in zip(crops, boxes, strict=True)]
            ),
        )

    @classmethod
    def concatenate(cls, sets: Iterable["MaskSet"]) -> "MaskSet":
        """Join sets of one plane, in order; classes are kept if all have the same."""
        sets = tuple(sets)
        if len({s.shape for s in sets}) != 1:
            raise InputError("Give mask sets of one plane, and at least one, to join them.")
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(s, name) for s in sets]) for name in _COLUMNS
        }
        return cls(
            shape=sets[0].shape,
            **columns,
            _logits=join_logits([s._logits for s in sets]),
            prompts_asked=sum(s.prompts_asked for s in sets),
            classes=join_classes((s.classes, len(s)) for s in sets),
            _bits=PackedMasks.concatenate(s._bits for s in sets),
        )

    def __len__(self) -> int:
        return len(self._bits)

    def __getitem__(
        self, index: int | slice | NDArray[np.bool_] | NDArray[np.integer]
    ) -> "MaskSet":
        """Return the chosen masks as a set, in the given order."""
        chosen = np.atleast_1d(np.arange(len(self))[listed(index)])
        return replace(
            self,
            **{name: getattr(self, name).take(chosen, axis=0) for name in _COLUMNS},
            classes=None if self.classes is None else self.classes[chosen],
            _logits=None if self._logits is None else self._logits[chosen],
            _bits=self._bits[chosen],
            _candidates=None,
        )

    @property
    def low_res_logits(self) -> NDArray[np.float32] | None:
        """(N, m, m) float32 logits in the model's frame, None where there are none."""
        return self._logits.now() if isinstance(self._logits, RecomputedLogits) else self._logits

    def without_logits(self) -> "MaskSet":
        """Return the set without its logits."""
        return replace(self, _logits=None)

    def on_disk(self) -> "MaskSet":
        """Return the set with the pixels of all masks in a temporary file, which goes with it."""
        return replace(self, _bits=self._bits.on_disk())

    def with_candidates(self, candidates: "Refilterable[MaskSet]") -> "MaskSet":
        """Return these masks as a choice among candidates, which can be filtered again."""
        return replace(self, _candidates=candidates)

    @property
    def refilterable(self) -> "Refilterable[MaskSet] | None":
        """The candidates that the set was chosen from, None where there are no others."""
        return self._candidates

    @property
    def all_candidates(self) -> "MaskSet":
        """Every candidate down to the loosest bounds, in sets from a generator."""
        return self if self._candidates is None else self._candidates.masks

    @property
    def loosest(self) -> tuple[float, float]:
        """Predicted IoU and stability below which no candidate was kept for :meth:`filter`."""
        return (0.0, 0.0) if self._candidates is None else self._candidates.loosest

    def __iter__(self) -> Iterator["MaskSet"]:
        return (self[i] for i in range(len(self)))

    @property
    def packed(self) -> PackedMasks:
        """The bits of all masks within their boxes."""
        return self._bits

    def crop(self, i: int) -> NDArray[np.bool_]:
        """Return mask ``i`` within its box, boolean."""
        return binary_mask.unpack(self._bits.bits(i), *self.boxes[i, 1::2].tolist())

    def count_shared(self, one: NDArray[Any], two: NDArray[Any]) -> NDArray[np.int64]:
        """Count the pixels that (P,) masks ``one`` and ``two`` share, pair by pair."""
        return self._bits.count_shared(self.boxes, one, two)

    def shared_pixels(self, i: int, j: int) -> int:
        """Count the pixels that masks ``i`` and ``j`` share."""
        return int(self.count_shared(np.array([i]), np.array([j]))[0])

    def mask(self, i: int) -> NDArray[np.bool_]:
        """Return mask ``i`` as a boolean (H, W) image."""
        full = np.zeros(self.shape, bool)
        a, b, c, d = self.boxes[i]
        full[a:c, b:d] = self.crop(i)
        return full

    def with_masks(self, other: "MaskSet") -> "MaskSet":
        """Return the set with the pixels of ``other``, mask by mask."""
        return replace(self, boxes=other.boxes, area=other.area, _bits=other._bits)

    def with_columns(self, columns: Mapping[str, NDArray[Any]], prompts_asked: int) -> "MaskSet":
        """Return the set with other scores and points; each column has an entry a mask."""
        kept: Any = {name: columns[name] for name in _COLUMNS}
        return replace(self, **kept, prompts_asked=prompts_asked)

    def nms(
        self,
        threshold: float,
        kind: Nms = "mask",
        scores: NDArray[np.floating] | None = None,
    ) -> "MaskSet":
        """Suppress masks that overlap a better one by more than ``threshold``; best first.

        Parameters
        ----------
        threshold : float
            Overlap, 0..1.
        kind : {"mask", "box", "smaller"}
            IoU of the masks, IoU of their boxes as in the published code, or the fraction of the
            smaller mask that both share.
        scores : ndarray, optional
            (N,) what "best" means; the predicted IoU by default.
        """
        if kind not in get_args(Nms):
            raise InputError(f"kind must be 'mask', 'box' or 'smaller', got {kind!r}.")
        scores = self.predicted_iou if scores is None else scores
        if kind != "box":
            overlaps = Overlaps(self.boxes, self.area, self.count_shared)
            kept = mask_nms(overlaps, scores, threshold, smaller=kind == "smaller")
        else:
            kept = box_nms(self.inclusive_boxes, scores, threshold)
        return self[kept]

    @property
    def best_first(self) -> NDArray[np.float32]:
        """(N,) scores that order masks: of their classes if they have any, else predicted IoU."""
        return self.predicted_iou if self.classes is None else self.classes.scores

    @property
    def inclusive_boxes(self) -> NDArray[np.int64]:
        """(N, 4) boxes from first to last pixel, as the published code measures them."""
        return self.boxes - np.where(self.area[:, None] > 0, [0, 0, 1, 1], 0)

    def filter(
        self,
        *,
        pred_iou_thresh: float | None = None,
        stability_score_thresh: float | None = None,
        min_area: int | None = None,
        max_area: int | None = None,
        nms_thresh: float | None = None,
        nms: Nms | None = None,
        min_mask_region_area: int | None = None,
        min_solidity: float | None = None,
        exclude_border: bool | None = None,
    ) -> "MaskSet":
        """Return the masks that pass every bound, without the model.

        A set from a generator is chosen anew from all candidates that were found, so that looser
        bounds bring masks back; what is not given stays as it was. With "grid" and "finder" the
        result is that of a new run with these bounds, with "adaptive" that of one which also has
        the same ``steering_pred_iou`` and ``steering_stability``. Other sets can only lose masks.

        Parameters
        ----------
        pred_iou_thresh : float, optional
            Keep masks whose predicted IoU exceeds this; 0 keeps all.
        stability_score_thresh : float, optional
            Keep masks at least this stable, 0..1.
        min_area, max_area : int, optional
            Bounds on the area in pixels, both included.
        nms_thresh : float, optional
            Drop masks that overlap a better one by more than this IoU.
        nms : {"mask", "box", "smaller"}, optional
            Measure of that overlap, as for :meth:`nms`.
        min_mask_region_area : int, optional
            Fill holes and drop specks below this many pixels.
        min_solidity : float, optional
            Keep masks that fill at least this fraction of their convex hull.
        exclude_border : bool, optional
            Drop masks that touch the border of the plane.

        Raises
        ------
        InputError
            If a bound is looser than the candidates that were kept.
        """
        if self._candidates is not None:
            return self._candidates.filtered(
                pred_iou_thresh=pred_iou_thresh,
                stability_score_thresh=stability_score_thresh,
                min_area=min_area,
                max_area=max_area,
                nms_thresh=nms_thresh,
                nms=nms,
                min_mask_region_area=min_mask_region_area,
                min_solidity=min_solidity,
                exclude_border=exclude_border,
            )
        if min_mask_region_area or min_solidity or exclude_border:
            raise InputError(
                "Only sets that generate returned can be filtered by shape or cleaned up."
            )
        keep = self.area >= (min_area or 0)
        if pred_iou_thresh:
            keep &= self.predicted_iou > pred_iou_thresh
        if stability_score_thresh:
            keep &= self.stability_score >= stability_score_thresh
        if max_area is not None:
            keep &= self.area <= max_area
        chosen = self[keep]
        return chosen if nms_thresh is None else chosen.nms(nms_thresh, nms or "mask")

    def to_labels(
        self,
        overlap: Overlap = "small_on_top",
        min_area: int = 0,
        fill_holes: int = 0,
        drop_specks: int = 0,
        min_visible: float = 0.1,
    ) -> NDArray[np.int32]:
        """Paint the masks into one non-overlapping (H, W) int32 image, 0 where there is none.

        See :func:`napari_segany.core.rasterize.paint` for the parameters.
        """
        labels, _ = rasterize.paint(self, overlap, min_area, fill_holes, drop_specks, min_visible)
        return labels.astype(np.int32)

    def to_coco(self, image_id: int = 1, category_id: int = 1) -> list[dict[str, Any]]:
        """Return COCO annotations with uncompressed run lengths; boxes are x, y, width, height.

        Masks with classes have the category 1, 2 ... of their class in place of ``category_id``.
        """
        same = np.full(len(self), category_id)
        categories = same if self.classes is None else self.classes.index + 1
        crops = (self.crop(i) for i in range(len(self)))
        about = self.shape, self.boxes, self.area, (self.predicted_iou, self.stability_score)
        return coco_annotations(crops, *about, image_id, categories.tolist())

    def table(self) -> Mapping[str, NDArray[np.generic]]:
        """Return one row a mask, as columns; ``pandas.DataFrame(ms.table())`` works."""
        columns: dict[str, NDArray[np.generic]] = {
            "area": self.area,
            "predicted_iou": self.predicted_iou,
            "stability_score": self.stability_score,
            "point_row": self.points[:, 0],
            "point_col": self.points[:, 1],
        }
        for k, name in enumerate(("row_min", "col_min", "row_max", "col_max")):
            columns[name] = self.boxes[:, k]
        return columns if self.classes is None else columns | self.classes.columns()

    def __repr__(self) -> str:
        return f"MaskSet({len(self)} masks on {self.shape[0]} x {self.shape[1]})"


_COLUMNS = (
    *("boxes", "area", "predicted_iou", "stability_score", "points", "crop_boxes"),
    "candidate",
)
