"""The generator of decoders: regions and the model's masks from drawn maps, in every face."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.decoders import carry_decoder, loose_decoder_params, maps_of_labels
from tests.generators.maps import draw_discs
from tests.stub import StubModel

from napari_segany import (
    DecoderParams,
    MaskSet,
    Recipe,
    SamModel,
    generate_masks,
    segment_everything,
)
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.generators.decoder_params import missing_decoder
from napari_segany.generators.distance_decoder import DecoderGenerator, refined_prompts
from napari_segany.models.distance_decoder import DistanceMaps

LABELS = draw_discs(
    (90, 120), [(20, 20, 12), (50, 40, 14), (50, 66, 14), (72, 52, 12), (89, 100, 13)]
)
"""Discs of which three touch and one lies at the border."""

PLANE = np.zeros((*LABELS.shape, 3), np.uint8)


class TruthModel(StubModel):
    """A model that answers every prompt with the disc under its first point, and notes prompts."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def predict(self, embedding: Any, prompts: Any, **ways: Any) -> Any:
        assert ways["multimask"] is False
        self.asked += prompts
        answers = []
        for prompt in prompts:
            row, col = np.rint(prompt.points[0]).astype(int)
            number = int(LABELS[row, col])
            mask = (number > 0) & (number == LABELS)
            answers.append(
                MaskSet.from_masks(mask[None], [0.5 + 0.05 * number], points=prompt.points[:1])
            )
        return answers


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> list[DistanceMaps]:
    """The maps that the decoder of every model predicts, which a test may change."""
    given = [maps_of_labels(LABELS)]
    decoder = SimpleNamespace(sha256="5a" * 32, predict_maps=lambda *_, **__: given[0])
    monkeypatch.setattr(
        "napari_segany.generators.distance_decoder.require_decoder", lambda *_: decoder
    )
    return given


def params_with(**changes: Any) -> DecoderParams:
    return DecoderParams(decoder="5a" * 32, min_area=0, **changes)


def painted(masks: MaskSet) -> NDArray[np.int64]:
    """Labels by the disc that each mask covers most of."""
    out = np.zeros(LABELS.shape, np.int64)
    for i in range(len(masks)):
        out[masks.mask(i)] = np.bincount(LABELS[masks.mask(i)]).argmax()
    return out


def test_regions_are_the_discs(maps: list[DistanceMaps]) -> None:
    params = params_with(foreground_smoothing=0, distance_smoothing=0)
    found = DecoderGenerator(params).find(StubModel(), PLANE)
    assert len(found) == 5
    assert (painted(found) == LABELS).mean() > 0.99
    assert np.array_equal(found.predicted_iou, np.ones(5))
    rows, cols = found.points.astype(int).T
    assert all(found.mask(i)[rows[i], cols[i]] for i in range(5))
    assert found.prompts_asked == 0


def test_the_predicted_iou_of_a_region_is_its_mean_foreground(maps: list[DistanceMaps]) -> None:
    maps[0] = replace(
        maps[0], foreground=np.where(LABELS == 2, 0.75, LABELS > 0).astype(np.float32)
    )
    found = DecoderGenerator(params_with()).find(StubModel(), PLANE)
    assert len(found) == 5
    assert found.predicted_iou[-1] == pytest.approx(0.75, abs=0.02)
    assert LABELS[tuple(found.points[-1].astype(int))] == 2
    assert len(found.filter(pred_iou_thresh=0.8)) == 4
    assert len(found.filter(exclude_border=True)) == 4
    assert len(found.filter(min_area=500)) == int((np.bincount(LABELS.ravel())[1:] >= 500).sum())


def test_the_model_is_asked_in_seeds_and_again_with_boxes(maps: list[DistanceMaps]) -> None:
    model = TruthModel()
    found = DecoderGenerator(params_with(mask_source="model")).find(model, PLANE)
    assert (painted(found) == LABELS).all()
    assert found.prompts_asked == len(model.asked) == 10
    assert found.predicted_iou.tolist() == pytest.approx([0.75, 0.7, 0.65, 0.6, 0.55])
    for first, second in zip(model.asked[:5], model.asked[5:], strict=True):
        assert first.box is None
        assert first.labels.tolist() == [1]
        assert second.labels.tolist() == [1, 0, 0, 0, 0]
        own, *others = (LABELS[tuple(np.rint(p).astype(int))] for p in second.points)
        assert own > 0
        assert set(others) == set(range(1, 6)) - {own}, "points of all others, and not its own"
        rows, cols = np.nonzero(own == LABELS)
        box = np.array([rows.min(), cols.min(), rows.max(), cols.max()])
        assert np.abs(second.box - box).max() < 0.5
    one = TruthModel()
    DecoderGenerator(params_with(mask_source="model", box_refinement=False)).find(one, PLANE)
    assert len(one.asked) == 5


def test_negatives_are_the_nearest_seeds() -> None:
    masks = MaskSet.from_masks(np.ones((1, 9, 40), bool))
    points = np.array([[4.0, 20.0], [4.0, 39.0], [4.0, 22.0], [4.0, 15.0]])
    (prompt,) = refined_prompts(masks, points, np.array([0]), 2)
    assert prompt.points.tolist() == [[4, 20], [4, 22], [4, 15]]
    assert prompt.box.tolist() == [0, 0, 8, 39]
    (alone,) = refined_prompts(masks, points, np.array([0]), 0)
    assert alone.labels.tolist() == [1]
    assert refined_prompts(MaskSet.empty((9, 40)), points, np.zeros(0, int), 2) == []


def test_a_mask_of_one_pixel_is_asked_again(maps: list[DistanceMaps]) -> None:
    masks = MaskSet.from_masks(np.pad(np.ones((1, 1, 1), bool), ((0, 0), (8, 0), (0, 8))))
    (prompt,) = refined_prompts(masks, np.array([[8.0, 0.0]]), np.array([0]), 6)
    assert (prompt.box[2:] > prompt.box[:2]).all()


def test_the_same_object_from_two_seeds_is_kept_once(maps: list[DistanceMaps]) -> None:
    centre = maps[0].centre.copy()
    centre[20, :] = 1
    maps[0] = replace(maps[0], centre=centre)
    params = params_with(mask_source="model", distance_smoothing=0, foreground_smoothing=0)
    model = TruthModel()
    found = DecoderGenerator(params).find(model, PLANE)
    assert len(model.asked) == 12
    assert len(found) == 5
    assert len(found.filter(nms_thresh=1)) == 6


@pytest.mark.parametrize("source", ["region", "model"])
def test_a_region_is_searched_alone_and_neighbours_still_count(
    maps: list[DistanceMaps], source: Any
) -> None:
    generator = DecoderGenerator(params_with(mask_source=source))
    everywhere = generator.find(TruthModel(), PLANE)
    inside = generator.find(TruthModel(), PLANE, region=LABELS == 2)
    assert len(inside) == 1
    whole = [i for i in range(5) if np.array_equal(everywhere.points[i], inside.points[0])]
    assert np.array_equal(inside.mask(0), everywhere.mask(whole[0]))


@pytest.mark.parametrize("source", ["region", "model"])
@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_planes_without_seeds_have_no_objects(
    maps: list[DistanceMaps], value: float, source: Any
) -> None:
    flat = np.full(LABELS.shape, value, np.float32)
    maps[0] = DistanceMaps(flat, flat, 1 - flat)
    found = DecoderGenerator(params_with(mask_source=source)).find(StubModel(), PLANE)
    assert len(found) == 0
    assert len(found.filter(min_area=3)) == 0


def test_what_is_left_out_is_filled_in(
    tiny_model: SamModel, tmp_path: Path, monkeypatch: Any
) -> None:
    path = carry_decoder(tiny_model, tmp_path, monkeypatch)
    params = DecoderParams().resolved_for(tiny_model)
    assert params.min_area == 0
    assert params.resolved_for(tiny_model) == params
    path.unlink()
    with pytest.raises(InputError, match="tiny carries no decoder"):
        params.resolved_for(tiny_model)


def test_a_model_without_a_decoder_is_told_in_a_sentence(tiny_model: SamModel) -> None:
    with pytest.raises(InputError, match="tiny carries no decoder") as caught:
        generate_masks(tiny_model, PLANE, DecoderParams())
    assert "models import-decoder FILE --model tiny" in str(caught.value)


def test_a_model_on_another_machine_is_asked_there(
    tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing_decoder(tiny_model).startswith("tiny carries no decoder")
    far = SimpleNamespace(decoder_fits=True, place="host:8765")
    monkeypatch.setattr("napari_segany.models.distance_decoder.searching_model", lambda model: far)
    assert missing_decoder(tiny_model) == ""
    far.decoder_fits = False
    assert missing_decoder(tiny_model).startswith("tiny on host:8765 carries no decoder. Import")


@pytest.mark.parametrize("source", ["region", "model"])
def test_python_command_line_and_recipe_give_the_same_labels(
    source: Any, tiny_model: SamModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = carry_decoder(tiny_model, tmp_path, monkeypatch)
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    stack = np.random.default_rng(0).integers(0, 255, (2, 40, 56)).astype(np.uint8)
    image, out, again = tmp_path / "a.tif", tmp_path / "out", tmp_path / "again"
    tifffile.imwrite(image, stack, photometric="minisblack", metadata={"axes": "TYX"})
    command = ["segment", str(image), "--strategy", "decoder", "--mask-source", source]
    for name, value in loose_decoder_params().to_dict().items():
        if value not in (None, DecoderParams().to_dict()[name]):
            command += [f"--{name.replace('_', '-')}", str(value)]
    assert main([*command, "-o", str(out)]) == 0
    params = replace(loose_decoder_params(mask_source=source), min_area=0)
    labels = segment_everything(stack, "TYX", tiny_model, params)
    assert labels.max() > 1
    assert np.array_equal(tifffile.imread(out / "a_labels.ome.tif"), labels)
    recipe = Recipe.from_json((out / "a_recipe.json").read_text())
    assert recipe.params == params.resolved_for(tiny_model)
    values = json.loads((out / "a_recipe.json").read_text())["params"]
    assert values["strategy"] == "decoder"
    assert len(values["decoder"]) == 64
    command = ["segment", str(image), "-o", str(again), "--recipe", str(out / "a_recipe.json")]
    assert main(command) == 0
    before = (out / "a_labels.ome.tif").read_bytes()
    assert (again / "a_labels.ome.tif").read_bytes() == before
    path.unlink()
    assert main([*command, "--overwrite"]) == 2


def test_options_of_the_decoder_choose_it(
    tiny_model: SamModel, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    tifffile.imwrite(tmp_path / "a.tif", np.eye(40, dtype=np.uint8))
    command = ["segment", str(tmp_path / "a.tif"), "-o", str(tmp_path / "out")]
    assert main([*command, "--foreground-threshold", "0.4"]) != 0
    assert "tiny carries no decoder" in capsys.readouterr().err
    assert main([*command, "--strategy", "grid", "--foreground-threshold", "0.4"]) == 2
    said = capsys.readouterr().err
    assert "--foreground-threshold goes with the strategy decoder, not with --strategy grid" in said
    assert main([*command, "--strategy", "decoder", "--mask-source", "best"]) == 2
    assert "mask_source must be 'region' or 'model', got 'best'" in capsys.readouterr().err
