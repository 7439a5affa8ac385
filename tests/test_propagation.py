"""Propagation on arrays with any axes."""

from typing import Any

import numpy as np
import pytest
from tests.linking.propagation.bright import BrightModel, balls, box_of

import napari_segany as sa
from napari_segany.errors import InputError
from napari_segany.propagation import masks_as_prompts

VOLUME, LABELS = balls((9, 40, 44), (4, 18, 20, 3.5))
BOX = sa.Prompt(box=box_of(LABELS[4] > 0))


def test_a_volume_is_followed_from_one_plane() -> None:
    found = sa.propagate(VOLUME, {3: {4: BOX}}, model=BrightModel())  # type: ignore[arg-type]
    assert np.array_equal(found.to_labels(), 3 * LABELS)
    assert found.planes == range(9)


def test_one_volume_of_a_movie_and_one_place_in_time() -> None:
    movie = np.zeros((3, *VOLUME.shape), np.uint8)
    movie[1] = VOLUME
    options: dict[str, Any] = {"axes": "TZYX", "model": BrightModel()}
    found = sa.propagate(movie, {1: {4: BOX}}, at={"T": 1}, **options)
    assert np.array_equal(found.to_labels(), LABELS)
    # Along time the object is in frame 1 only.
    along = sa.propagate(movie, {1: {1: BOX}}, along="T", at={"Z": 4}, **options)
    assert along.objects[1].planes == (1,)


def test_a_plane_without_any_number_is_missing() -> None:
    volume = VOLUME.astype(np.float32)
    volume[5] = np.nan
    found = sa.propagate(volume, {1: {4: BOX}}, model=BrightModel())  # type: ignore[arg-type]
    assert found.objects[1].planes == (1, 2, 3, 4, 6, 7)


def test_planes_are_embedded_once() -> None:
    model = BrightModel()
    prompts = {
        1: {2: sa.Prompt(box=box_of(LABELS[2] > 0)), 6: sa.Prompt(box=box_of(LABELS[6] > 0))}
    }
    sa.propagate(VOLUME, prompts, model=model)  # type: ignore[arg-type]
    assert len(model.planes) <= len(VOLUME)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"along": "T"}, "along Z"),
        ({"at": {"T": 1}}, "no axis T"),
        ({"at": {"Z": 12}}, "no plane"),
        ({"axes": "YXS"}, "is one plane"),
    ],
)
def test_places_that_are_not_there_are_refused(options: dict[str, Any], message: str) -> None:
    image = VOLUME if options.get("axes") is None else VOLUME[..., :3]
    with pytest.raises(InputError, match=message):
        sa.propagate(image, {1: {4: BOX}}, model=BrightModel(), **options)  # type: ignore[arg-type]


def test_a_correction_without_a_mask_is_said_plainly_and_changes_nothing() -> None:
    options: dict[str, Any] = {"model": BrightModel()}
    before = sa.propagate(VOLUME, {1: {4: BOX}}, **options)
    wrong = {1: {4: BOX, 6: sa.Prompt(box=[0, 0, 1, 1])}}
    with pytest.warns(UserWarning, match="Object 1: its prompt on plane 6 gives no mask"):
        after = sa.propagate(VOLUME, wrong, earlier=before, **options)
    assert np.array_equal(after.to_labels(), before.to_labels())


def test_sparse_labels_become_masks_on_their_planes() -> None:
    labels = np.zeros((4, 10, 10), np.int32)
    labels[0, 1:3, 1:3] = 2
    labels[3, 5:8, 5:8] = 2
    labels[3, 0:2, 0:2] = 9
    prompts = masks_as_prompts(labels)
    assert {i: sorted(planes) for i, planes in prompts.items()} == {2: [0, 3], 9: [3]}
    mask = prompts[2][3]
    assert isinstance(mask, sa.MaskSet)
    assert np.array_equal(mask.mask(0), labels[3] == 2)
