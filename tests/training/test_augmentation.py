"""Random views: image, known pixels and targets stay aligned, and the seed decides all."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.training.scenes import draw_scene

from napari_segany.networks.finder import CONTOUR, FOREGROUND
from napari_segany.training import augmentation
from napari_segany.training.augmentation import CELL, View, ViewSize, random_view
from napari_segany.training.colours import PHOTONS, SMALLEST_SIDE, degrade, jitter_colours

SMALL = ViewSize(256, 128)


def views(count: int, size: ViewSize = SMALL) -> list[View]:
    rgb, labels = draw_scene()
    return [random_view(rgb, labels, np.random.default_rng([7, n]), size) for n in range(count)]


@pytest.fixture
def plain_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views keep the colours and the resolution of their image."""
    monkeypatch.setattr(augmentation, "jitter_colours", lambda rgb, rng: rgb)
    monkeypatch.setattr(augmentation, "degrade", lambda rgb, side, rng: rgb)


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean of the image in each cell of the maps."""
    side = len(image) // CELL
    return image.reshape(side, CELL, side, CELL, -1).mean(axis=(1, 3, 4))


@pytest.mark.usefixtures("plain_colours")
@pytest.mark.parametrize("seed", range(12))
def test_image_and_labels_stay_aligned(seed: int) -> None:
    """An image that is its own labels: bright in objects, gray in unknown parts, else dark."""
    labels = draw_scene()[1]
    shown = np.select([labels > 0, labels < 0], [255, 128], 40).astype(np.uint8)
    rgb = np.repeat(shown[..., None], 3, axis=-1)
    view = random_view(rgb, labels, np.random.default_rng(seed), SMALL)
    cells = shrunk(view.image)
    known = shrunk(255 * view.known[..., None].astype(np.uint8)) == 255
    targets = view.targets
    clear = known & ((cells > 250) | (np.abs(cells - 40) < 2))
    assert clear.mean() > 0.1
    # Where scaling mixes no pixels, a cell is bright exactly where the target has an object. One
    # in a hundred may be off: targets are taken from the pixel in the middle of each cell.
    wrong = clear & ((cells > 250) != (targets.maps[FOREGROUND] > 0))
    assert wrong.sum() <= 0.01 * clear.sum()
    unknown = known & (np.abs(cells - 128) < 1)
    assert (targets.weights[unknown] == 0).mean() > 0.9 if unknown.sum() > 20 else True


def test_padding_is_dark_and_unknown() -> None:
    padded = 0
    for view in views(20):
        assert (view.image[~view.known] == 0).all()
        beyond = shrunk(255 * view.known[..., None].astype(np.uint8)) == 0
        assert (view.targets.weights[beyond] == 0).all()
        assert (view.targets.maps[:, beyond] == 0).all()
        padded += beyond.any()
    assert 3 < padded < 20


def test_the_seed_decides_all() -> None:
    for first, second in zip(views(4), views(4), strict=True):
        assert (first.image == second.image).all()
        assert (first.targets.maps == second.targets.maps).all()
    assert (views(1)[0].image != views(2)[1].image).any()


def test_unknown_regions_weigh_nothing() -> None:
    rgb, labels = draw_scene()
    view = random_view(rgb, np.full_like(labels, -1), np.random.default_rng(0), SMALL)
    assert not view.targets.weights.any()
    assert not view.targets.maps.any()


def test_background_weight_reaches_the_targets() -> None:
    rgb, labels = draw_scene()
    rngs = [np.random.default_rng(5) for _ in range(2)]
    plain = random_view(rgb, labels, rngs[0], SMALL).targets.weights
    less = random_view(rgb, labels, rngs[1], SMALL, 0.3).targets.weights
    changed = plain != less
    assert changed.any()
    # Around small objects the background weighs more, and so does the lower weight.
    assert less[changed] == pytest.approx(0.3 * plain[changed])
    assert plain[changed].min() == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 3), (128, 128)])
def test_images_of_any_shape(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), 90, np.uint8)
    labels = np.ones(shape, np.int32)
    for seed in range(3):
        view = random_view(rgb, labels, np.random.default_rng(seed), SMALL)
        assert view.image.shape == (128, 128, 3)
        assert view.targets.maps.shape == (5, 64, 64)
        assert np.isfinite(view.targets.maps).all()


def test_no_part_of_a_wide_object_is_cut_by_the_margin() -> None:
    """One object over the whole image has no contour within a view."""
    rgb = np.full((300, 300, 3), 90, np.uint8)
    view = random_view(rgb, np.ones((300, 300), np.int32), np.random.default_rng(3), SMALL)
    assert not view.targets.maps[CONTOUR].any()


@pytest.mark.parametrize(
    ("seed", "known", "maps", "weights"),
    [
        (0, 262144, [16956, 625, 5786.66, 6233.73, 63671.04], 65536),
        (2, 261632, [25074, 379, 9499.29, 10058.81, 116704.7], 65280),
        (4, 68608, [3238, 424, 1284.1, 1446.03, 5435.44], 18085.762),
    ],
)
def test_views_stay_those_that_finders_were_trained_on(
    seed: int, known: int, maps: list[float], weights: float
) -> None:
    """Place and targets of three views; other values need another training."""
    view = random_view(*draw_scene(), np.random.default_rng([7, seed]))
    assert int(view.known.sum()) == known
    assert view.targets.maps.sum(axis=(1, 2)) == pytest.approx(maps, rel=1e-4)
    assert float(view.targets.weights.sum()) == pytest.approx(weights, rel=1e-4)


@pytest.mark.parametrize(
    ("seed", "colour", "mean", "spread"),
    [
        (1, False, 19.399, 43.695),
        (4, False, 21.215, 36.061),
        (1, True, 15.35, 41.113),
        (5, True, 101.233, 57.758),
    ],
)
def test_colours_stay_those_that_finders_were_trained_on(
    seed: int, colour: bool, mean: float, spread: float
) -> None:
    rgb, labels = draw_scene()
    if colour:
        rgb = np.stack([rgb[..., 0], 255 - rgb[..., 0], rgb[..., 0] // 2], axis=-1)
    image = random_view(rgb, labels, np.random.default_rng([7, seed])).image
    assert float(image.mean()) == pytest.approx(mean, abs=0.05)
    assert float(image.std()) == pytest.approx(spread, abs=0.05)


def test_colours_keep_shape_and_type() -> None:
    rgb = draw_scene()[0]
    changed = 0
    for seed in range(20):
        out = jitter_colours(rgb, np.random.default_rng(seed))
        assert out.shape == rgb.shape
        assert out.dtype == np.uint8
        changed += bool((out != rgb).any())
    assert changed > 14


def test_gray_images_mostly_stay_gray() -> None:
    rgb = draw_scene()[0]
    made = [jitter_colours(rgb, np.random.default_rng(seed)) for seed in range(40)]
    gray = sum(bool((each == each[..., :1]).all()) for each in made)
    assert 24 <= gray < 40


def test_a_flat_image_stays_finite() -> None:
    """Nothing is divided by a range of zero."""
    flat = np.full((16, 16, 3), 70, np.uint8)
    for seed in range(20):
        jitter_colours(flat, np.random.default_rng(seed))


def test_degraded_images_keep_their_objects_visible() -> None:
    rgb = draw_scene()[0]
    sides = set()
    for seed in range(60):
        out = degrade(rgb, 28.0, np.random.default_rng(seed))
        assert out.dtype == np.uint8
        factor = len(rgb) / len(out)
        assert 1 <= factor <= 28 / SMALLEST_SIDE + 0.1
        sides.add(len(out))
    assert len(sides) > 8


def test_few_photons_are_counted_in_some_images() -> None:
    """Flat images become noisier where they are brighter, as Poisson's law says."""
    variances: dict[int, list[float]] = {20: [], 40: []}
    for value, found in variances.items():
        flat = np.full((200, 200, 3), value, np.uint8)
        for seed in range(120):
            found.append(float(degrade(flat, SMALLEST_SIDE, np.random.default_rng(seed)).var()))
    dim, bright = (np.array(found) for found in variances.values())
    counted = np.flatnonzero((dim > 0) & (np.abs(bright / np.maximum(dim, 1e-9) - 2) < 0.2))
    assert 5 <= len(counted) <= 40
    # A flat image of value v has a variance of 255 * v / photons, before it is cut at 255.
    photons = 255 * 20 / dim[counted]
    assert (photons > PHOTONS[0] * 0.9).all()
    assert (photons < PHOTONS[1] * 1.1).all()


def test_small_objects_lose_no_pixels() -> None:
    rgb = draw_scene()[0]
    for seed in range(40):
        assert degrade(rgb, 6.0, np.random.default_rng(seed)).shape == rgb.shape


def test_objects_of_some_views_get_a_size_of_their_own() -> None:
    """Tiny objects are enlarged by more than a random scale ever would."""
    side = 4.0
    zooms = np.array(
        [augmentation._choose_zoom(side, np.random.default_rng(seed)) for seed in range(400)]
    )
    lowest, highest = augmentation.ZOOM
    assert abs((zooms > highest).mean() - augmentation.BY_OBJECTS) < 0.06
    assert zooms.min() >= lowest
    assert zooms.max() == augmentation.WIDEST_ZOOM[1]
