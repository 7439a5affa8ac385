"""Video memories beside transformers' own video models, with the same random weights."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.models.ported.their_video import SHAPE, Given, Their
from tests.models.ported.videos import VIDEOS, TinyVideo
from tests.stub import StubModel

from napari_segany import MaskSet, Prompt, load_model
from napari_segany.errors import Cancelled, InputError, WeightsError
from napari_segany.models.ported.remembering import RememberingModel
from napari_segany.models.ported.video_memory import ABSENT, PortedVideoMemory
from napari_segany.models.shared_model import SharedModel
from napari_segany.models.video_protocol import video_memory_of
from napari_segany.weights import image_families, sam2_files, sam3_files
from napari_segany.weights.resolve import import_file
from napari_segany.weights.safetensors_file import to_safetensors
from napari_segany.weights.sam2_files import HieraShape

COUNT = 12


@pytest.fixture(scope="module", params=VIDEOS)
def kind(request: pytest.FixtureRequest) -> TinyVideo:
    return VIDEOS[request.param]


@pytest.fixture(scope="module")
def theirs(kind: TinyVideo) -> Any:
    return kind.network()


@pytest.fixture(scope="module")
def model(kind: TinyVideo, theirs: Any) -> RememberingModel:
    return kind.model(theirs)


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint8]]:
    """A picture that moves and changes."""
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 255, (5, 7, 3)) for _ in range(2)]
    mixed = [(parts[0] * (1 - t) + parts[1] * t).astype(np.uint8) for t in np.linspace(0, 1, COUNT)]
    sizes = SHAPE[::-1]
    return [np.asarray(Image.fromarray(m).resize(sizes, Image.Resampling.BICUBIC)) for m in mixed]


def ours(
    model: RememberingModel,
    memory: PortedVideoMemory,
    frames: Sequence[NDArray[np.uint8]],
    prompts: Given,
    start: int,
    reverse: bool,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The same by our own memory, which sees all prompts from the beginning."""

    def embed(plane: int) -> Any:
        return model.embed(frames[plane], limits=((0, 255),) * 3)

    seen = {
        i: {p: memory.see(embed(p), [given])[0] for p, given in each.items()}
        for i, each in prompts.items()
    }
    kept = [
        memory.begin({p: s.memory for p, s in each.items()}, not reverse, len(frames))
        for each in seen.values()
    ]
    for plane in range(start, -1, -1) if reverse else range(start, len(frames)):
        if all(plane in each for each in prompts.values()):
            found = [each[plane] for each in seen.values()]
        else:
            found = memory.recall(embed(plane), plane, kept)
            for one, each in zip(kept, found, strict=True):
                one.add(plane, each.memory)
        logits = [each.mask.low_res_logits for each in found]
        # A given mask is taken as it is, and has none.
        if all(each is not None for each in logits):
            yield plane, np.concatenate(logits)


def disc(row: float, col: float, radius: float) -> MaskSet:
    rows, cols = np.indices(SHAPE)
    return MaskSet.from_masks((np.hypot(rows - row, cols - col) < radius)[None])


PROMPTS: dict[str, Prompt | MaskSet] = {
    "a point": Prompt(points=[(20, 30)]),
    "points": Prompt(points=[(20, 30), (5, 50), (33, 8)], labels=[1, 0, 1]),
    "a box": Prompt(box=(4, 6, 30, 44)),
    "a box and a point": Prompt(points=[(20, 30)], box=(4, 6, 30, 44)),
    "a mask": disc(20, 30, 9),
}


def compare(
    kind: TinyVideo,
    theirs: Any,
    model: RememberingModel,
    frames: Any,
    prompts: Given,
    start: int,
    at_once: int = 1,
) -> set[bool]:
    """Compare logits on every plane in both directions; return whether the object was there."""
    memory = model.video_memory()
    memory.at_once = at_once
    there = set()
    for reverse in (False, True):
        tracked = dict(Their(kind, theirs, frames, prompts).track(start, reverse))
        found = dict(ours(model, memory, frames, prompts, start, reverse))
        assert len(tracked) == (start + 1 if reverse else COUNT - start)
        given = {
            p for each in prompts.values() for p, one in each.items() if isinstance(one, MaskSet)
        }
        assert found.keys() == tracked.keys() - given
        for plane, logits in found.items():
            there |= {bool((each != ABSENT).all()) for each in tracked[plane]}
            assert np.ptp(tracked[plane]) > 1 or (tracked[plane] == ABSENT).all()
            assert np.allclose(logits, tracked[plane], rtol=0, atol=1e-4), (plane, reverse)
    return there


@pytest.mark.parametrize("name", PROMPTS)
def test_one_object_from_any_prompt_in_both_directions(
    kind: TinyVideo, theirs: Any, model: Any, frames: Any, name: str
) -> None:
    assert compare(kind, theirs, model, frames, {1: {4: PROMPTS[name]}}, 4) == {True}


BOXES = [Prompt(box=box) for box in ((4, 6, 30, 44), (10, 20, 25, 50), (2, 2, 38, 20))]


@pytest.mark.parametrize("at_once", [1, 3])
def test_three_objects_alone_or_in_a_batch(
    kind: TinyVideo, theirs: Any, model: Any, frames: Any, at_once: int
) -> None:
    compare(kind, theirs, model, frames, {i: {3: box} for i, box in enumerate(BOXES)}, 3, at_once)


@pytest.mark.parametrize("later", ["points", "a mask"])
def test_a_correction_on_a_later_plane(
    kind: TinyVideo, theirs: Any, model: Any, frames: Any, later: str
) -> None:
    first = PROMPTS["a box"]
    compare(kind, theirs, model, frames, {1: {2: first, 7: PROMPTS[later]}}, 2)


def test_an_object_that_is_absent_on_some_planes(kind: TinyVideo, frames: Any) -> None:
    network = kind.network(presence=kind.sometimes)
    model = kind.model(network)
    assert compare(kind, network, model, frames, {1: {5: PROMPTS["a point"]}}, 5) == {False, True}


def test_logits_as_a_prompt_are_asked_with(model: Any, frames: Any) -> None:
    embedding = model.embed(frames[0])
    memory = model.video_memory()
    hint = np.random.default_rng(0).normal(0, 9, (32, 32)).astype(np.float32)
    plain, hinted = (Prompt(points=[(20, 30)], mask_logits=each) for each in (None, hint))
    one, two = memory.see(embedding, [plain, hinted])
    assert abs(one.mask.low_res_logits - two.mask.low_res_logits).max() > 0.1
    (same,) = memory.see(embedding, [plain])
    assert np.array_equal(same.mask.low_res_logits, one.mask.low_res_logits)
    with pytest.raises(InputError, match=r"mask_logits must have shape \(32, 32\)"):
        memory.see(embedding, [Prompt(points=[(1, 1)], mask_logits=np.zeros((64, 64)))])


def test_what_an_object_remembers_is_bounded(model: Any, frames: Any) -> None:
    memory = model.video_memory()
    embedding = model.embed(frames[0])
    (seen,) = memory.see(embedding, [PROMPTS["a box"]])
    kept = memory.begin({0: seen.memory}, True, 100)
    sizes = []
    for plane in range(1, 30):
        kept.add(plane, seen.memory)
        sizes.append(kept.nbytes)
    # The prompted plane, six planes before the next one, and fifteen object pointers.
    assert sizes[20:] == [7 * seen.memory.nbytes + 9 * seen.memory.pointer.nbytes] * 9
    assert [n for n, _ in kept.features(30)] == [0, 6, 5, 4, 3, 2, 1]
    assert [n for n, _ in kept.pointers_to(30)] == [30, *range(1, 16)]


def test_an_object_smaller_than_a_pixel_of_the_frame_is_seen(model: Any) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (600, 900)).astype(np.uint8)
    dot = np.zeros(plane.shape, bool)
    dot[300, 400] = True
    mask = MaskSet.from_masks(dot[None])
    memory, embedding = model.video_memory(), model.embed(plane)
    (seen,) = memory.see(embedding, [mask])
    assert seen.mask is mask
    (nothing,) = memory.see(embedding, [MaskSet.from_masks(np.zeros((1, *plane.shape), bool))])
    assert (seen.memory.features != nothing.memory.features).any()
    assert (seen.presence > 0.9, nothing.presence < 0.1) == (True, True)


def test_what_does_not_fit_is_refused(model: Any, frames: Any) -> None:
    memory, embedding = model.video_memory(), model.embed(frames[0])
    with pytest.raises(InputError, match="lies outside the plane"):
        memory.see(embedding, [Prompt(points=[(99, 99)])])
    with pytest.raises(InputError, match=r"The mask has shape \(9, 9\)"):
        memory.see(embedding, [MaskSet.from_masks(np.ones((1, 9, 9), bool))])
    with pytest.raises(InputError, match="made by another model"):
        memory.see(StubModel().embed(frames[0]), [PROMPTS["a box"]])
    (seen,) = memory.see(embedding, [PROMPTS["a box"]])
    kept = memory.begin({0: seen.memory}, True, 3)
    with pytest.raises(Cancelled):
        memory.recall(embedding, 1, [kept], should_stop=lambda: True)
    with pytest.raises(InputError, match=r"stub has no video memory; choose a SAM 2\.1"):
        video_memory_of(StubModel())


ORIGINAL = {
    "object_pointer_proj.layers.0.": "obj_ptr_proj.layers.1.",
    "object_pointer_proj.proj_in.": "obj_ptr_proj.layers.0.",
    "object_pointer_proj.proj_out.": "obj_ptr_proj.layers.2.",
    "temporal_positional_encoding_projection_layer.": "obj_ptr_tpos_proj.",
    "memory_temporal_positional_encoding": "maskmem_tpos_enc",
    "no_memory_positional_encoding": "no_mem_pos_enc",
    "no_object_pointer": "no_obj_ptr",
    "occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
    "memory_encoder.projection.": "memory_encoder.out_proj.",
    "memory_encoder.feature_projection.": "memory_encoder.pix_feat_proj.",
    "memory_encoder.memory_fuser.": "memory_encoder.fuser.",
    ".depthwise_conv.": ".dwconv.",
    ".pointwise_conv": ".pwconv",
    ".final_conv.": ".encoder.12.",
    ".o_proj.": ".out_proj.",
}
"""Parts of the names of transformers, and what they are in the original files."""


def original_name(name: str) -> str:
    for theirs, original in ORIGINAL.items():
        name = name.replace(theirs, original)
    if "mask_downsampler.layers." in name:
        before, after = name.split("layers.")
        layer, part, kind = after.split(".")
        return f"{before}encoder.{3 * int(layer) + (part == 'layer_norm')}.{kind}"
    if "fuser" in name and name.endswith(".scale"):
        name = name.replace(".scale", ".gamma")
    return name.replace("layer_norm", "norm")


def test_original_files_have_the_same_memory_under_other_names(theirs: Any) -> None:
    tensors = sam2_files.video_tensors(VIDEOS["sam2"].network().state_dict())
    originals = {original_name(name): value for name, value in tensors.items()}
    assert originals.keys() >= {
        *("maskmem_tpos_enc", "no_obj_embed_spatial", "obj_ptr_proj.layers.2.weight"),
        *("memory_encoder.mask_downsampler.encoder.10.bias", "memory_encoder.out_proj.weight"),
        *("memory_encoder.fuser.layers.1.gamma", "memory_attention.layers.1.norm3.weight"),
        *("memory_attention.norm.bias", "memory_attention.layers.0.cross_attn_image.out_proj.bias"),
    }
    beside = {"image_encoder.trunk.pos_embed": torch.ones(1), "no_mem_embed": torch.ones(1)}
    found = sam2_files.video_tensors({**originals, **beside})
    assert found.keys() == tensors.keys()
    assert all(found[name] is value for name, value in tensors.items())


@pytest.fixture
def tiny_sizes(kind: TinyVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the tiny networks are recognised and built as those of the published ones."""
    published = {"sam2": image_families.SAM2, "sam3": image_families.SAM3}[kind.name]
    monkeypatch.setattr(
        sam2_files, "SAM2_SHAPES", {"sam2_t": HieraShape(8, 1, (1, 1, 2, 1), (3,) * 3)}
    )
    monkeypatch.setattr(sam3_files, "WIDTH", 32)
    family = replace(published, configs={kind.family.architecture: kind.family.config})
    monkeypatch.setattr(image_families, "IMAGE_FAMILIES", (family,))
    module = sys.modules[kind.family.adapter.__module__]
    monkeypatch.setattr(module, "memory_config", kind.config)


@pytest.mark.usefixtures("tiny_sizes", "cache")
def test_memory_comes_from_the_file_of_the_weights(
    tmp_path: Path, kind: TinyVideo, theirs: Any, frames: Any
) -> None:
    state = {name: value.contiguous() for name, value in theirs.state_dict().items()}

    def loaded(name: str, tensors: Mapping[str, torch.Tensor]) -> Any:
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(to_safetensors(dict(tensors)))
        import_file(path)
        return load_model(name, device="cpu")

    whole = loaded("whole", state)
    compare(kind, theirs, whole, frames, {1: {8: PROMPTS["a box"]}}, 8)
    assert isinstance(video_memory_of(SharedModel(whole)), PortedVideoMemory)
    image_only = loaded("image_only", kind.convert(state))
    with pytest.raises(WeightsError, match=r"The weights of image_only hold no video memory; imp"):
        image_only.video_memory()
    del state["memory_encoder.projection.weight"]
    with pytest.raises(WeightsError, match=r"The video memory of damaged does not fit: .*project"):
        loaded("damaged", state).video_memory()
