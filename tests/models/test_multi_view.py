"""A model that sees mirror images, too: the mean of its answers, for every kind of prompt."""

import gc
import pickle
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.contract import PROMPTS, ModelContract

from napari_segany import (
    AutomaticParams,
    MaskSet,
    Prompt,
    PromptableModel,
    SamModel,
    TiledModel,
    generate_masks,
)
from napari_segany.core.plane_flips import FLIPS
from napari_segany.core.upsampling import draw
from napari_segany.errors import Cancelled, InputError
from napari_segany.models import multi_view
from napari_segany.models.iterative import refine
from napari_segany.models.model_wrapper import ModelWrapper, keep_prepared
from napari_segany.models.multi_view import (
    MultiViewEmbedding,
    MultiViewModel,
    views_of,
    with_views,
)
from napari_segany.models.sam.prediction import STABILITY_OFFSET
from napari_segany.models.shared_model import SharedModel
from napari_segany.networks.decoder.decoding import PromptDecoder


class TestTwoViews(ModelContract):
    @pytest.fixture
    def model(self, tiny_model: SamModel) -> PromptableModel:
        return MultiViewModel(tiny_model, 2)

    def test_stages_change_nothing_else(self, *_: Any) -> None:
        """Finders see the plane as it is; see test_finders_see_the_plane_as_it_is."""


class TestFourViews(TestTwoViews):
    @pytest.fixture
    def model(self, tiny_model: SamModel) -> PromptableModel:
        return MultiViewModel(tiny_model, 4)


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, (48, 64)).astype(np.uint8)


@pytest.mark.parametrize("multimask", [True, False, "auto", "both"])
@pytest.mark.parametrize("views", [2, 3, 4])
def test_an_answer_is_the_mean_of_those_about_each_mirror_image(
    tiny_model: SamModel, plane: Any, views: int, multimask: Any
) -> None:
    model = MultiViewModel(tiny_model, views)
    embedding = model.embed(plane)
    assert isinstance(embedding, MultiViewEmbedding)
    for prompt in PROMPTS:
        found = model.predict(embedding, prompt, multimask=multimask, ranking="decoder")
        logits, scores = [], []
        for flip in (None, *FLIPS[: views - 1]):
            shown = plane if flip is None else np.ascontiguousarray(flip.plane(plane))
            seen = tiny_model.embed(shown)
            asked = prompt if flip is None else flip.prompt(prompt, seen.frame)
            one = tiny_model.predict(seen, asked, multimask=multimask, ranking="decoder")
            low = one.low_res_logits
            assert low is not None
            logits.append(low if flip is None else flip.logits(low, seen.frame))
            scores.append(one.predicted_iou)
        assert found.low_res_logits == pytest.approx(np.mean(logits, axis=0), abs=1e-4)
        assert found.predicted_iou == pytest.approx(np.mean(scores, axis=0), abs=1e-5)


def test_candidates_are_drawn_from_the_mean_and_ranked_by_it(
    tiny_model: SamModel, plane: Any
) -> None:
    model = MultiViewModel(tiny_model, 4)
    embedding = model.embed(plane)
    ordered = model.predict(embedding, PROMPTS[0], multimask="both", ranking="predicted_iou")
    assert (np.diff(ordered.predicted_iou[1:]) <= 0).all()
    raw = model.predict(embedding, PROMPTS[0], multimask="both", ranking="decoder")
    assert np.array_equal(raw.mask(0), ordered.mask(0))
    logits = raw.low_res_logits
    assert logits is not None
    drawn = draw(torch.from_numpy(logits), embedding.frame, STABILITY_OFFSET)
    again = MaskSet.from_crops((48, 64), drawn.masks, drawn.origins)
    for i in range(len(raw)):
        assert np.array_equal(raw.mask(i), again.mask(i))
    assert np.array_equal(raw.stability_score, drawn.stability_score)


def test_a_turned_plane_has_turned_answers(tiny_model: SamModel, plane: Any) -> None:
    """With all mirror images, an object is found whichever way the plane lies."""
    model = MultiViewModel(tiny_model, 4)
    turned = np.ascontiguousarray(plane[::-1, ::-1])
    one, two = model.embed(plane), model.embed(turned)
    prompt = Prompt(box=(8, 10, 30, 44))
    found = model.predict(one, prompt)
    same = model.predict(two, FLIPS[0].prompt(prompt, one.frame))
    assert found.predicted_iou == pytest.approx(same.predicted_iou, abs=1e-5)
    assert (found.mask(0) != same.mask(0)[::-1, ::-1]).mean() < 0.01
    # The model by itself sees another object in the turned plane.
    alone = tiny_model.predict(tiny_model.embed(plane), prompt)
    other = tiny_model.predict(tiny_model.embed(turned), FLIPS[0].prompt(prompt, one.frame))
    assert abs(alone.predicted_iou[0] - other.predicted_iou[0]) > 1e-4


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "as in docks"])
@pytest.mark.parametrize("views", [2, 4])
def test_a_click_prepares_no_view_again(
    tiny_model: SamModel, plane: Any, views: int, shared: bool, monkeypatch: Any
) -> None:
    model = MultiViewModel(SharedModel(tiny_model) if shared else tiny_model, views)
    embedding = model.embed(plane)
    decoder = tiny_model._decoder
    projected: list[Any] = []

    def share(*given: Any) -> Any:
        projected.append(given)
        return PromptDecoder.share(decoder, *given)

    monkeypatch.setattr(decoder, "share", share)
    for row in (10, 20):
        model.predict(embedding, Prompt([[row, 30]]))
    assert not projected
    # One more plane has a place beside them.
    other = tiny_model.embed(plane[::-1])
    assert len(projected) == 1
    for row in (10, 20):
        model.predict(embedding, Prompt([[row, 30]]))
        tiny_model.predict(other, Prompt([[row, 30]]))
    assert len(projected) == 1


def test_views_that_were_kept_prepared_are_given_back(tiny_model: SamModel, plane: Any) -> None:
    model = MultiViewModel(SharedModel(tiny_model), 4)
    embedding = model.embed(plane)
    assert isinstance(embedding, MultiViewEmbedding)
    views = (embedding.own, *embedding.mirrored)
    kept = [weakref.ref(tiny_model.prepare(each)) for each in views]
    with_views(model, 1)
    assert all(each() is not None for each in kept), "others may still ask in four views"
    keep_prepared(model, 1)
    gc.collect()
    assert [each() is not None for each in kept] == [False, False, True, True]


def test_embeddings_of_the_model_itself_are_answered_by_it(
    tiny_model: SamModel, plane: Any
) -> None:
    model = MultiViewModel(tiny_model, 2)
    own = tiny_model.embed(plane)
    found, expected = model.predict(own, PROMPTS), tiny_model.predict(own, PROMPTS)
    for one, two in zip(found, expected, strict=True):
        assert np.array_equal(np.asarray(one.low_res_logits), np.asarray(two.low_res_logits))
    model.check_embedding(own)


def test_finders_see_the_plane_as_it_is(tiny_model: SamModel, plane: Any) -> None:
    model = MultiViewModel(tiny_model, 2)
    kept, expected = (each.embed(plane, stages=True) for each in (model, tiny_model))
    assert type(kept) is type(expected)
    points = np.array([(10.0, 20.0)])
    seen = model.prepare(model.embed(plane)).features_at(points)
    assert np.array_equal(seen, tiny_model.prepare(tiny_model.embed(plane)).features_at(points))


def test_all_views_have_the_same_intensities(tiny_model: SamModel) -> None:
    plane = np.random.default_rng(2).normal(size=(48, 64)).astype(np.float32)
    model = MultiViewModel(tiny_model, 2)
    one = model.predict(model.embed(plane, limits=(-1, 1)), PROMPTS[2])
    shown = np.clip(plane, -1, 1)
    two = model.predict(model.embed(shown, limits=(-1, 1)), PROMPTS[2])
    assert np.array_equal(np.asarray(one.low_res_logits), np.asarray(two.low_res_logits))


def test_logits_of_many_masks_are_computed_again(
    tiny_model: SamModel, plane: Any, monkeypatch: Any
) -> None:
    model = MultiViewModel(tiny_model, 2)
    embedding = model.embed(plane)
    kept = model.predict(embedding, PROMPTS)
    monkeypatch.setattr(multi_view, "LOGITS_KEPT", 1)
    monkeypatch.setattr(multi_view, "AT_ONCE", 3)
    again = model.predict(embedding, PROMPTS)
    for one, two in zip(kept, again, strict=True):
        assert isinstance(one._logits, np.ndarray)
        assert not isinstance(two._logits, np.ndarray)
        assert np.array_equal(np.asarray(one.low_res_logits), np.asarray(two.low_res_logits))


def test_clicks_refine_the_mean(tiny_model: SamModel, plane: Any) -> None:
    model = MultiViewModel(tiny_model, 2)
    prompt = Prompt(points=[(20, 30), (5, 6)], labels=[1, 0])
    found = refine(model, model.embed(plane), prompt)
    assert isinstance(found, MaskSet)
    assert found.low_res_logits is not None


def test_a_memory_sees_planes_as_they_are(tiny_model: SamModel, plane: Any) -> None:
    class Remembering(ModelWrapper):
        embed, predict = tiny_model.embed, tiny_model.predict

        def video_memory(self) -> Any:
            return SimpleNamespace(
                begin="begin", see=lambda *given: ("see", *given), recall=lambda *given: given
            )

    model = MultiViewModel(Remembering(tiny_model), 2)  # type: ignore[arg-type]
    embedding = model.embed(plane)
    assert isinstance(embedding, MultiViewEmbedding)
    memory: Any = model.video_memory()
    assert memory.begin == "begin"
    assert memory.see(embedding, PROMPTS) == ("see", embedding.own, PROMPTS, None)
    assert memory.recall(embedding.own, 3, []) == (embedding.own, 3, [], None)


def test_it_stops(tiny_model: SamModel, plane: Any) -> None:
    model = MultiViewModel(tiny_model, 2)
    embedding = model.embed(plane)
    with pytest.raises(Cancelled):
        model.predict(embedding, PROMPTS, should_stop=lambda: True)
    with pytest.raises(Cancelled):
        model.embed(plane, should_stop=lambda: True)


def test_it_is_pickled_with_its_views(tiny_model: SamModel, plane: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(SamModel, "__reduce__", lambda self: (_tiny, ()))
    monkeypatch.setitem(globals(), "KEPT", tiny_model)
    again = pickle.loads(pickle.dumps(MultiViewModel(tiny_model, 3)))
    assert (again.model, again.views) == (tiny_model, 3)


KEPT: Any = None


def _tiny() -> Any:
    return KEPT


@pytest.mark.parametrize("views", [0, 1, 5, 2.0, "2"])
def test_other_numbers_of_views_are_refused(tiny_model: SamModel, views: Any) -> None:
    with pytest.raises(InputError, match=f"views must be 2..4, got {views!r}"):
        MultiViewModel(tiny_model, views)


def test_views_of_a_model_are_changed_not_nested(tiny_model: SamModel) -> None:
    assert with_views(tiny_model, 1) is tiny_model
    four = with_views(with_views(tiny_model, 2), 4)
    assert isinstance(four, MultiViewModel)
    assert (four.model, four.views) == (tiny_model, 4)
    assert with_views(four, 1) is tiny_model
    assert [views_of(each) for each in (tiny_model, four, TiledModel(four))] == [1, 4, 4]


def test_crops_of_large_planes_are_seen_in_views(tiny_model: SamModel) -> None:
    plane = np.random.default_rng(1).integers(0, 255, (300, 420)).astype(np.uint8)
    tiled = TiledModel(tiny_model, large_plane=256, object_size=9)
    model = with_views(tiled, 2)
    assert isinstance(model, TiledModel)
    assert (model.large_plane, model.object_size) == (256, 9)
    prompt = Prompt(box=(200, 300, 215, 320))
    found = model.predict(model.embed(plane), prompt)
    alone = tiled.predict(tiled.embed(plane), prompt)
    assert np.array_equal(found.crop_boxes, alone.crop_boxes)
    assert not np.array_equal(np.asarray(found.low_res_logits), np.asarray(alone.low_res_logits))


def test_views_are_those_of_the_model_itself(tiny_model: SamModel) -> None:
    for model in (TiledModel(tiny_model), MultiViewModel(tiny_model, 2)):
        with pytest.raises(InputError, match=r"give TiledModel\(MultiViewModel\(model, views\)\)"):
            MultiViewModel(model, 2)


def test_what_does_not_fit_is_told_as_in_one_view(tiny_model: SamModel, plane: Any) -> None:
    model = MultiViewModel(tiny_model, 2)
    embedding = model.embed(plane)
    prompt: Any = (3, 4)
    with pytest.raises(InputError, match=r"prompts must be of type Prompt, got \(3, 4\)"):
        model.predict(embedding, [prompt])
    with pytest.raises(InputError, match=r"The point \(50, 3\) lies outside the plane"):
        model.predict(embedding, Prompt([[50, 3]]))
    edge = model.predict(embedding, Prompt(box=(47.7, 10, 60, 63.9)))
    assert edge.shape == (48, 64)
    with pytest.raises(InputError, match="The embedding has 2 views, the model 4"):
        MultiViewModel(tiny_model, 4).predict(embedding, PROMPTS[0])


def test_generators_see_planes_as_they_are(tiny_model: SamModel, plane: Any) -> None:
    """Recipes know no views, so that a search is the same with a model of several views."""
    params = AutomaticParams(
        points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1
    )
    model = MultiViewModel(tiny_model, 2)
    expected = generate_masks(tiny_model, plane, params)
    assert len(expected)
    for embedding in (None, model.embed(plane)):
        found = generate_masks(model, plane, params, embedding=embedding)
        assert np.array_equal(found.boxes, expected.boxes)
        assert np.array_equal(found.predicted_iou, expected.predicted_iou)
