"""SAM 2.1 shrunk to a frame of 128 pixels, with random weights, for tests."""

from pathlib import Path
from typing import Any

import torch
from tests.models.ported.networks import sam2_config

from napari_segany.models.sam2.memory_network import MemoryNetwork
from napari_segany.models.sam2.model import Sam2ImageModel
from napari_segany.weights.resolve import Weights
from napari_segany.weights.sam2_files import convert_sam2, video_tensors

SIDE = 128


def tiny_video_config() -> Any:
    """The configuration of the video model with the same image model."""
    import transformers
    from transformers.models.sam2_video import configuration_sam2_video as parts

    # transformers 5.17 makes the wrong configuration of a dictionary for the decoder.
    return transformers.Sam2VideoConfig(
        vision_config=sam2_config().vision_config,
        prompt_encoder_config=parts.Sam2VideoPromptEncoderConfig(image_size=SIDE, patch_size=16),
        mask_decoder_config=parts.Sam2VideoMaskDecoderConfig(mlp_dim=64),
        image_size=SIDE,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_fuser_intermediate_dim=64,
    )


def seeded(make: Any, noise: float) -> Any:
    """The network that ``make`` makes, the same each time, with noise on all weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = make()
        for value in made.parameters():
            value.data.add_(torch.randn_like(value) * noise)
    return made.eval().requires_grad_(False)


def tiny_video_network(presence: float = 3.0) -> Any:
    """The video model of transformers, with weights so large that memory decides.

    ``presence`` is added to its scores of presence: with 3, objects are on all planes.
    """
    from transformers import Sam2VideoModel

    made = seeded(lambda: Sam2VideoModel(tiny_video_config()), 0.07)
    made.mask_decoder.pred_obj_score_head.proj_out.bias.data += presence
    return made


def tiny_video_model(theirs: Any) -> Sam2ImageModel:
    """Our model with the weights of their video model."""
    from transformers import Sam2Model

    network, memory = Sam2Model(sam2_config()).eval(), MemoryNetwork(tiny_video_config())
    state = theirs.state_dict()
    network.load_state_dict(convert_sam2(state))
    memory.load_state_dict(video_tensors(state))
    network.requires_grad_(False)
    weights = Weights("tiny_sam2", "sam2_t", Path("tiny"), "3" * 64)
    kept = memory.eval().requires_grad_(False)
    return Sam2ImageModel(network, weights, torch.device("cpu"), kept)
