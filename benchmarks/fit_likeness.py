"""Fit the comparison of masks with examples on labelled images of many kinds.

    python benchmarks/fit_likeness.py --data TRAINING_SETS

takes images that no finder of the package was trained on (the splits "calibrate" and "validate"),
prints for each kind how well masks like an example are told from others by a comparison that was
fitted on the other kinds, and with ``--write`` renews ``generators/exemplars/likeness.json``.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data import add_data_option, data_folder
from kind_images import KindPlane, find_planes
from napari_segany import FinderParams, MaskSet, Prompt, PromptableModel
from napari_segany.core.prompts import prompt_boxes
from napari_segany.generators.answer_each import answer_each
from napari_segany.generators.exemplars import likeness
from napari_segany.generators.exemplars.descriptors import Descriptors, describe_masks
from napari_segany.generators.exemplars.likeness import Comparison, pair_features
from napari_segany.generators.exemplars.search import quality_of_masks
from napari_segany.generators.finder import FinderGenerator
from napari_segany.models.device import choose_device
from sides import load_ours

ALIKE, OTHER = 0.6, 0.2
"""IoU with an object from which a mask is like it, and below which it is none."""

SEEN = 0.3
"""Quality above which a mask that is no object could be taken for one."""

EXAMPLES = 3
"""Objects of each plane that are examples."""

FOREIGN = 100
"""Masks of planes of another kind that are compared with each example."""

POINTS = 6
"""Points a side at which the model proposes masks, too."""


@dataclass(frozen=True)
class Measured:
    """Masks of a plane, and examples of its objects."""

    kind: str
    found: Descriptors
    quality: np.ndarray
    best_iou: np.ndarray
    examples: Descriptors


def measure(plane: KindPlane, model: PromptableModel, rng: np.random.Generator) -> Measured | None:
    """Propose masks of a plane and compare them with the truth; None without enough objects."""
    rgb, truth = plane.read()
    ids, areas = np.unique(truth[truth > 0], return_counts=True)
    if len(ids) < EXAMPLES:
        return None
    shape = rgb.shape[:2]
    embedding = model.embed(rgb, stages=True)
    params = FinderParams(pred_iou_thresh=0.0, min_area=0).resolved_for(model)
    regions = FinderGenerator(params).find(model, rgb, embedding=embedding).all_candidates
    points = np.stack(np.mgrid[:POINTS, :POINTS], axis=-1).reshape(-1, 2)
    places = (points + 0.5) / POINTS * shape - 0.5
    asked = [Prompt(points=[each], labels=[1]) for each in places]
    masks = model.predict(embedding, asked, multimask=True, low_res_logits=False)
    answers = MaskSet.concatenate([*masks]).without_logits()
    answers = answers[answers.area > 0]
    chosen = [truth == i for i in rng.choice(ids, EXAMPLES, replace=False)]
    boxes = prompt_boxes(MaskSet.from_masks(np.array(chosen)).boxes, 0, shape)
    prompts = [Prompt(box=box) for box in boxes]
    examples = answer_each(model, embedding, prompts, lambda done, total: None)
    both = MaskSet.concatenate([regions, answers])
    known = np.array([keep_known(both, i, truth) for i in range(len(both))], bool)
    quality = np.concatenate([quality_of_masks(regions, True), quality_of_masks(answers, False)])
    best = np.array([best_iou(both, i, truth, ids, areas) for i in range(len(both))])
    found = describe_masks(model, embedding, rgb, both)
    return Measured(
        plane.kind,
        found[known],
        quality[known],
        best[known],
        describe_masks(model, embedding, rgb, examples[examples.area > 0]),
    )


def keep_known(masks: MaskSet, i: int, truth: np.ndarray) -> bool:
    """Whether a mask lies mostly where the truth is known."""
    a, b, c, d = masks.boxes[i]
    return bool((truth[a:c, b:d][masks.crop(i)] < 0).mean() < 0.5)


def best_iou(
    masks: MaskSet, i: int, truth: np.ndarray, ids: np.ndarray, areas: np.ndarray
) -> float:
    """IoU of a mask with the object that it fits best."""
    a, b, c, d = masks.boxes[i]
    inside = truth[a:c, b:d][masks.crop(i)]
    own, shared = np.unique(inside[inside > 0], return_counts=True)
    if not len(own):
        return 0.0
    union = areas[np.searchsorted(ids, own)] + masks.area[i] - shared
    return float((shared / union).max())


@dataclass(frozen=True)
class Pairs:
    """Features of masks and examples, whether they are alike, weights and kinds."""

    features: np.ndarray
    alike: np.ndarray
    weights: np.ndarray
    kinds: np.ndarray

    def of(self, chosen: np.ndarray) -> "Pairs":
        """Some of the pairs."""
        return Pairs(*(each[chosen] for each in vars(self).values()))


def gather(planes: Sequence[Measured], rng: np.random.Generator) -> Pairs:
    """Pairs of each example with masks of its plane, and with masks of another kind."""
    features, alike, weights, kinds = [], [], [], []
    for plane in planes:
        others = [each for each in planes if each.kind != plane.kind]
        for k in range(len(plane.examples)):
            example = plane.examples[k : k + 1]
            foreign = others[rng.integers(len(others))]
            away = np.flatnonzero(foreign.quality > SEEN)
            away = rng.permutation(away)[:FOREIGN]
            seen = plane.quality > SEEN
            groups = (
                (plane.found, np.flatnonzero(plane.best_iou > ALIKE), 1, 1.0),
                (plane.found, np.flatnonzero((plane.best_iou < OTHER) & seen), 0, 0.5),
                (foreign.found, away, 0, 0.5),
            )
            for found, chosen, value, weight in groups:
                if len(chosen):
                    features.append(pair_features(found[chosen], example))
                    alike.append(np.full(len(chosen), value))
                    weights.append(np.full(len(chosen), weight / len(chosen)))
                    kinds.append(np.full(len(chosen), plane.kind))
    return Pairs(*(np.concatenate(each) for each in (features, alike, weights, kinds)))


def fit(pairs: Pairs) -> Comparison:
    """Fit a comparison; features are scaled for the penalty only."""
    mean, scale = pairs.features.mean(axis=0), pairs.features.std(axis=0) + 1e-3
    regression = LogisticRegression(C=0.1, max_iter=1000)
    weights = pairs.weights / pairs.weights.mean()
    regression.fit((pairs.features - mean) / scale, pairs.alike, sample_weight=weights)
    slopes = regression.coef_[0] / scale
    return Comparison(slopes, float(regression.intercept_[0] - (slopes * mean).sum()))


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--planes", type=int, default=2, help="planes of each kind (default: 2)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="renew the package's comparison")
    args = parser.parse_args()
    model, folder = load_ours(choose_device(args.device), "auto"), data_folder(args)
    rng, counts = np.random.default_rng(0), Counter()
    measured = []
    for split in ("calibrate", "validate"):
        for plane in find_planes([folder], None, [], split):
            if counts[plane.kind] < args.planes and (each := measure(plane, model, rng)):
                counts[plane.kind] += 1
                measured.append(each)
                print(plane.kind, plane.image, len(each.found), flush=True)
    pairs = gather(measured, rng)
    for kind in sorted(counts):
        own = pairs.of(pairs.kinds == kind)
        other = fit(pairs.of(pairs.kinds != kind))
        rated = own.features @ other.weights + other.bias
        area = roc_auc_score(own.alike, rated, sample_weight=own.weights)
        print(f"{kind:24} area under the ROC curve {area:.3f} by the other kinds")
    whole = fit(pairs)
    for name, weight in zip(likeness.FEATURES, whole.weights, strict=True):
        print(f"  {name:16} {weight:+.3f}")
    if args.write:
        path = resources.files("napari_segany.generators.exemplars") / "likeness.json"
        Path(str(path)).write_text(json.dumps(whole.to_dict(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
