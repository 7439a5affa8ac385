"""Small text models with random weights, as folders that transformers writes."""

import json
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch

WORDS = ("a", "photo", "of", "nucleus", "beaver", "tooth", "grille", "cell", "background", "else")
"""Words that the tokenizers know beside letters."""


NOISE = {"owlv2": 0.05, "clip": 0.1, "grounding-dino": 0.3, "sam3": 0.1, "sam3_video": 0.1}
"""Spread of the random weights beside those that networks begin with.

As they begin, all boxes and all scores are nearly the same.
"""


LAST = ("box_head.dense2", "class_head.logit_shift", "class_head.logit_scale")
"""Layers of OWLv2 that are made weaker, or random scores and boxes are at the ends of their range.
"""


@cache
def _folders() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="text-models-")


@cache
def tiny_folder(family: str) -> Path:
    """Return the folder of a family's tiny model, written once a process; it must not change."""
    write = {
        "owlv2": write_owlv2,
        "clip": write_clip,
        "grounding-dino": write_grounding_dino,
        "sam3": write_sam3,
        "sam3_video": write_sam3_video,
    }
    return write[family](Path(_folders().name, f"tiny_{family}"))


def bpe_tokenizer(longest: int) -> Any:
    """Return a tokenizer with the class, and the first and last token, of CLIP's."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["!", *letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=[],
        pad_token="!",
        model_max_length=longest,
    )


def word_piece_tokenizer() -> Any:
    """Return a tokenizer with the class, and the numbers of special tokens, of BERT's."""
    from transformers import BertTokenizer

    tokens = [f"[unused{n}]" for n in range(1100)]
    tokens[0], tokens[100], tokens[101], tokens[102] = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
    tokens[103], tokens[1012], tokens[1029] = "[MASK]", ".", "?"
    tokens[200 : 200 + len(WORDS)] = WORDS
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return BertTokenizer(vocab=vocabulary)


def write_owlv2(folder: Path, seed: int = 0) -> Path:
    """Write a tiny OWLv2 that sees 8 x 8 patches; return the folder."""
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    width = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = Owlv2Config(
        text_config={
            **width,
            "num_attention_heads": 2,
            "vocab_size": 55,
            "max_position_embeddings": 24,
            "bos_token_id": 53,
            "eos_token_id": 54,
        },
        vision_config={
            **width,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
        },
        projection_dim=16,
    )
    return _write(folder, Owlv2ForObjectDetection, config, bpe_tokenizer(24), seed)


def write_clip(folder: Path, seed: int = 0) -> Path:
    """Write a tiny CLIP; return the folder."""
    from transformers import CLIPConfig, CLIPModel

    width = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config={
            **width,
            "num_attention_heads": 2,
            "vocab_size": 55,
            "max_position_embeddings": 40,
            "bos_token_id": 53,
            "eos_token_id": 54,
            "pad_token_id": 0,
        },
        vision_config={
            **width,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=16,
    )
    return _write(folder, CLIPModel, config, bpe_tokenizer(40), seed)


def write_grounding_dino(folder: Path, seed: int = 0) -> Path:
    """Write a tiny Grounding DINO that scales planes to a short side of 64; return the folder."""
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        SwinConfig,
    )

    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            window_size=4,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=1100,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        ),
        num_queries=30,
        num_feature_levels=3,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_text_len=48,
    )
    made = _write(folder, GroundingDinoForObjectDetection, config, word_piece_tokenizer(), seed)
    size = {"size": {"shortest_edge": 64, "longest_edge": 106}}
    (made / "preprocessor_config.json").write_text(json.dumps(size))
    return made


def sam3_detector_config() -> Any:
    """The detector of SAM 3 with a frame of 112 pixels and patches of 14."""
    from tests.models.ported.networks import sam3_config
    from transformers import CLIPTextConfig, Sam3Config
    from transformers.models.sam3 import configuration_sam3 as parts

    thin = {"hidden_size": 32, "num_attention_heads": 2}
    layers = {**thin, "num_layers": 2, "intermediate_size": 32, "dropout": 0.0}
    vision = sam3_config().vision_config
    vision.fpn_hidden_size = 32
    return Sam3Config(
        vision_config=vision,
        text_config=CLIPTextConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            vocab_size=55,
            max_position_embeddings=32,
            projection_dim=16,
            bos_token_id=53,
            eos_token_id=54,
        ),
        geometry_encoder_config=parts.Sam3GeometryEncoderConfig(**layers),
        detr_encoder_config=parts.Sam3DETREncoderConfig(**layers),
        detr_decoder_config=parts.Sam3DETRDecoderConfig(**layers, num_queries=20),
        mask_decoder_config=parts.Sam3MaskDecoderConfig(**thin),
    )


def write_sam3(folder: Path, seed: int = 0) -> Path:
    """Write a tiny detector of SAM 3; return the folder."""
    from transformers import Sam3Model

    return _write(folder, Sam3Model, sam3_detector_config(), bpe_tokenizer(32), seed)


def write_sam3_video(folder: Path, seed: int = 0) -> Path:
    """Write a tiny SAM 3 as it is published, with a tracker of videos; return the folder."""
    from tests.models.ported.videos import tiny_sam3_video_config

    with warnings.catch_warnings():
        # Its file uses what torch deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        from transformers import Sam3VideoConfig, Sam3VideoModel
    config = Sam3VideoConfig(
        detector_config=sam3_detector_config(), tracker_config=tiny_sam3_video_config()
    )
    return _write(folder, Sam3VideoModel, config, bpe_tokenizer(32), seed)


def _write(folder: Path, network: Any, config: Any, tokenizer: Any, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = network(config)
        for value in model.parameters():
            value.data.add_(torch.randn_like(value) * NOISE[config.model_type])
        for name, value in model.named_parameters():
            if name.startswith(LAST):
                value.data.mul_(0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
