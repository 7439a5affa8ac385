import numpy as np
import pytest
import torch

from napari_segany.networks.sam import build_sam


@pytest.mark.parametrize(
    ("architecture", "width", "depth", "heads", "global_blocks"),
    [
        ("vit_b", 768, 12, 12, (2, 5, 8, 11)),
        ("vit_l", 1024, 24, 16, (5, 11, 17, 23)),
        ("vit_h", 1280, 32, 16, (7, 15, 23, 31)),
    ],
)
def test_names_and_shapes_of_the_whole_model_equal_transformers(
    parameter_shapes, architecture, width, depth, heads, global_blocks
):
    ours, theirs = parameter_shapes(architecture, width, depth, heads, global_blocks)

    assert ours == theirs


def test_normalised_image_is_padded_with_zeros_below_and_right():
    sam = build_sam("vit_t")
    rgb = np.random.default_rng(0).uniform(0, 255, (1, 3, 600, 1024)).astype(np.float32)

    out = sam.normalise(torch.from_numpy(rgb)).numpy()

    mean = np.array([123.675, 116.28, 103.53]).reshape(3, 1, 1)
    std = np.array([58.395, 57.12, 57.375]).reshape(3, 1, 1)
    assert out.shape == (1, 3, 1024, 1024)
    np.testing.assert_allclose(out[:, :, :600], (rgb - mean) / std, atol=1e-5)
    assert not out[:, :, 600:].any()


def test_fused_encoder_gives_the_same_embedding(randomise):
    sam = build_sam("vit_t")
    randomise(sam, 8)
    for name, buffer in sam.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=torch.Generator().manual_seed(9))
    image = torch.randn(1, 3, 192, 192, generator=torch.Generator().manual_seed(10))
    before = sam.image_encoder(image)

    after = sam.fuse().fuse().image_encoder(image)

    assert not any("bn" in name for name in sam.state_dict())
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
