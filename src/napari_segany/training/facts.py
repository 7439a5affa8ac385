"""Facts about the training sets of a finder: sizes, splits, licences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_segany.training.datasets import find_images, is_used, read_manifest

TEXTS = ("modality", "licence", "source", "commit", "labels", "selection")
"""Entries of a set in the manifest that are repeated as they are."""

HEAD = (
    "| set | images | train / calibrate / validate | objects | licence | source |",
    "|---|---:|---:|---:|---|---|",
)


def describe_sets(folder: Path, *, shippable: bool = True) -> list[dict[str, Any]]:
    """Return the facts about every training set of a folder that is used, by name.

    Parameters
    ----------
    folder : Path
        As for :func:`napari_segany.training.datasets.find_images`.
    shippable : bool
        Only sets whose licence allows weights trained on them to be published.

    Returns
    -------
    list of dict
        ``name``, ``images`` and ``objects`` in use, ``left_out`` images, images by ``split``,
        ``complete`` (False where objects are unlabelled), and the texts of the manifest.

    Raises
    ------
    InputError
        If the manifest is missing or damaged.
    """
    images = find_images(folder, shippable=shippable)
    described = []
    for name, entry in sorted(read_manifest(folder)["sets"].items()):
        if not is_used(entry, shippable):
            continue
        own = [each for each in images if each.image_path.parts[-3] == name]
        used = {each.name for each in own}
        objects = [item.get("n_objects") for item in entry["items"] if item["name"] in used]
        described.append(
            {
                "name": name,
                "images": len(own),
                "left_out": len(entry["items"]) - len(own),
                "objects": sum(n for n in objects if isinstance(n, int)),
                "split": dict(sorted(Counter(each.split for each in own).items())),
                "complete": entry.get("complete") is not False,
                **{text: str(entry[text]) for text in TEXTS if text in entry},
            }
        )
    return described


def sets_table(sets: Sequence[Mapping[str, Any]]) -> str:
    """Return the facts from :func:`describe_sets` as a Markdown table with a last row of sums."""
    rows = []
    total: Counter[str] = Counter()
    for each in sets:
        split = each["split"]
        total.update(split)
        rows.append(
            f"| {each['name']} | {each['images']} | {_shares(split)} | {each['objects']} "
            f"| {_cell(each.get('licence', 'not stated'))} | {_cell(each.get('source', ''))} |"
        )
    images, objects = (sum(each[key] for each in sets) for key in ("images", "objects"))
    rows.append(f"| all | {images} | {_shares(total)} | {objects} | | |")
    return "\n".join([*HEAD, *rows])


def _shares(split: Mapping[str, int]) -> str:
    return " / ".join(str(split.get(part, 0)) for part in ("train", "calibrate", "validate"))


def _cell(text: str) -> str:
    """Return a text without what would end a cell."""
    return " ".join(text.replace("|", "/").split())
