import pytest
import torch

from napari_segany.networks.vit import ViT

GRID = 20  # 14 does not divide it, so the windows at the border are padded


@pytest.mark.parametrize(
    ("width", "heads"), [(768, 12), (1024, 16), (1280, 16)], ids=["vit_b", "vit_l", "vit_h"]
)
def test_embedding_equals_transformers_for_the_published_widths(sam_pair, width, heads):
    sam, reference = sam_pair(width, 4, heads, (1, 3), GRID)
    image = torch.randn(2, 3, 16 * GRID, 16 * GRID, generator=torch.Generator().manual_seed(1))

    ours = sam.image_encoder(image)
    theirs = reference.get_image_embeddings(image)

    assert ours.shape == (2, 256, GRID, GRID)
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_embedding_equals_transformers_at_full_resolution(sam_pair):
    # One windowed and one global block; "sdpa", because eager attention would need gigabytes.
    sam, reference = sam_pair(768, 2, 12, (1,), 64, attention="sdpa")
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))

    ours = sam.image_encoder(image)
    theirs = reference.get_image_embeddings(image)

    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_faint_embedding_equals_transformers(faint_pair):
    sam, reference = faint_pair
    image = torch.randn(2, 3, 16 * GRID, 16 * GRID, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(
        sam.image_encoder(image), reference.get_image_embeddings(image), atol=1e-4, rtol=0
    )


class Stopped(Exception):
    pass


def test_callback_comes_before_every_block_and_can_stop_there():
    encoder = ViT(width=64, depth=4, heads=1, global_blocks=(3,), grid=4).requires_grad_(False)
    events = []
    for block in encoder.blocks:
        block.register_forward_hook(lambda *_: events.append("block"))
    image = torch.zeros(1, 3, 64, 64)

    encoder(image, lambda: events.append("callback"))

    assert events == ["callback", "block"] * 4

    def stop_at_the_third():
        events.append("callback")
        if events.count("callback") == 3:
            raise Stopped

    events.clear()
    with pytest.raises(Stopped):
        encoder(image, stop_at_the_third)
    assert events == ["callback", "block"] * 2 + ["callback"]
