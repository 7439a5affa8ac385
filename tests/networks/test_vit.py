import pytest
import torch

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
def test_embedding_equals_transformers_for_a_whole_vit_b(sam_pair):
    # "sdpa", because four of the eager attention's matrices at once need several gigabytes.
    sam, reference = sam_pair(768, 12, 12, (2, 5, 8, 11), 64, attention="sdpa")
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))

    ours = sam.image_encoder(image)
    theirs = reference.get_image_embeddings(image)

    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
