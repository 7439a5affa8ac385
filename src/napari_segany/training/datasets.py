"""Labelled images for training, by kind of image, split by source."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_segany.errors import InputError

Split = Literal["train", "calibrate", "validate"]
"""Images that the network learns from, that scores are fitted on, that figures are reported on."""

SPLIT_SHARES: tuple[tuple[Split, float], ...] = (("validate", 0.12), ("calibrate", 0.1))
"""Share of a kind's images in each split, at least one source; the rest is for training."""

SOURCE_PATTERNS: dict[str, str] = {
    "em_axons_sem": r"sub-rat\d+",
    "em_axons_tem_srf": r"sub-[^_]+",
    "em_chloroplasts_leaf": r"y\d+_x\d+",
    "photo_insect_embryos": r"[^-]+",
    "stereo_fly_embryos": r"[^-]+",
    "bf_zebrafish_larvae": r"training|ex\w*\d_|.+",
}
"""Part of an image's name that is its source: an animal, a dish, a window of a volume. Images of
other sets are sources of their own."""


@dataclass(frozen=True)
class LabelledImage:
    """An image of a training set.

    Attributes
    ----------
    kind : str
        The set, and for sets of several modalities the modality: images that look alike.
    name : str
        Name of its files without ending.
    source : str
        Images of one source are in one split.
    split : str
        See :data:`Split`.
    image_path, labels_path : Path
        An 8-bit image, and the integer ids of its objects: 0 is background, -1 unknown.
    """

    kind: str
    name: str
    source: str
    split: Split
    image_path: Path
    labels_path: Path

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Read the (H, W, 3) uint8 image and its (H, W) int32 labels."""
        with Image.open(self.image_path) as image:
            rgb = np.asarray(image.convert("RGB"))
        labels = tifffile.imread(self.labels_path).astype(np.int32)
        if labels.shape != rgb.shape[:2]:
            raise InputError(
                f"{self.labels_path} has shape {labels.shape} but the image {rgb.shape[:2]}."
            )
        return rgb, labels


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``MANIFEST.json`` of a folder of training sets.

    Raises
    ------
    InputError
        If the folder has none.
    """
    path = folder / "MANIFEST.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    return manifest


def find_images(folder: Path, *, shippable: bool = True) -> list[LabelledImage]:
    """Return the images of all training sets of a folder, each with its kind and split.

    Parameters
    ----------
    folder : Path
        Holds ``MANIFEST.json`` and ``SET/images/NAME.png`` with ``SET/labels/NAME.tif``.
    shippable : bool
        Only sets whose licence allows weights trained on them to be published.

    Returns
    -------
    list of LabelledImage
        In order of set and name. Images marked ``in_dev`` are left out: others are reported on
        them.
    """
    found: list[LabelledImage] = []
    for name, entry in sorted(read_manifest(folder)["sets"].items()):
        if shippable and not entry.get("weights_may_ship", False):
            continue
        by_kind: dict[str, list[str]] = {}
        for item in entry["items"]:
            if not item.get("in_dev", False):
                by_kind.setdefault(_kind(name, item), []).append(item["name"])
        for kind, names in sorted(by_kind.items()):
            sources = {each: _source(name, each) for each in names}
            splits = split_sources(kind, sources.values())
            found += [
                LabelledImage(
                    kind,
                    each,
                    sources[each],
                    splits[sources[each]],
                    folder / name / "images" / f"{each}.png",
                    folder / name / "labels" / f"{each}.tif",
                )
                for each in sorted(names)
            ]
    return found


def _kind(dataset: str, item: dict[str, Any]) -> str:
    """Return the kind of an image: fluorescence, tissue and brightfield differ within a set."""
    modality = item.get("modality")
    if modality is None:
        # The same microscope and cells, published in two parts.
        return dataset.removesuffix("_more").removesuffix("_yz")
    return f"{dataset}_{modality.split('_')[0]}"


def _source(dataset: str, name: str) -> str:
    pattern = SOURCE_PATTERNS.get(dataset)
    match = re.search(pattern, name) if pattern else None
    return match.group() if match else name


def split_sources(kind: str, sources: Iterable[str]) -> dict[str, Split]:
    """Assign every source of a kind to a split.

    Sources are drawn in the order of a hash of their names, so that a new image moves no other.

    Parameters
    ----------
    kind : str
        Part of the hash.
    sources : iterable of str
        One entry an image, so that shares are those of images.
    """
    listed = list(sources)
    counts = {source: listed.count(source) for source in dict.fromkeys(listed)}
    order = sorted(counts, key=lambda s: hashlib.sha256(f"{kind}/{s}".encode()).hexdigest())
    splits: dict[str, Split] = {}
    for split, share in SPLIT_SHARES:
        room = share * len(listed)
        for source in tuple(order):
            if len(order) > 1 and (counts[source] <= room or split not in splits.values()):
                order.remove(source)
                splits[source] = split
                room -= counts[source]
    splits.update(dict.fromkeys(order, "train"))
    return splits
