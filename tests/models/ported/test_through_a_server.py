"""Frames of families whose logits are no quarter of them, known on the other side of a server."""

from typing import Any

import numpy as np
import pytest
from tests.models.ported.networks import model_of, plane_of

from napari_segany.core.intensity import to_rgb
from napari_segany.remote.calls import Calls, Ways
from napari_segany.remote.embedding import RemoteEmbedding
from napari_segany.remote.message import Message


@pytest.mark.parametrize("name", ["sam2", "sam3", "sam_hq"])
def test_a_client_knows_the_frame_of_the_server(name: str) -> None:
    model, rgb = model_of(name), to_rgb(plane_of())
    calls = Calls.of([model], "1", 1 << 24)
    known = {"client": "me", "model": model.id, "sha256": model.weights.sha256}

    def ask(call: str, arrays: Any = None, **fields: Any) -> dict[str, Any]:
        message = Message({**known, "call": call, **fields}, arrays or {})
        return calls.answer(message, Ways(lambda *_: None, lambda: False)).fields

    plane = ask("put", {"plane": np.ascontiguousarray(rgb)})["plane"]
    facts = ask("embed", plane=plane)
    frame = RemoteEmbedding(rgb, model.weights.sha256, facts).frame
    expected = model.embed(plane_of()).frame
    assert type(frame) is type(expected)
    assert frame.mask_side == expected.mask_side == 32
    assert frame.cells_used(32) == expected.cells_used(32)
