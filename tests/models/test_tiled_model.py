"""Prompts on large planes: the same answers whatever was asked before, never cut, lazily read."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.contract import SHAPE, ModelContract
from tests.models.tiled.bright_objects import BrightObjects

from napari_segany import MaskSet, Prompt, PromptableModel, SamModel
from napari_segany.core.image_source import ArraySource
from napari_segany.core.notes import listening_to_notes
from napari_segany.errors import Cancelled, InputError
from napari_segany.models.iterative import refine
from napari_segany.models.tiled import answers
from napari_segany.models.tiled.embedding import TiledEmbedding
from napari_segany.models.tiled_model import TiledModel, with_tiles, without_tiles
from napari_segany.session.session import Session


class TestTiledModel(ModelContract):
    @pytest.fixture
    def model(self, tiny_model: SamModel) -> PromptableModel:
        return TiledModel(tiny_model)


class TestTiledModelOnLargePlanes(ModelContract):
    @pytest.fixture
    def model(self, tiny_model: SamModel) -> PromptableModel:
        return TiledModel(tiny_model, large_plane=max(SHAPE) - 1)

    def test_stages_change_nothing_else(self, *_: Any) -> None:
        """Finders embed large planes as a whole, so that these embeddings differ."""


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, (300, 420)).astype(np.uint8)


PROMPTS = [
    Prompt(points=[(40, 50)], object_size=8),
    Prompt(box=(200, 300, 215, 320)),
    Prompt(points=[(250, 400), (240, 390)], labels=[1, 0], object_size=14),
    Prompt(points=[(150, 210)]),
    Prompt(box=(20, 30, 280, 400)),
]


def same(one: MaskSet, two: MaskSet) -> bool:
    logits = np.array_equal(one.low_res_logits, two.low_res_logits)  # type: ignore[arg-type]
    masks = all(np.array_equal(one.mask(i), two.mask(i)) for i in range(len(one)))
    return logits and masks and np.array_equal(one.crop_boxes, two.crop_boxes)


def test_answers_depend_on_nothing_that_was_asked_before(tiny_model: SamModel, plane: Any) -> None:
    model = TiledModel(tiny_model, large_plane=256)
    first = model.predict(model.embed(plane), PROMPTS)
    other = model.embed(plane)
    assert isinstance(other, TiledEmbedding)
    other._crops.max_bytes = 1
    again = {i: model.predict(other, PROMPTS[i]) for i in (3, 4, 1, 0, 2, 3)}
    assert len(other._crops) == 1
    for i, found in enumerate(first):
        assert same(found, again[i])


def test_small_planes_are_answered_as_by_the_model_itself(tiny_model: SamModel, plane: Any) -> None:
    model = TiledModel(tiny_model)
    assert not isinstance(model.embed(plane), TiledEmbedding)
    own = tiny_model.predict(tiny_model.embed(plane), PROMPTS)
    for found, expected in zip(model.predict(model.embed(plane), PROMPTS), own, strict=True):
        assert same(found, expected)


def test_a_crop_is_answered_as_a_plane_of_its_own(
    tiny_model: SamModel, plane: Any, monkeypatch: Any
) -> None:
    # Answers of random weights reach every border.
    monkeypatch.setattr(answers, "STEPS", 0)
    model = TiledModel(tiny_model, large_plane=256)
    found = model.predict(model.embed(plane, limits=(0, 255)), PROMPTS[1])
    a, b, c, d = found.crop_boxes[0].tolist()
    assert (a, b, c, d) != (0, 0, *plane.shape)
    crop = tiny_model.embed(plane[a:c, b:d], limits=(0, 255))
    moved = Prompt(box=np.array(PROMPTS[1].box) - (a, b, a, b))
    expected = tiny_model.predict(crop, moved)
    assert np.array_equal(found.mask(0)[a:c, b:d], expected.mask(0))
    assert found.area[0] == expected.area[0]
    assert np.array_equal(found.stability_score, expected.stability_score)


def big_plane(*objects: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    plane = np.zeros((3000, 4200, 3), np.uint8)
    for a, b, c, d in objects:
        plane[a:c, b:d] = 255
    return plane


def iou_with_box(found: MaskSet, box: tuple[int, int, int, int]) -> float:
    truth = MaskSet.from_crops(
        found.shape, [np.ones((box[2] - box[0], box[3] - box[1]), bool)], [box[:2]]
    )
    both = MaskSet.concatenate([found[:1].without_logits(), truth])
    shared = both.shared_pixels(0, 1)
    return float(shared / (both.area.sum() - shared))


@pytest.mark.parametrize(
    "box",
    [
        (1500, 1400, 1900, 1600),
        (1490, 400, 1530, 3900),
        (990, 990, 1100, 1100),
        (2800, 4000, 3000, 4200),
        (1000, 1000, 1900, 2600),
    ],
)
def test_objects_are_never_cut_by_the_crop_of_a_click(box: tuple[int, int, int, int]) -> None:
    model = TiledModel(BrightObjects())  # type: ignore[arg-type]
    embedding = model.embed(big_plane(box))
    corner = model.predict(embedding, Prompt(points=[(box[0] + 8, box[1] + 8)], object_size=100))
    assert corner.boxes[0].tolist() == pytest.approx(box, abs=16)
    # A cell of the whole plane is 16 pixels.
    assert iou_with_box(corner, box) > (0.9 if box[2] - box[0] > 100 else 0.7)


def test_growth_has_a_limit() -> None:
    own = BrightObjects()
    model = TiledModel(own)  # type: ignore[arg-type]
    found = model.predict(
        model.embed(big_plane((0, 0, 3000, 4200))), Prompt(points=[(1500, 2000)], object_size=6)
    )
    a, _, c, _ = found.crop_boxes[0].tolist()
    assert c - a == 64 * answers.GROWTH
    assert len(own.planes) == 4


def test_boxes_and_masks_larger_than_a_crop_are_asked_at_a_coarser_level() -> None:
    own = BrightObjects()
    model = TiledModel(own)  # type: ignore[arg-type]
    box = (300, 400, 2600, 3900)
    embedding = model.embed(big_plane(box))
    found = model.predict(embedding, Prompt(box=(300, 400, 2599, 3899)))
    assert found.crop_boxes[0].tolist() == [0, 0, 3000, 4200]
    assert iou_with_box(found, box) > 0.99
    by_mask = model.predict(embedding, Prompt(mask=found))
    assert iou_with_box(by_mask, box) > 0.99
    assert max(max(shape) for shape in own.planes) == 1024


def test_nothing_is_embedded_or_read_until_asked() -> None:
    class Counting:
        shape, dtype, ndim = (60_000, 50_000, 3), np.dtype(np.uint16), 3
        pixels = 0

        def __getitem__(self, index: Any) -> NDArray[np.uint16]:
            rows, cols = (min(s.stop, n) - s.start for s, n in zip(index, self.shape, strict=False))
            self.pixels += rows * cols
            return np.zeros((rows, cols, 3), np.uint16)

    data, own = Counting(), BrightObjects()
    model = TiledModel(own)  # type: ignore[arg-type]
    embedding = model.embed(data)
    assert embedding.shape == (60_000, 50_000)
    assert data.pixels == 64 * 256 * 256
    assert not own.planes
    model.predict(embedding, Prompt(box=(30_010, 20_010, 30_050, 20_080)))
    assert own.planes == [(1024, 1024, 3)]
    assert data.pixels == 64 * 256 * 256 + 1024 * 1024


def test_refining_keeps_the_crop_and_moves_logits_where_it_changes(
    tiny_model: SamModel, plane: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(answers, "STEPS", 0)
    model = TiledModel(tiny_model, large_plane=256, object_size=6)
    embedding = model.embed(plane)
    first = model.predict(embedding, Prompt(points=[(100, 100)]))
    near = Prompt(points=[(100, 100), (102, 101)]).refining(first[0])
    answer = model.predict(embedding, near)
    assert (answer.crop_boxes[0] == first.crop_boxes[0]).all()
    far = Prompt(points=[(100, 100), (250, 380)], labels=[1, 0]).refining(first[0])
    moved = model.predict(embedding, far)
    assert moved.crop_boxes[0].tolist() == [0, 0, 300, 420]
    assert same(moved, model.predict(model.embed(plane), far))
    clicked = refine(model, embedding, Prompt(points=[(100, 100), (102, 101)]))
    assert same(clicked, answer)


def test_logits_without_their_crop_are_refused(tiny_model: SamModel, plane: Any) -> None:
    model = TiledModel(tiny_model, large_plane=256)
    embedding = model.embed(plane)
    found = model.predict(embedding, PROMPTS[0])
    assert found.low_res_logits is not None
    with pytest.raises(InputError, match="give the candidate itself"):
        model.predict(embedding, Prompt(points=[(9, 9)], mask_logits=found.low_res_logits[0]))
    outside = Prompt(mask_logits=found.low_res_logits[0], logits_crop=(0, 0, 301, 20))
    with pytest.raises(InputError, match="lies outside the plane"):
        model.predict(embedding, outside)


def test_logits_of_many_masks_are_computed_again(
    tiny_model: SamModel, plane: Any, monkeypatch: Any
) -> None:
    model = TiledModel(tiny_model, large_plane=256)
    embedding = model.embed(plane)
    kept = model.predict(embedding, PROMPTS)
    monkeypatch.setattr(answers, "LOGITS_KEPT", 3)
    later = model.predict(embedding, PROMPTS)
    for one, two in zip(kept, later, strict=True):
        assert same(one, two)
        assert type(two._logits) is not np.ndarray


def test_it_says_what_it_does_and_can_be_told_otherwise(tiny_model: SamModel, plane: Any) -> None:
    told: list[str] = []
    with listening_to_notes(lambda _, text: told.append(text)):
        TiledModel(tiny_model, large_plane=256).embed(plane)
        TiledModel(tiny_model, large_plane=256, object_size=12).embed(plane)
    assert "300 x 420 pixels" in told[0]
    assert "--object-size" in told[0]
    assert "objects of 12 pixels" in told[1]
    with pytest.raises(InputError, match="above 0"):
        TiledModel(tiny_model, object_size=0)


def test_predicting_can_be_stopped_between_crops(tiny_model: SamModel, plane: Any) -> None:
    model = TiledModel(tiny_model, large_plane=256)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Cancelled):
        model.predict(model.embed(plane), PROMPTS, should_stop=stop)


def test_wrapping(tiny_model: SamModel) -> None:
    model = with_tiles(tiny_model)
    assert with_tiles(model) is model
    assert without_tiles(model) is without_tiles(tiny_model) is tiny_model
    sized = TiledModel(BrightObjects(), object_size=7, large_plane=99)  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(sized))
    assert (again.object_size, again.large_plane) == (7, 99)


def test_a_session_on_a_large_plane_undoes_and_refines(tiny_model: SamModel, plane: Any) -> None:
    session = Session(ArraySource(plane), TiledModel(tiny_model, large_plane=256, object_size=6))
    session.add_point(100, 100)
    first = session.ask()
    assert first is not None
    session.add_point(102, 101)
    second = session.ask()
    assert second is not None
    assert session.commit() == [1]
    session.undo()
    session.undo()
    found = session.candidates()
    assert found is not None
    assert np.array_equal(found.mask(0), first.mask(0))
    fresh = Session(ArraySource(plane), TiledModel(tiny_model, large_plane=256, object_size=6))
    fresh.set_prompt(Prompt(points=[(100, 100)]))
    fresh.set_prompt(Prompt(points=[(100, 100), (102, 101)]))
    again = fresh.ask()
    assert again is not None
    assert np.array_equal(again.mask(0), second.mask(0))
