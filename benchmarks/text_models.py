"""Seconds of a processor to load a text model and to search an image, and the memory it takes.

    python benchmarks/text_models.py --random owlv2          # full size, random weights
    python benchmarks/text_models.py --folder owlv2_base     # a folder that transformers wrote

Random weights take the time of published ones. One process measures one model. Seconds are those
that its threads computed, so that other programs do not count.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch

from measure import facts, print_facts
from napari_segany.models.text_models import LOADERS
from napari_segany.models.text_protocol import TextDetector

PHRASES = ["a cell", "a nucleus"]


def tokenizer(family: str) -> Any:
    """A tokenizer of single letters with the special tokens of the family."""
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    if family == "grounding-dino":
        tokens = [f"[unused{n}]" for n in range(1100)]
        tokens[0], tokens[100], tokens[101], tokens[102] = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
        tokens[103], tokens[1012], tokens[1029] = "[MASK]", ".", "?"
        return transformers.BertTokenizer(vocab={t: n for n, t in enumerate(tokens)})
    tokens = ["!", *letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(
        vocab={t: n for n, t in enumerate(tokens)}, merges=[], pad_token="!"
    )


def write_random(family: str, folder: Path) -> None:
    """Write a model of the published size with random weights."""
    import transformers as hf

    if family == "owlv2":
        config = hf.Owlv2Config(vision_config={"image_size": 960, "patch_size": 16})
        model: Any = hf.Owlv2ForObjectDetection(config)
    elif family in ("sam3", "sam3_video"):
        model = hf.Sam3Model(hf.Sam3Config())
    elif family == "clip":
        model = hf.CLIPModel(hf.CLIPConfig())
    else:
        swin = hf.SwinConfig(window_size=7, out_features=["stage2", "stage3", "stage4"])
        model = hf.GroundingDinoForObjectDetection(
            hf.GroundingDinoConfig(backbone_config=swin, text_config=hf.BertConfig())
        )
    print(f"{family}\t{sum(p.numel() for p in model.parameters()) / 1e6:.0f} million parameters")
    model.save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)


def megabytes() -> float:
    """Most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def now_megabytes() -> float:
    """Memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def measure(family: str, folder: Path, device: torch.device, side: int) -> None:
    """Print seconds and memory of one model."""
    print_facts(facts(device))
    before, start = now_megabytes(), time.process_time()
    model = resolve_name(LOADERS[family])(folder, device)
    loading = time.process_time() - start
    plane = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    seconds = []
    for _ in range(2):
        start = time.process_time()
        if isinstance(model, TextDetector):
            count = len(model.find_boxes(plane, PHRASES).boxes)
            unit = "boxes"
        else:
            boxes = np.tile([[0, 0, side // 4, side // 4]], (64, 1))
            count = len(model.score_boxes(plane, boxes, PHRASES, ["background"]))
            unit = "crops"
        seconds.append(time.process_time() - start)
    # Weights are mapped, and in memory once they were used.
    held = now_megabytes() - before
    print(
        f"{family}\tload {loading:.1f} s\tholds {held:.0f} MB\tat most {megabytes():.0f} MB\t"
        f"{side} x {side}: {min(seconds):.1f} s for {count} {unit}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--random", choices=tuple(LOADERS), help="family, with random weights")
    what.add_argument("--folder", type=Path, help="folder that transformers wrote")
    parser.add_argument("--family", choices=tuple(LOADERS), default="owlv2")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=640, help="pixels of the image's sides")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path, help="only write the random model to this folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.write is not None:
        write_random(args.random, args.write)
    elif args.folder is not None:
        measure(args.family, args.folder, torch.device(args.device), args.side)
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_random(args.random, Path(folder))
            measure(args.random, Path(folder), torch.device(args.device), args.side)


if __name__ == "__main__":
    main()
