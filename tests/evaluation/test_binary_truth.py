"""Truth that does not tell objects apart is noticed, and taken apart if that is wanted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from skimage import data, measure, morphology

from napari_segany import evaluate
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.evaluation.binary_truth import describe_binary, split_components
from napari_segany.evaluation.tasks import EvaluationSettings

FEW = EvaluationSettings(tasks=("boxes",))


@pytest.fixture(scope="module")
def coins() -> Any:
    """Coins, and their mask of 0 and 255."""
    mask = morphology.remove_small_objects(data.coins() > 150, max_size=400)
    return data.coins(), np.where(mask, 255, 0).astype(np.uint8)


def discs(*ids: int) -> Any:
    """Squares in a row with these labels."""
    truth = np.zeros((20, 20 * len(ids)), np.int32)
    for n, each in enumerate(ids):
        truth[4:16, 20 * n + 4 : 20 * n + 16] = each
    return truth


def test_a_mask_and_classes_are_noticed_and_objects_are_not(coins: Any) -> None:
    count = measure.label(coins[1]).max()
    assert count > 10
    assert describe_binary(coins[1]) == f"one value, 255, in {count} separate parts"
    assert describe_binary(discs(1, 2, 1, 2)) == "2 values in 4 separate parts"
    assert describe_binary(coins[1] > 0).startswith("one value, True, in")
    for labels in (discs(1, 2, 3), discs(1, 1, 2, 3), discs(7), discs(0), discs(-1, -1)):
        assert describe_binary(labels) == ""
    speck = discs(5)
    speck[0, 0] = 5
    assert describe_binary(speck) == ""


def test_parts_of_each_label_are_objects() -> None:
    touching = discs(1, 2)
    touching[8, 16:24] = 1
    assert split_components(touching).max() == 2
    assert split_components(discs(255, 255, -1, 0)).max() == 2
    assert split_components(discs(3, 3) > 0).max() == 2


def test_arrays_are_warned_of_counted_apart_or_refused(coins: Any, tiny_model: Any) -> None:
    image, mask = coins[0][:100, :150], coins[1][:100, :150]
    parts = int(measure.label(mask).max())
    with pytest.warns(UserWarning, match=f"Truth 0 holds one value, 255, in {parts}"):
        found = evaluate([image], [mask], tiny_model, FEW)
    assert found["tiny"].objects == 1
    for treatment, count in (("components", parts), ("one", 1)):
        settings = EvaluationSettings(tasks=("boxes",), binary_truth=treatment)  # type: ignore[arg-type]
        assert evaluate([image], [mask], tiny_model, settings)["tiny"].objects == count
    refused = EvaluationSettings(tasks=("boxes",), binary_truth="refuse")
    with pytest.raises(InputError, match="objects are not told apart"):
        evaluate([image], [mask], tiny_model, refused)
    with pytest.raises(InputError, match="binary_truth must be one of tell, components"):
        EvaluationSettings(binary_truth="parts")  # type: ignore[arg-type]


def test_the_command_says_so_and_counts_parts(
    coins: Any, tiny_model: Any, monkeypatch: Any, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    image, mask = coins[0][:100, :150], coins[1][:100, :150]
    parts = int(measure.label(mask).max())
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "truth.tif", mask)

    def run(*options: str) -> tuple[int, Any, str]:
        code = main(
            [
                *("evaluate", str(tmp_path / "a.tif"), "--truth", str(tmp_path / "truth.tif")),
                *("-o", str(tmp_path / "out"), "--tasks", "clicks", "--clicks", "1", "--json"),
                *options,
            ]
        )
        said = capsys.readouterr()
        return code, json.loads(said.out.splitlines()[-1])["scores"], said.err

    code, scores, said = run()
    assert (code, scores["tiny"]["objects"]) == (0, 1)
    assert said.count("one value, 255") == 1
    assert "--binary-truth components" in said
    code, scores, said = run("--binary-truth", "components")
    assert (code, scores["tiny"]["objects"], "holds" in said) == (0, parts, False)
    code, scores, said = run("--binary-truth", "one")
    assert (code, scores["tiny"]["objects"], "holds" in said) == (0, 1, False)
    code, scores, said = run("--binary-truth", "refuse")
    assert (code, scores) == (1, {})
    assert "not told apart" in said
