"""SAM 2.1 shrunk to a frame of 128 pixels, with random weights, for tests."""

from pathlib import Path
from typing import Any

import torch

from napari_segany.models.sam2.memory_network import MemoryNetwork
from napari_segany.models.sam2.model import Sam2ImageModel
from napari_segany.weights.resolve import Weights

SIDE = 128
DECODER = {"mlp_dim": 64}
ENCODER = {"image_size": SIDE, "patch_size": 16}


def tiny_vision() -> Any:
    """The configuration of the image encoder."""
    import transformers

    backbone = transformers.Sam2HieraDetConfig(
        image_size=[SIDE, SIDE],
        hidden_size=8,
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
    )
    return transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=256,
    )


def tiny_config() -> Any:
    """The configuration of the image model."""
    import transformers

    return transformers.Sam2Config(
        vision_config=tiny_vision(), prompt_encoder_config=ENCODER, mask_decoder_config=DECODER
    )


def tiny_video_config() -> Any:
    """The configuration of the video model with the same image model."""
    import transformers

    return transformers.Sam2VideoConfig(
        vision_config=tiny_vision(),
        prompt_encoder_config=ENCODER,
        mask_decoder_config=DECODER,
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


def tiny_network() -> Any:
    """The image model's network."""
    from transformers import Sam2Model

    return seeded(lambda: Sam2Model(tiny_config()), 0.02)


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
    from napari_segany.weights.sam2_files import image_tensors, video_tensors

    network, memory = tiny_network(), MemoryNetwork(tiny_video_config())
    state = theirs.state_dict()
    network.load_state_dict(image_tensors(state))
    memory.load_state_dict(video_tensors(state))
    weights = Weights("tiny_sam2", "sam2_t", Path("tiny"), "3" * 64)
    kept = memory.eval().requires_grad_(False)
    return Sam2ImageModel(network, weights, torch.device("cpu"), kept)
