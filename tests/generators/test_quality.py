import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.generators.maps import random_quality

from napari_segany.errors import InputError
from napari_segany.generators.quality import FEATURES, Quality, quality_of, stack_columns


@pytest.fixture
def quality() -> Quality:
    return random_quality()


def rows(name: str, count: int = 200) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 2, (count, len(FEATURES[name]))).astype(np.float32)


@pytest.mark.parametrize("name", FEATURES)
def test_it_goes_through_json_and_estimates_the_same(quality: Quality, name: str) -> None:
    again = Quality.from_dict(json.loads(json.dumps(quality.to_dict())))
    one, two = getattr(quality, name)(rows(name)), getattr(again, name)(rows(name))
    assert np.array_equal(one, two)
    assert one.dtype == np.float32
    assert (one > 0).all()
    assert (one < 1).all()
    assert len(np.unique(one)) > 100
    assert again.to_dict() == quality.to_dict()


def test_an_estimate_is_the_network_of_torch(quality: Quality) -> None:
    network, x = quality.region, rows("region")
    hidden = torch.from_numpy(np.clip((x - network.mean) / network.scale, -6, 6))
    for number, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        hidden = hidden @ torch.from_numpy(weight) + torch.from_numpy(bias)
        hidden = hidden if number else hidden.relu()
    assert network(x) == pytest.approx(hidden[:, 0].sigmoid().numpy(), abs=1e-5)


def test_the_number_of_threads_changes_no_bit(quality: Quality) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = quality.region(rows("region", 3000))
        torch.set_num_threads(2)
        assert np.array_equal(quality.region(rows("region", 3000)), one)
    finally:
        torch.set_num_threads(before)


def test_features_far_from_any_and_no_rows(quality: Quality) -> None:
    far = replace(quality.region, biases=tuple(1e4 * each for each in quality.region.biases))
    with np.errstate(all="raise"):
        values = far(np.full((3, len(FEATURES["region"])), 1e30, np.float32))
    assert np.isfinite(values).all()
    assert quality.region(rows("region", 0)).shape == (0,)


@pytest.mark.parametrize("change", ["missing", "renamed", "shorter", "empty"])
def test_an_estimate_of_other_features_is_refused(quality: Quality, change: str) -> None:
    values = quality.to_dict()
    if change == "missing":
        del values["mask"]
    elif change == "renamed":
        values["mask"]["features"][0] = "colour"
    elif change == "shorter":
        values["mask"]["features"].pop()
    else:
        values = {}
    with pytest.raises(InputError, match="made for another version of napari-segany"):
        Quality.from_dict(values)


@pytest.mark.parametrize("change", ["mean", "scale", "layer", "width", "text", "finite"])
def test_an_estimate_that_fits_nothing_is_refused(quality: Quality, change: str) -> None:
    values = quality.to_dict()
    region = values["region"]
    if change == "mean":
        region["mean"].pop()
    elif change == "scale":
        region["scale"][0] = 0.0
    elif change == "layer":
        region["weights"].pop()
    elif change == "width":
        region["biases"][0].pop()
    elif change == "text":
        region["mean"] = "a mean"
    else:
        region["weights"][0][0][0] = float("nan")
    with pytest.raises(InputError, match="'region' is damaged"):
        Quality.from_dict(values)


def test_columns_and_tables_side_by_side() -> None:
    stacked = stack_columns([1.0, 2.0], np.zeros((2, 3)), np.array([True, False]))
    assert stacked.tolist() == [[1, 0, 0, 0, 1], [2, 0, 0, 0, 0]]
    assert stacked.dtype == np.float32


def test_the_card_of_a_finder_is_parsed_once(quality: Quality, monkeypatch: Any) -> None:
    class Finder:
        card = SimpleNamespace(quality=quality.to_dict())

    read: list[Any] = []
    parse = Quality.from_dict
    monkeypatch.setattr(Quality, "from_dict", lambda values: read.append(values) or parse(values))
    one, other = Finder(), Finder()
    assert quality_of(one) is quality_of(one)
    assert quality_of(one).to_dict() == quality_of(other).to_dict() == quality.to_dict()
    assert len(read) == 2
