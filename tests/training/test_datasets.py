"""Labelled images of training sets: kinds, splits, licences and errors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.training.scenes import draw_scene, write_manifest, write_set

from napari_segany.errors import InputError
from napari_segany.training.datasets import (
    LEAST_SOURCES,
    LabelledImage,
    find_images,
    read_manifest,
    split_sources,
)

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=40)


def listed(folder: Path, **sets: list[dict[str, Any]]) -> list[LabelledImage]:
    """Images of sets that are described, but not there."""
    entries = {name: {"items": items, "weights_may_ship": True} for name, items in sets.items()}
    write_manifest(folder, **entries)
    return find_images(folder)


@given(NAMES)
def test_every_source_is_in_one_split(sources: list[str]) -> None:
    splits = split_sources("kind", sources)
    assert set(splits) == set(sources)
    count = len(splits)
    assert list(splits.values()).count("train") >= 1
    wanted = {"train"} | {split for split, least in LEAST_SOURCES.items() if count >= least}
    assert set(splits.values()) == wanted
    assert splits == split_sources("kind", sorted(sources))


@given(st.sets(st.text("abcdef", min_size=1, max_size=4), min_size=10, max_size=60))
def test_a_new_source_moves_few_others(sources: set[str]) -> None:
    before = split_sources("kind", sources)
    after = split_sources("kind", [*sources, "new"])
    moved = [source for source in sources if before[source] != after[source]]
    # The first share ends one source earlier or later at most, and so the second two.
    assert len(moved) <= 3


def test_splits_stay_those_that_finders_were_trained_on() -> None:
    splits = split_sources("nuclei", [f"s{number}" for number in range(20)])
    assert {s for s, split in splits.items() if split == "validate"} == {"s7", "s18"}
    assert {s for s, split in splits.items() if split == "calibrate"} == {"s4", "s11"}


def test_images_of_one_source_are_in_one_split(tmp_path: Path) -> None:
    names = [f"sub-rat{animal}_image{n}" for animal in range(12) for n in range(4)]
    images = listed(tmp_path, em_axons_sem=[{"name": each} for each in names])
    assert len(images) == 48
    for animal in range(12):
        splits = {each.split for each in images if f"rat{animal}_" in each.name}
        assert len(splits) == 1
    assert {each.split for each in images} == {"train", "calibrate", "validate"}


def test_the_manifest_can_state_sources(tmp_path: Path) -> None:
    items = [{"name": f"i{n}", "split_group": f"dish{n % 4}"} for n in range(20)]
    images = listed(tmp_path, own=items)
    assert {each.source for each in images} == {f"dish{n}" for n in range(4)}
    for number in range(4):
        assert len({each.split for each in images if each.source == f"dish{number}"}) == 1


def test_kinds_are_sets_or_their_modalities(tmp_path: Path) -> None:
    images = listed(
        tmp_path,
        dsb2018=[{"name": "a", "modality": "fluo_256x256"}, {"name": "b", "modality": "tissue"}],
        phc_cells=[{"name": "c"}],
        phc_cells_more=[{"name": "d"}],
    )
    kinds = {each.name: each.kind for each in images}
    assert kinds == {"a": "dsb2018_fluo", "b": "dsb2018_tissue", "c": "phc_cells", "d": "phc_cells"}


def test_images_that_are_reported_on_are_left_out(tmp_path: Path) -> None:
    images = listed(tmp_path, own=[{"name": "a", "in_dev": True}, {"name": "b", "in_dev": False}])
    assert [each.name for each in images] == ["b"]


def test_only_sets_whose_licence_allows_it(tmp_path: Path) -> None:
    may, not_said = {"items": [{"name": "a"}], "weights_may_ship": True}, {"items": [{"name": "b"}]}
    may_not = {"items": [{"name": "c"}], "weights_may_ship": False}
    write_manifest(tmp_path, may=may, not_said=not_said, may_not=may_not)
    assert [each.kind for each in find_images(tmp_path)] == ["may"]
    every = [each.kind for each in find_images(tmp_path, shippable=False)]
    assert every == ["may", "may_not", "not_said"]


def test_a_set_may_say_that_it_leaves_objects_unlabelled(tmp_path: Path) -> None:
    items = [{"name": "a"}]
    write_manifest(
        tmp_path,
        all_of_them={"items": items, "weights_may_ship": True},
        some={"items": items, "weights_may_ship": True, "complete": False},
    )
    weights = {each.kind: each.background_weight for each in find_images(tmp_path)}
    assert weights == {"all_of_them": 1.0, "some": 0.3}


def test_an_image_and_its_labels(tmp_path: Path) -> None:
    write_manifest(tmp_path, own=write_set(tmp_path, "own"))
    image = find_images(tmp_path)[0]
    rgb, labels = image.read()
    scene = draw_scene()
    assert (rgb == scene[0]).all()
    assert (labels == scene[1]).all()
    assert labels.dtype == np.int32


def image_of(folder: Path, labels: np.ndarray[Any, Any]) -> LabelledImage:
    """An image of 8 x 9 pixels with some labels."""
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(folder / "i.png")
    tifffile.imwrite(folder / "l.tif", labels)
    return LabelledImage("kind", "i", "i", "train", folder / "i.png", folder / "l.tif")


def test_large_ids_are_renumbered_in_their_order(tmp_path: Path) -> None:
    labels = np.zeros((8, 9), np.int64)
    labels[0, 0], labels[1], labels[2], labels[3, 3] = -1, 2**40, 70_000, 5
    found = image_of(tmp_path, labels).read()[1]
    expected = np.zeros((8, 9), np.int32)
    expected[0, 0], expected[1], expected[2], expected[3, 3] = -1, 3, 2, 1
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((8, 8), np.uint16), r"l.tif has shape \(8, 8\) but the image \(8, 9\)"),
        (np.zeros((2, 8, 9), np.uint16), "shape .*labels are whole numbers"),
        (np.zeros((8, 9), np.float32), "holds float32"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        image_of(tmp_path, labels).read()


@pytest.mark.parametrize("damaged", ["i.png", "l.tif"])
@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_files_that_cannot_be_read(tmp_path: Path, damaged: str, content: bytes | None) -> None:
    image = image_of(tmp_path, np.zeros((8, 9), np.uint16))
    if content is None:
        (tmp_path / damaged).unlink()
    else:
        (tmp_path / damaged).write_bytes(content)
    with pytest.raises(InputError, match=damaged):
        image.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no MANIFEST.json"),
        ("{", "cannot be read"),
        ("[]", 'has no "sets"'),
        ('{"sets": []}', 'has no "sets"'),
        ('{"sets": {"own": {}}}', "the set 'own' needs"),
        ('{"sets": {"own": {"items": [{"name": 3}]}}}', "the set 'own' needs"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "MANIFEST.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)


def test_unknown_entries_of_manifests_are_kept(tmp_path: Path) -> None:
    manifest = {"sets": {"own": {"items": [{"name": "a", "doi": "x"}], "labels": "all"}}, "n": 1}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert read_manifest(tmp_path) == manifest
