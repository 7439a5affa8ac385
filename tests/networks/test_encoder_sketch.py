"""The same encoder is recognised in another file; another encoder never is."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from napari_segany.networks.encoder_sketch import TOLERANCE, EncoderSketch, sketch_encoder
from napari_segany.networks.sam import build_sam
from napari_segany.networks.tiny_vit import ConvNorm, TinyViT

State = dict[str, Tensor]


def build_encoder() -> TinyViT:
    return TinyViT((8, 16, 16, 32), (1, 1, 1, 1), (1, 2, 2, 2), (7, 7, 7, 7), out_channels=16)


@pytest.fixture(scope="module")
def state(randomise: Callable[[nn.Module, int], None]) -> State:
    """Weights as training leaves them: normalisations with statistics of their own."""
    encoder = build_encoder()
    randomise(encoder, 0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            generator = torch.Generator().manual_seed(module.num_features)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.5, generator=generator)
            module.running_var.uniform_(0.2, 3, generator=generator)
    return encoder.eval().state_dict()


def load_folded(state: State) -> TinyViT:
    encoder = build_encoder().eval()
    encoder.load_state_dict(state)
    for module in encoder.modules():
        if isinstance(module, ConvNorm):
            module.fuse()
    return encoder


def sketch(state: State) -> EncoderSketch:
    return sketch_encoder(load_folded(state))


def already_folded(state: State) -> State:
    """The weights as ONNX files hold them: scales in the convolutions, only a sum remains."""
    folded = dict(state)
    for name in [each for each in state if each.endswith(".bn.weight")]:
        norm, weight = name.removesuffix(".weight"), f"{name.removesuffix('.bn.weight')}.c.weight"
        scale = state[name] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
        folded[weight] = state[weight] * scale[:, None, None, None]
        folded[f"{norm}.bias"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        folded[name] = torch.ones_like(scale)
        folded[f"{norm}.running_mean"] = torch.zeros_like(scale)
        folded[f"{norm}.running_var"] = torch.full_like(scale, 1 - 1e-5)
    return folded


def rounded(state: State, dtype: torch.dtype) -> State:
    return {k: v.to(dtype).to(v.dtype) if v.is_floating_point() else v for k, v in state.items()}


def test_the_same_encoder_in_other_files_is_recognised(state: State) -> None:
    here = sketch(state)
    assert here.distance(here) == 0
    folded = already_folded(state)
    others = [
        folded,
        *(rounded(s, d) for s in (state, folded) for d in (torch.half, torch.bfloat16)),
    ]
    distances = [here.distance(sketch(other)) for other in others]
    assert max(distances) < TOLERANCE / 2
    assert all(here.is_same(sketch(other)) for other in others)


def test_computing_in_bfloat16_changes_nothing_of_that(state: State) -> None:
    lowered = load_folded(state)
    lowered.lower_precision(torch.bfloat16)
    assert sketch(state).is_same(sketch_encoder(lowered))


@pytest.mark.parametrize(
    "name", ["layers.2.blocks.0.mlp.fc1.weight", "layers.0.blocks.0.conv1.bn.bias", "neck.3.bias"]
)
def test_an_encoder_that_was_trained_on_is_another_one(state: State, name: str) -> None:
    noise = torch.randn(state[name].shape, generator=torch.Generator().manual_seed(1))
    changed = state | {name: state[name] + 0.05 * state[name].std() * noise}
    assert not sketch(state).is_same(sketch(changed))


def test_another_encoder_of_the_same_shape_is_another_one(
    state: State, randomise: Callable[[nn.Module, int], None]
) -> None:
    other = build_encoder()
    randomise(other, 1)
    assert sketch(state).distance(sketch(other.eval().state_dict())) > 0.5


def test_other_shapes_are_infinitely_far(state: State) -> None:
    wider = TinyViT((8, 16, 16, 32), (1, 1, 1, 1), (1, 2, 2, 2), (7, 7, 7, 7), out_channels=24)
    here = sketch(state)
    assert here.distance(sketch_encoder(wider)) == float("inf")
    fewer = EncoderSketch(here.layout, tuple(row[:4] for row in here.values))
    assert here.distance(fewer) == fewer.distance(here) == float("inf")


def test_tensors_of_zeros_can_be_compared() -> None:
    layer = nn.Linear(4, 4)
    nn.init.zeros_(layer.bias)
    first = sketch_encoder(layer)
    nn.init.constant_(layer.bias, 1e-7)
    assert first.is_same(sketch_encoder(layer))
    nn.init.constant_(layer.bias, 0.1)
    assert not first.is_same(sketch_encoder(layer))


def test_a_published_shape_is_sketched_alike_every_time() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_sam("vit_t").fuse().image_encoder
    first = sketch_encoder(encoder)
    assert first == sketch_encoder(encoder)
    assert len(first.values) == sum(1 for _ in encoder.parameters())
