import pytest
import torch

KINDS = [
    "one point",
    "one negative point",
    "several points",
    "box",
    "several points and box",
    "mask",
    "one point and mask",
    "several points, box and mask",
]


@pytest.fixture(scope="module")
def embedding():
    return torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(3))


def decode(sam, embedding, prompt, multimask):
    sparse, dense = sam.prompt_encoder(**prompt)
    position = sam.prompt_encoder.dense_position()
    return sam.mask_decoder(embedding, position, sparse, dense, multimask)


def decode_with_transformers(reference, embedding, prompt, multimask):
    # One image a prompt: transformers multiplies prompts on one image with masks.
    count = len(next(iter(prompt.values())))
    names = {"points": "input_points", "labels": "input_labels", "boxes": "input_boxes"}
    out = reference(
        image_embeddings=embedding.expand(count, -1, -1, -1),
        input_masks=prompt.get("masks"),
        multimask_output=multimask,
        **{names[k]: v[:, None] for k, v in prompt.items() if k in names},
    )
    return out.pred_masks[:, 0], out.iou_scores[:, 0]


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
@pytest.mark.parametrize("kind", KINDS)
def test_masks_and_scores_equal_transformers(decoding_pair, prompts, embedding, kind, multimask):
    sam, reference = decoding_pair

    logits, scores = decode(sam, embedding, prompts[kind], multimask)
    theirs, their_scores = decode_with_transformers(reference, embedding, prompts[kind], multimask)

    assert logits.shape == (3, 3 if multimask else 1, 256, 256)
    assert theirs.std() > 0.5
    torch.testing.assert_close(logits, theirs, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_in_a_batch_do_not_see_each_other(decoding_pair, prompts, embedding, kind):
    sam, _ = decoding_pair
    together, _ = decode(sam, embedding, prompts[kind], multimask=True)
    last = {name: value[2:] for name, value in prompts[kind].items()}

    alone, _ = decode(sam, embedding, last, multimask=True)

    torch.testing.assert_close(alone, together[2:], atol=1e-4, rtol=0)
