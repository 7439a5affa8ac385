import pytest
import torch


def as_images(prompt):
    """Every prompt on its own image, the only way in which transformers pairs prompts and masks."""
    names = {"points": "input_points", "labels": "input_labels", "boxes": "input_boxes"}
    given = {names[k]: v[:, None] for k, v in prompt.items() if k in names}
    missing = dict.fromkeys(["input_points", "input_labels", "input_boxes"])
    return {**missing, **given, "input_masks": prompt.get("masks")}


@pytest.mark.parametrize(
    "kind",
    [
        "one point",
        "one negative point",
        "several points",
        "box",
        "several points and box",
        "one point and mask",
        "several points, box and mask",
    ],
)
def test_tokens_and_dense_map_equal_transformers(decoding_pair, prompts, kind):
    sam, reference = decoding_pair

    sparse, dense = sam.prompt_encoder(**prompts[kind])
    theirs_sparse, theirs_dense = reference.prompt_encoder(**as_images(prompts[kind]))

    torch.testing.assert_close(sparse, theirs_sparse[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(dense.expand_as(theirs_dense), theirs_dense, atol=1e-4, rtol=0)


def test_a_mask_alone_gives_no_tokens_and_its_dense_map(decoding_pair, prompts):
    sam, reference = decoding_pair

    sparse, dense = sam.prompt_encoder(**prompts["mask"])
    theirs_sparse, theirs_dense = reference.prompt_encoder(**as_images(prompts["mask"]))

    assert theirs_sparse is None
    assert sparse.shape == (3, 0, 256)
    torch.testing.assert_close(dense, theirs_dense, atol=1e-4, rtol=0)


def test_position_code_of_the_embedding_equals_transformers(decoding_pair):
    sam, reference = decoding_pair

    ours = sam.prompt_encoder.dense_position()

    theirs = reference.get_image_wide_positional_embeddings()
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_only_points_without_a_box_are_padded(decoding_pair, prompts):
    sam, _ = decoding_pair

    def count(kind):
        return sam.prompt_encoder(**prompts[kind])[0].shape[1]

    assert count("one point") == 1 + 1
    assert count("several points") == 4 + 1
    assert count("box") == 2
    assert count("several points and box") == 4 + 2
