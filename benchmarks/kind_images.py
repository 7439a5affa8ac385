"""Planes with labels by kind of image, from folders like ``SET/images`` with ``SET/labels``."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tifffile import TiffFile, imread

from data import read_image
from napari_segany.core.intensity import to_rgb
from napari_segany.training.datasets import find_images


@dataclass(frozen=True)
class KindPlane:
    """A plane of a labelled image; ``plane`` is its number in a stack."""

    kind: str
    image: str
    plane: int | None
    image_path: Path
    labels_path: Path

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 as the model is given it, and (H, W) labels."""
        image, labels = read_image(self.image_path), imread(self.labels_path)
        if self.plane is not None:
            image, labels = image[self.plane], labels[self.plane]
        return to_rgb(image), labels


def every_nth(given: Sequence[str]) -> tuple[int, dict[str, int]]:
    """The step for all sets, and those of single ones, from N and SET=N."""
    steps = {name: int(n) for name, _, n in (text.partition("=") for text in given) if n}
    alone = [int(text) for text in given if "=" not in text]
    if len(alone) > 1 or min([*steps.values(), *alone], default=1) < 1:
        raise SystemExit(f"--every takes one N from 1 on, and SET=N, got {' '.join(given)}.")
    return alone[0] if alone else 1, steps


def find_planes(
    folders: Sequence[Path],
    sets: Sequence[str] | None,
    every: Sequence[str],
    split: str | None,
) -> list[KindPlane]:
    """All planes: the first of each kind, the second of each, so that a short run has all kinds.

    ``split`` takes images of training sets instead (:func:`training.datasets.find_images`), whose
    kinds are those that training balances.
    """
    step, steps = every_nth(every)
    found: list[KindPlane] = []
    for folder in folders:
        if split is not None:
            found += [
                KindPlane(each.kind, each.name, None, each.image_path, each.labels_path)
                for each in find_images(folder)
                if each.split == split and (not sets or set_of(each.labels_path) in sets)
            ]
            continue
        for name in sorted(path.parent.name for path in folder.glob("*/labels")):
            if not sets or name in sets:
                found += _planes(folder / name, steps.get(name, step))
    if not found:
        raise SystemExit("No labelled image is there; see --data, --sets and --split.")
    before: Counter[str] = Counter()
    turns = []
    for each in found:
        turns.append(before[each.kind])
        before[each.kind] += 1
    return [found[n] for n in sorted(range(len(found)), key=lambda n: turns[n])]


def set_of(labels_path: Path) -> str:
    """Name of the set that labels lie in."""
    return labels_path.parents[1].name


def _planes(folder: Path, step: int) -> Iterator[KindPlane]:
    modalities = _modalities(folder)
    for path in sorted((folder / "images").iterdir()):
        labels = folder / "labels" / f"{path.stem}.tif"
        kind = folder.name
        if modality := modalities.get(path.stem):
            kind += f"_{modality.partition('_')[0]}"
        with TiffFile(labels) as file:
            shape = file.series[0].shape
        if len(shape) == 2:
            yield KindPlane(kind, path.stem, None, path, labels)
        else:
            for plane in range(0, shape[0], step):
                yield KindPlane(kind, path.stem, plane, path, labels)


def _modalities(folder: Path) -> Mapping[str, str]:
    """Modality of each image of a set whose manifest names several."""
    path = folder.parent / "MANIFEST.json"
    if not path.is_file():
        return {}
    items = json.loads(path.read_text("utf-8"))["sets"].get(folder.name, {}).get("items", [])
    return {item["name"]: item["modality"] for item in items if "modality" in item}
