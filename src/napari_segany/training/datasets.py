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

LEAST_SOURCES: dict[Split, int] = {"validate": 3, "calibrate": 12}
"""Sources that a kind needs before one is kept from training for a split. Scores of kinds with
fewer are fitted on images of the training split."""

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


INCOMPLETE_BACKGROUND = 0.3
"""Weight of background pixels in sets that leave objects unlabelled."""

LARGE_ID = 65535
"""Ids above this are renumbered: tables over all ids would need too much memory."""


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
    complete : bool
        Every object of the set's images has a label.
    """

    kind: str
    name: str
    source: str
    split: Split
    image_path: Path
    labels_path: Path
    complete: bool = True

    @property
    def background_weight(self) -> float:
        """Weight of background pixels in the loss; they may hide objects in incomplete sets."""
        return 1.0 if self.complete else INCOMPLETE_BACKGROUND

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Read the (H, W, 3) uint8 image and its (H, W) int32 labels.

        Raises
        ------
        InputError
            If a file is missing or damaged, or the labels have another shape than the image.
        """
        try:
            with Image.open(self.image_path) as image:
                rgb = np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{self.image_path} cannot be read as an image: {error}.") from error
        labels = self.read_labels()
        if labels.shape != rgb.shape[:2]:
            raise InputError(
                f"{self.labels_path} has shape {labels.shape} but the image {rgb.shape[:2]}; "
                "every image needs labels of its own shape."
            )
        return rgb, labels

    def read_labels(self) -> NDArray[np.int32]:
        """Read the (H, W) int32 labels; ids above 65535 are renumbered in their order.

        Raises
        ------
        InputError
            If the file is missing or damaged, or holds no whole numbers in two dimensions.
        """
        try:
            labels = np.asarray(tifffile.imread(self.labels_path))
        except (OSError, ValueError, tifffile.TiffFileError) as error:
            raise InputError(f"{self.labels_path} cannot be read as a TIFF: {error}.") from error
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            raise InputError(
                f"{self.labels_path} holds {labels.dtype} of shape {labels.shape}; labels are "
                "whole numbers of shape (rows, columns)."
            )
        if labels.size and labels.max() > LARGE_ID:
            ids = np.unique(labels[labels > 0])
            labels = np.where(labels > 0, np.searchsorted(ids, labels) + 1, np.minimum(labels, 0))
        return labels.astype(np.int32)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``MANIFEST.json`` of a folder of training sets.

    Returns
    -------
    dict
        With ``sets``: for each name an entry with ``items``, each with the ``name`` of an image.

    Raises
    ------
    InputError
        If there is none, or it is not of this form.
    """
    path = folder / "MANIFEST.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} has no MANIFEST.json, which names the training sets and their images."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    sets = manifest.get("sets") if isinstance(manifest, dict) else None
    if not isinstance(sets, dict):
        raise InputError(f'{path} has no "sets", an object with an entry for each set.')
    for name, entry in sets.items():
        items = entry.get("items") if isinstance(entry, dict) else None
        if not isinstance(items, list) or not all(_is_item(item) for item in items):
            raise InputError(
                f'{path}: the set {name!r} needs "items", a list of objects with the "name" of '
                "an image."
            )
    found: dict[str, Any] = manifest
    return found


def _is_item(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def is_used(entry: dict[str, Any], shippable: bool) -> bool:
    """Return whether a set of a manifest is used, by its licence."""
    return not shippable or entry.get("weights_may_ship") is True


def find_images(folder: Path, *, shippable: bool = True) -> list[LabelledImage]:
    """Return the images of all training sets of a folder, each with its kind and split.

    Parameters
    ----------
    folder : Path
        Holds ``MANIFEST.json`` and ``SET/images/NAME.png`` with ``SET/labels/NAME.tif``.
    shippable : bool
        Only sets whose licence allows weights trained on them to be published
        (``weights_may_ship`` in the manifest).

    Returns
    -------
    list of LabelledImage
        In order of set and name. Images marked ``in_dev`` are left out: others are reported on
        them.

    Raises
    ------
    InputError
        If the manifest is missing or damaged.
    """
    found: list[LabelledImage] = []
    for name, entry in sorted(read_manifest(folder)["sets"].items()):
        if not is_used(entry, shippable):
            continue
        by_kind: dict[str, dict[str, str]] = {}
        for item in entry["items"]:
            if not item.get("in_dev", False):
                by_kind.setdefault(_kind(name, item), {})[item["name"]] = _source(name, item)
        for kind, sources in sorted(by_kind.items()):
            splits = split_sources(kind, sources.values())
            found += [
                LabelledImage(
                    kind,
                    each,
                    source,
                    splits[source],
                    folder / name / "images" / f"{each}.png",
                    folder / name / "labels" / f"{each}.tif",
                    entry.get("complete") is not False,
                )
                for each, source in sorted(sources.items())
            ]
    return found


def _kind(dataset: str, item: dict[str, Any]) -> str:
    """Return the kind of an image: fluorescence, tissue and brightfield differ within a set."""
    modality = item.get("modality")
    if not isinstance(modality, str):
        # The same microscope and cells, published in two parts.
        return dataset.removesuffix("_more").removesuffix("_yz")
    return f"{dataset}_{modality.split('_')[0]}"


def _source(dataset: str, item: dict[str, Any]) -> str:
    """Return the source of an image, which the manifest may state as ``split_group``."""
    if "split_group" in item:
        return str(item["split_group"])
    name: str = item["name"]
    pattern = SOURCE_PATTERNS.get(dataset)
    match = re.search(pattern, name) if pattern else None
    return match.group() if match else name


def split_sources(kind: str, sources: Iterable[str]) -> dict[str, Split]:
    """Assign every source of a kind to a split.

    Sources are drawn in the order of a hash of their names, so that a new source moves few others:
    only those at the ends of the shares.

    Parameters
    ----------
    kind : str
        Part of the hash.
    sources : iterable of str
        One entry an image, so that shares are those of images.

    Returns
    -------
    dict
        The split of each source. Every split has a source while there are enough.
    """
    listed = list(sources)
    counts = {source: listed.count(source) for source in dict.fromkeys(listed)}
    order = sorted(counts, key=lambda s: hashlib.sha256(f"{kind}/{s}".encode()).hexdigest())
    splits: dict[str, Split] = {}
    for split, share in SPLIT_SHARES:
        if len(counts) < LEAST_SOURCES[split]:
            continue
        room = share * len(listed)
        for source in tuple(order):
            if len(order) > 1 and (counts[source] <= room or split not in splits.values()):
                order.remove(source)
                splits[source] = split
                room -= counts[source]
    splits.update(dict.fromkeys(order, "train"))
    return splits
