"""Tests that every promptable model has to pass; a new family adds a class to test_contract.py."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_segany import MaskSet, Prompt, PromptableModel
from napari_segany.core.image_source import ArraySource
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import Embedding, PointCandidates
from napari_segany.models.screening import Screen
from napari_segany.session.session import Session

SHAPE = (40, 56)
PROMPTS = [
    Prompt(points=[(20, 30)]),
    Prompt(points=[(5, 6), (30, 40)], labels=[1, 0]),
    Prompt(box=(4, 5, 30, 44)),
    Prompt(points=[(12, 40)]),
]
EVERYTHING = Screen(-np.inf, -np.inf, np.inf, 1.0, sparse=False)


class ModelContract:
    """Tests of one model; subclasses give the fixture ``model``."""

    @pytest.fixture
    def plane(self) -> NDArray[np.uint8]:
        return np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)

    @pytest.fixture
    def embedding(self, model: PromptableModel, plane: NDArray[np.uint8]) -> Embedding:
        return model.embed(plane)

    def test_it_is_a_promptable_model(self, model: PromptableModel) -> None:
        assert isinstance(model, PromptableModel)

    def test_identity(self, model: PromptableModel) -> None:
        assert model.id == model.weights.id != ""
        assert isinstance(model.weights.sha256, str)
        assert model.precision in ("exact", "bfloat16")
        assert isinstance(model.device, torch.device)

    def test_defaults_are_legal_parameters(self, model: PromptableModel) -> None:
        own = model.defaults
        AutomaticParams().resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area)

    def test_embeddings(self, model: PromptableModel, embedding: Embedding) -> None:
        assert isinstance(embedding, Embedding)
        assert embedding.shape == embedding.frame.shape == SHAPE
        assert embedding.weights_sha256 == model.weights.sha256
        assert embedding.nbytes > 0
        model.check_embedding(embedding)
        cache = EmbeddingCache(embedding.nbytes)
        cache.put("key", embedding)
        assert cache.nbytes == embedding.nbytes

    def test_stages_change_nothing_else(
        self, model: PromptableModel, plane: NDArray[np.uint8], embedding: Embedding
    ) -> None:
        assert embedding.stages == ()
        assert embedding.without_stages() is embedding
        kept = model.embed(plane, stages=True)
        assert all(stage.ndim == 3 for stage in kept.stages)
        size = sum(stage.numel() * stage.element_size() for stage in kept.stages)
        assert kept.nbytes == embedding.nbytes + size
        dropped = kept.without_stages()
        assert isinstance(dropped, Embedding)
        assert dropped.stages == ()
        assert dropped.nbytes == embedding.nbytes
        for each in (kept, dropped):
            found = model.predict(each, PROMPTS[1]).low_res_logits
            expected = model.predict(embedding, PROMPTS[1]).low_res_logits
            assert np.array_equal(np.asarray(found), np.asarray(expected))

    def test_colour_planes(self, model: PromptableModel, plane: NDArray[np.uint8]) -> None:
        assert model.embed(np.stack([plane] * 3, axis=-1)).shape == SHAPE

    def test_what_is_no_embedding_is_refused(self, model: PromptableModel) -> None:
        with pytest.raises(InputError, match="embedding is needed, got str"):
            model.check_embedding("embedding")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="embedding is needed"):
            model.predict(None, PROMPTS[0])  # type: ignore[call-overload]

    def test_embedding_can_be_stopped(
        self, model: PromptableModel, plane: NDArray[np.uint8]
    ) -> None:
        with pytest.raises(Cancelled):
            model.embed(plane, should_stop=lambda: True)

    def test_predicting_can_be_stopped(self, model: PromptableModel, embedding: Embedding) -> None:
        with pytest.raises(Cancelled):
            model.predict(embedding, PROMPTS, should_stop=lambda: True)

    def test_candidates_come_best_first_with_scores_and_logits(
        self, model: PromptableModel, embedding: Embedding
    ) -> None:
        for prompt in PROMPTS:
            found = model.predict(embedding, prompt, ranking="predicted_iou")
            assert isinstance(found, MaskSet)
            assert found.shape == SHAPE
            assert len(found) == (3 if prompt.is_ambiguous else 1)
            assert (np.diff(found.predicted_iou) <= 0).all()
            logits = found.low_res_logits
            assert logits is not None
            assert logits.shape[0] == len(found)
            assert logits.shape[1] == logits.shape[2]

    def test_no_prompts_no_answers(self, model: PromptableModel, embedding: Embedding) -> None:
        assert model.predict(embedding, []) == []

    def test_answers_do_not_depend_on_other_prompts(
        self, model: PromptableModel, embedding: Embedding
    ) -> None:
        together = model.predict(embedding, PROMPTS)
        for prompt, found in zip(PROMPTS, together, strict=True):
            alone = model.predict(embedding, prompt)
            assert np.array_equal(alone.predicted_iou, found.predicted_iou)
            assert all(np.array_equal(alone.mask(i), found.mask(i)) for i in range(len(found)))

    def test_an_embedded_plane_answers_points_in_groups(
        self, model: PromptableModel, embedding: Embedding
    ) -> None:
        points = np.array([(r + 0.5, c + 0.5) for r in range(4, 40, 12) for c in range(4, 56, 17)])
        ready = model.prepare(embedding)
        groups = list(ready.predict_points(points, 5, EVERYTHING, lambda found: found))
        assert sum(each.prompted for each in groups) == len(points)
        assert max(each.prompted for each in groups) <= 5
        found = np.concatenate([each.points for each in groups])
        assert {tuple(point) for point in found.tolist()} <= {tuple(p) for p in points.tolist()}
        for each in groups:
            assert isinstance(each, PointCandidates)
            assert len(each.points) == len(each.predicted_iou) == len(each.logits)
            rows, cols = ready.frame.cells_used(each.logits.shape[-1])
            assert 0 < rows <= each.logits.shape[-1]
            assert 0 < cols <= each.logits.shape[-1]

    def test_a_screen_leaves_the_other_candidates_as_they_are(
        self, model: PromptableModel, embedding: Embedding
    ) -> None:
        points = np.array([(20.5, 30.5), (5.5, 7.5)])
        (every,) = model.prepare(embedding).predict_points(points, 8, EVERYTHING, lambda x: x)
        bound = float(every.predicted_iou.sort().values[len(every.predicted_iou) // 2])
        strict = Screen(bound, -np.inf, np.inf, 1.0, sparse=False)
        (fewer,) = model.prepare(embedding).predict_points(points, 8, strict, lambda x: x)
        kept = every.predicted_iou > bound
        assert torch.equal(fewer.predicted_iou, every.predicted_iou[kept])
        assert torch.equal(fewer.logits, every.logits[kept])

    def test_features_at_points(self, model: PromptableModel, embedding: Embedding) -> None:
        points = np.array([(0.5, 0.5), (20.0, 30.0), (39.5, 55.5)])
        features = model.prepare(embedding).features_at(points)
        assert features.shape[0] == 3
        assert features.dtype == np.float32
        assert np.isfinite(features).all()

    @pytest.mark.parametrize("strategy", ["grid", "adaptive"])
    def test_everything_can_be_found(
        self, model: PromptableModel, plane: NDArray[np.uint8], strategy: str
    ) -> None:
        params = AutomaticParams(
            strategy=strategy,  # type: ignore[arg-type]
            points_per_side=16,
            pred_iou_thresh=0,
            stability_score_thresh=0,
            min_area=0,
            max_area_fraction=1,
        )
        found = generate_masks(model, plane, params)
        assert len(found)
        assert found.prompts_asked > 0
        assert found.shape == SHAPE

    def test_a_session_can_use_it(self, model: PromptableModel, plane: NDArray[np.uint8]) -> None:
        session = Session(ArraySource(plane), model)
        session.add_point(20, 30)
        candidates = session.ask()
        assert candidates is not None
        # The best candidate of random weights may be empty.
        session.choose(int(np.argmax(candidates.area > 0)))
        assert session.commit() == [1]
        assert session.labels.data.max() == 1  # type: ignore[attr-defined]
