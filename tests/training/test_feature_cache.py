"""Features of views on disk: what is in them, and runs that are stopped."""

import json
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny import build_tiny_model
from tests.training.scenes import build_model, write_manifest, write_set

from napari_segany.errors import Cancelled, InputError
from napari_segany.models.sam.model import SamModel
from napari_segany.networks.finder import CONTOUR, FOREGROUND, Finder
from napari_segany.training import feature_cache
from napari_segany.training.augmentation import ViewSize, random_view
from napari_segany.training.datasets import LabelledImage, find_images
from napari_segany.training.encoder import ViewEncoder, computing_threads
from napari_segany.training.feature_cache import (
    BLOCK,
    FeatureCache,
    ViewPlan,
    build_cache,
    bytes_of_views,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelledImage, ...]:
    folder = tmp_path_factory.mktemp("data")
    first, second = write_set(folder, "first"), write_set(folder, "second", shift=3)
    write_manifest(folder, first=first, second={**second, "complete": False})
    return tuple(find_images(folder))


@pytest.fixture(scope="module")
def plan(images: tuple[LabelledImage, ...]) -> ViewPlan:
    return ViewPlan(images, 2 * BLOCK + 3, seed=4)


@pytest.fixture(scope="module")
def model() -> SamModel:
    return build_model()


@pytest.fixture(scope="module")
def cache(
    plan: ViewPlan, model: SamModel, tmp_path_factory: pytest.TempPathFactory
) -> FeatureCache:
    return build_cache(plan, model, tmp_path_factory.mktemp("features"), workers=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_arrays_hold_the_views(cache: FeatureCache, plan: ViewPlan, model: SamModel) -> None:
    assert len(cache) == plan.count
    encoder = ViewEncoder.from_model(model)
    for number in (0, BLOCK, plan.count - 1):
        chosen, rng = plan.choose(number)
        size = ViewSize(128, 64)
        view = random_view(*chosen.read(), rng, size, chosen.background_weight)
        arrays = {name: array[number] for name, array in cache.arrays.items()}
        image, known = (torch.from_numpy(each)[None] for each in (view.image, view.known))
        # As in a worker: with more threads, the last bits can be others.
        with computing_threads(1):
            embedding, stages = encoder.encode(image, known)
        features = {"embedding": embedding, "stage0": stages[0], "stage1": stages[1]}
        for name, feature in features.items():
            assert (arrays[name] == feature[0].numpy().astype(np.float16)).all()
        assert (arrays["maps"] == view.targets.maps.astype(np.float16)).all()
        assert (np.abs(arrays["weights"]) == view.targets.weights.astype(np.float16)).all()
        assert (arrays["image"][view.known] == view.image[view.known]).all()
        assert (arrays["image"][~view.known] == feature_cache.PADDING).all()


def test_views_differ(cache: FeatureCache) -> None:
    for array in cache.arrays.values():
        assert len({each.tobytes() for each in array}) > 0.8 * len(cache)
    assert cache.arrays["maps"][:, FOREGROUND].any(axis=(1, 2)).mean() > 0.5
    assert cache.arrays["maps"][:, CONTOUR].any()
    assert {0.3, 1.0} <= set(np.round(np.unique(cache.arrays["weights"]).astype(float), 2))


def test_a_stopped_run_continues_to_the_same_bytes(
    cache: FeatureCache, plan: ViewPlan, model: SamModel, tmp_path: Path
) -> None:
    done: list[int] = []
    for stop_after in (1, 2):
        with pytest.raises(Cancelled):
            build_cache(
                *(plan, model, tmp_path, 1),
                progress=lambda now, total: done.append(now),
                should_stop=lambda limit=stop_after: len(done) >= limit,
            )
    assert done == [BLOCK, 2 * BLOCK]
    again = build_cache(plan, model, tmp_path, 1, lambda now, total: done.append(now))
    assert done[2:] == [plan.count]
    assert contents(again.folder) == contents(cache.folder)
    # Nothing is left to do, and nothing is written.
    before = {path: path.stat().st_mtime_ns for path in again.folder.iterdir()}
    build_cache(plan, model, tmp_path, 1, lambda now, total: done.append(now))
    assert len(done) == 3
    assert before == {path: path.stat().st_mtime_ns for path in again.folder.iterdir()}


def test_finished_blocks_are_not_made_again(
    cache: FeatureCache, plan: ViewPlan, model: SamModel, tmp_path: Path
) -> None:
    """A block that is on record is taken as it is, also when it is wrong."""
    place = tmp_path / cache.folder.name
    shutil.copytree(cache.folder, place)
    (place / "done.json").write_text(json.dumps([0, BLOCK]))
    changed = np.load(place / "maps.npy", mmap_mode="r+")
    changed[[0, plan.count - 1]] = 7
    changed.flush()
    maps = build_cache(plan, model, tmp_path, 1).arrays["maps"]
    assert (maps[0] == 7).all()
    assert (maps[-1] == cache.arrays["maps"][-1]).all()


def test_another_plan_is_another_folder(
    plan: ViewPlan, images: tuple[LabelledImage, ...], model: SamModel
) -> None:
    encoder = ViewEncoder.from_model(model)
    complete = tuple(replace(each, complete=True) for each in images)
    names = [
        plan.fingerprint(encoder),
        replace(plan, seed=5).fingerprint(encoder),
        replace(plan, count=16).fingerprint(encoder),
        replace(plan, images=images[1:]).fingerprint(encoder),
        replace(plan, images=complete).fingerprint(encoder),
        plan.fingerprint(ViewEncoder.from_model(build_model(seed=1))),
        plan.fingerprint(replace(encoder, precision="bfloat16")),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == replace(plan).fingerprint(ViewEncoder.from_model(build_model()))


def test_choices_stay_those_that_finders_were_trained_on() -> None:
    """Kinds by the square root of their number of images; the order of images counts."""
    images = tuple(
        LabelledImage(kind, f"{kind}{n}", f"{kind}{n}", "train", Path("i"), Path("l"))
        for kind, count in (("x", 25), ("y", 4))
        for n in range(count)
    )
    plan = ViewPlan(images, 40, 5)
    chosen = [plan.choose(number)[0].name for number in range(12)]
    assert chosen == [*("y0", "y3", "x17", "y1", "x0", "y3", "y3", "x21", "y0", "y3", "x20", "x6")]
    assert plan.choose(0)[1].random() == pytest.approx(0.515325561042142)


def test_kinds_are_balanced() -> None:
    images = tuple(
        LabelledImage(kind, f"{kind}{n}", f"{kind}{n}", "train", Path("i"), Path("l"))
        for kind, count in (("many", 400), ("few", 4), ("some", 16))
        for n in range(count)
    )
    plan = ViewPlan(images, 600)
    kinds = [plan.choose(number)[0].kind for number in range(plan.count)]
    # 20 to 3 to 4 by the square roots, as none counts as fewer than 9 images.
    assert kinds.count("few") / len(kinds) == pytest.approx(3 / 27, abs=0.035)
    assert kinds.count("some") / len(kinds) == pytest.approx(4 / 27, abs=0.035)


@pytest.mark.parametrize(("kind", "side"), [("vit_t", 64), ("vit_b", 128)])
def test_views_and_stages_follow_the_encoder(
    kind: str, side: int, images: tuple[LabelledImage, ...], tmp_path: Path
) -> None:
    """A ViT sees whole frames, as its codes of positions are absolute."""
    model = build_model(kind)
    encoder = ViewEncoder.from_model(model)
    cache = build_cache(ViewPlan(images, 2), model, tmp_path, 1)
    assert cache.arrays["image"].shape == (2, side, side, 3)
    assert cache.arrays["embedding"].shape == (2, 256, side // 16, side // 16)
    stages = model.network.image_encoder.finer_stages
    for number, (channels, cells) in enumerate(stages):
        grid = side // 16 * cells
        array = cache.arrays[f"stage{number}"]
        assert array.shape == (2, channels, grid, grid)
        assert np.abs(array).max() > 0
    # A finder of that shape reads them.
    tensors = {name: torch.from_numpy(np.array(a)).float() for name, a in cache.arrays.items()}
    with torch.inference_mode():
        raw = Finder(encoder.shape).eval()(
            tensors["embedding"],
            [tensors[f"stage{n}"] for n in range(len(stages))],
            tensors["image"].permute(0, 3, 1, 2),
        )
    assert raw.shape == cache.arrays["maps"].shape
    size = sum(path.stat().st_size for path in cache.folder.glob("*.npy"))
    assert bytes_of_views(encoder, 2) == pytest.approx(size, abs=128 * len(cache.arrays))


def test_a_view_is_seen_as_within_a_whole_frame() -> None:
    """Half a frame in TinyViT: cells far from its edges have the features of the frame."""
    model = build_model()
    encoder = ViewEncoder.from_model(model)
    drawn = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3), np.uint8)
    rgb = torch.from_numpy(drawn)
    half = encoder.encode(rgb[:, :64, :64], torch.ones((1, 64, 64), dtype=torch.bool))
    whole = encoder.encode(rgb, torch.ones((1, 128, 128), dtype=torch.bool))
    first, part = half[1][0][0], whole[1][0][0, :, :16, :16]
    # The first stage has only convolutions, which reach few cells.
    assert first[:, :8, :8].numpy() == pytest.approx(part[:, :8, :8].numpy(), abs=1e-5)


def test_a_model_without_stages_is_refused(plan: ViewPlan, tmp_path: Path) -> None:
    model = build_tiny_model()
    if hasattr(model.network.image_encoder, "finer_stages"):
        model.network = None  # type: ignore[assignment]
    with pytest.raises(InputError, match="A finder cannot be trained on tiny"):
        build_cache(plan, model, tmp_path, 1)


def test_a_full_disk_is_found_beforehand(
    plan: ViewPlan, model: SamModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    needed = bytes_of_views(ViewEncoder.from_model(model), plan.count)
    enough = needed + feature_cache.ROOM
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, enough - 1))
    with pytest.raises(InputError, match=r"35 views need .* GB more, but .* Make fewer views"):
        build_cache(plan, model, tmp_path / "new", 1)
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, enough))
    build_cache(plan, model, tmp_path, 1)


@pytest.mark.skipif(os.name == "nt", reason="the files occupy their whole length")
def test_what_is_there_needs_no_room(
    cache: FeatureCache, plan: ViewPlan, model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**6))
    # Its size is counted in blocks of the disk, so at least the content is.
    assert len(build_cache(plan, model, cache.folder.parent, 1)) == plan.count


def test_an_error_in_an_image_names_it(model: SamModel, tmp_path: Path) -> None:
    write_manifest(tmp_path, own=write_set(tmp_path, "own", 1))
    plan = ViewPlan(tuple(find_images(tmp_path)), 4)
    (tmp_path / "own" / "labels" / "image0.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"image0\.tif cannot be read"):
        build_cache(plan, model, tmp_path, 1)


def test_processes_make_the_same_bytes(
    cache: FeatureCache, plan: ViewPlan, model: SamModel, tmp_path: Path
) -> None:
    two = build_cache(plan, model, tmp_path, 2)
    assert contents(two.folder) == contents(cache.folder)
