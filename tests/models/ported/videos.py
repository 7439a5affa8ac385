"""Video models shrunk to small frames, with random weights, for tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tests.models.ported.networks import TINY, TinyFamily, sam2_config, sam3_config

from napari_segany.models.ported.memory_network import MemoryNetwork
from napari_segany.models.ported.remembering import RememberingModel
from napari_segany.weights import sam2_files, sam3_files
from napari_segany.weights.resolve import Weights


def tiny_sam2_video_config() -> Any:
    """The configuration of SAM 2.1's video model with the same image model."""
    import transformers
    from transformers.models.sam2_video import configuration_sam2_video as parts

    # transformers 5.17 makes the wrong configuration of a dictionary for the decoder.
    return transformers.Sam2VideoConfig(
        vision_config=sam2_config().vision_config,
        prompt_encoder_config=parts.Sam2VideoPromptEncoderConfig(image_size=128, patch_size=16),
        mask_decoder_config=parts.Sam2VideoMaskDecoderConfig(mlp_dim=64),
        image_size=128,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_fuser_intermediate_dim=64,
    )


def tiny_sam3_video_config() -> Any:
    """The configuration of SAM 3's tracker of videos with the same image model."""
    import transformers
    from transformers.models.sam3_tracker_video import configuration_sam3_tracker_video as parts

    return transformers.Sam3TrackerVideoConfig(
        vision_config=sam3_config().vision_config,
        prompt_encoder_config=parts.Sam3TrackerVideoPromptEncoderConfig(
            image_size=112, patch_size=14
        ),
        mask_decoder_config=parts.Sam3TrackerVideoMaskDecoderConfig(mlp_dim=64),
        image_size=112,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=64,
        memory_fuser_intermediate_dim=64,
    )


@dataclass(frozen=True)
class TinyVideo:
    """A family with a tiny video model.

    Attributes
    ----------
    prefix : str
        Beginning of the names of its classes in transformers.
    config : callable
        Makes its configuration.
    name : str
        The family's name in ``TINY``.
    noise : float
        Spread of the random weights, so large that memory decides, and so small that the last bits
        of a plane do not grow beyond 1e-4 on those that follow.
    sometimes : float
        What is added to scores of presence for an object that is on some planes only.
    convert, video_tensors : callable
        Tensors of the image model, and of the memory, in those of the video model.
    """

    prefix: str
    config: Callable[[], Any]
    name: str
    noise: float
    sometimes: float
    convert: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]
    video_tensors: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]

    @property
    def family(self) -> TinyFamily:
        """The family of the image model."""
        return TINY[self.name]

    def network(self, presence: float = 3.0) -> Any:
        """The video model of transformers, with random weights.

        ``presence`` is added to its scores of presence: with 3, objects are on all planes.
        """
        import transformers

        made = seeded(
            lambda: getattr(transformers, f"{self.prefix}Model")(self.config()), self.noise
        )
        made.mask_decoder.pred_obj_score_head.proj_out.bias.data += presence
        return made

    def model(self, theirs: Any) -> RememberingModel:
        """Our model with the weights of their video model."""
        import transformers

        network = getattr(transformers, self.family.network_class)(self.family.config()).eval()
        memory = MemoryNetwork(self.config(), self.prefix)
        state = theirs.state_dict()
        network.load_state_dict(self.convert(state))
        memory.load_state_dict(self.video_tensors(state))
        network.requires_grad_(False)
        kept = memory.eval().requires_grad_(False)
        architecture = self.family.architecture
        weights = Weights(f"tiny_{self.name}", architecture, Path("tiny"), "3" * 64)
        adapter = self.family.adapter
        assert issubclass(adapter, RememberingModel)
        return adapter(network, weights, torch.device("cpu"), kept)


def seeded(make: Any, noise: float) -> Any:
    """The network that ``make`` makes, the same each time, with noise on all weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = make()
        for value in made.parameters():
            value.data.add_(torch.randn_like(value) * noise)
    return made.eval().requires_grad_(False)


VIDEOS = {
    "sam2": TinyVideo(
        *("Sam2Video", tiny_sam2_video_config, "sam2", 0.07, 0.45),
        *(sam2_files.convert_sam2, sam2_files.video_tensors),
    ),
    "sam3": TinyVideo(
        *("Sam3TrackerVideo", tiny_sam3_video_config, "sam3", 0.05, 0.0),
        *(sam3_files.convert_sam3, sam3_files.video_tensors),
    ),
}
"""Every family with a video memory."""
