"""micro-sam's decoder: the published names and numbers, and the form in pieces."""

from typing import Any

import pytest
import torch
from tests.decoders import TINY_SHAPE, build_decoder, decoder_state
from tests.published_decoders import published_unetr
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.errors import Cancelled
from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.unetr import Unetr, UnetrShape, build_unetr, identify_shape
from napari_segany.networks.unetr_inference import UnetrInference

SHAPES = [UnetrShape(16, 4, transposed) for transposed in (False, True)]
CPU = torch.device("cpu")


def written_out(state: dict[str, Tensor], transposed: bool, x: Tensor) -> Tensor:
    """The published network, as formulas on its weights."""

    def two(name: str) -> tuple[Tensor, Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    def up(name: str, x: Tensor) -> Tensor:
        if transposed:
            return F.conv_transpose2d(x, *two(f"{name}.block"), stride=2)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.conv2d(x, *two(f"{name}.conv"))

    def norm(x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return (x - mean) / ((x - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()

    def block(name: str, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(norm(x), *two(f"{name}.block.1"), padding=1))
        return F.relu(F.conv2d(norm(x), *two(f"{name}.block.4"), padding=1))

    def straight(name: str, x: Tensor) -> Tensor:
        x = F.conv2d(up(f"{name}.block.0", x), *two(f"{name}.block.1.block"), padding=1)
        mean, variance = state[f"{name}.block.2.running_mean"], state[f"{name}.block.2.running_var"]
        return F.relu(F.batch_norm(x, mean, variance, *two(f"{name}.block.2")))

    lasts = []
    other = x
    for step in range(4):
        other = straight(f"deconv{step + 1}", other)
        lasts.append(other)
    x = block("base", x)
    for step in range(3):
        x = up(f"decoder.samplers.{step}", x)
        count = x.shape[1]
        x = block(
            f"decoder.blocks.{step}",
            torch.cat([x, lasts[step][:, count // 2 : count // 2 + count]], 1),
        )
    x = block("decoder_head", torch.cat([up("deconv_out", x), lasts[3]], 1))
    return torch.sigmoid(F.conv2d(x, *two("out_conv")))


class Encoder(nn.Module):
    """What torch-em's decoder asks of an encoder; it is never called."""

    img_size, in_chans = 128, 3

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim


def published(shape: UnetrShape) -> Any:
    """torch-em's network with the weights of ours."""
    network = published_unetr()(
        backbone="sam",
        encoder=Encoder(shape.embedding),
        out_channels=3,
        use_sam_stats=True,
        final_activation="Sigmoid",
        use_skip_connection=False,
        resize_input=True,
        use_conv_transpose=shape.transposed,
        initial_features=shape.width,
    )
    network.load_state_dict(build_decoder(shape).state_dict())
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_maps_are_those_of_the_published_code(shape: UnetrShape) -> None:
    network = published(shape)
    # The maps of a frame come back as they are.
    network.postprocess_masks = lambda maps, *_: maps
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = network.decode((x, None, None), (128, 128), (128, 128))
    own = build_unetr(shape)
    own.load_state_dict(network.state_dict())
    assert (own(x) - expected).abs().max() < 1e-6
    found = UnetrInference(shape, network.state_dict(), CPU).predict(x[0])
    assert (found - expected[0]).abs().max() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [2, 3, 20])
def test_the_maps_are_those_of_the_formulas(shape: UnetrShape, side: int) -> None:
    network = build_decoder(shape)
    x = torch.randn(16, side, side, generator=torch.Generator().manual_seed(side))
    expected = written_out(network.state_dict(), shape.transposed, x[None])[0]
    assert expected.std(dim=(1, 2)).min() > 0.01
    assert (network(x[None])[0] - expected).abs().max() < 2e-5
    with torch.inference_mode():
        found = UnetrInference(shape, network.state_dict(), CPU).predict(x)
    assert found.shape == (3, 16 * side, 16 * side)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 2e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_number_of_threads_changes_no_bit(shape: UnetrShape) -> None:
    network = UnetrInference(shape, decoder_state(shape), CPU)
    x = torch.randn(16, 12, 12, generator=torch.Generator().manual_seed(1))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode(), spreading_pieces(CPU) as spread:
                found.append(network.predict(x, spread))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_bfloat16_is_close() -> None:
    shape = SHAPES[0]
    x = torch.randn(16, 8, 8, generator=torch.Generator().manual_seed(2))
    exact = UnetrInference(shape, decoder_state(shape), CPU).predict(x)
    close = UnetrInference(shape, decoder_state(shape), CPU, torch.bfloat16).predict(x)
    assert close.dtype == torch.float32
    assert 0 < (exact - close).abs().max() < 0.1


def test_it_can_be_stopped_between_layers() -> None:
    calls: list[int] = []

    def stop_at_the_fifth() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise Cancelled("enough")

    network = UnetrInference(TINY_SHAPE, decoder_state(), CPU)
    with pytest.raises(Cancelled):
        network.predict(torch.zeros(256, 4, 4), on_layer=stop_at_the_fifth)
    assert len(calls) == 5


@pytest.mark.parametrize("shape", [*SHAPES, UnetrShape(), UnetrShape(256, 64, True)])
def test_weights_tell_their_architecture(shape: UnetrShape) -> None:
    with torch.device("meta"):
        assert identify_shape(Unetr(shape).state_dict()) == shape


def test_other_weights_are_of_no_decoder() -> None:
    assert identify_shape({}) is None
    assert (
        identify_shape({"base.block.1.weight": torch.zeros(3), "out_conv.weight": torch.zeros(3)})
        is None
    )


def test_a_frame_of_one_brightness_has_finite_maps() -> None:
    maps = UnetrInference(TINY_SHAPE, decoder_state(), CPU).predict(torch.zeros(256, 4, 4))
    assert maps.isfinite().all()
