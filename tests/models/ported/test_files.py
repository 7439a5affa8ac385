"""Files of these families: published names and sizes, every layout, and files that are refused."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.ported.networks import TINY, network_of, plane_of
from torch import Tensor

from napari_segany import Prompt, load_model
from napari_segany.errors import InputError, WeightsError
from napari_segany.weights import image_families, sam2_files, sam3_files, sam_hq_files
from napari_segany.weights.checkpoint import identify_architecture
from napari_segany.weights.image_families import SAM2, SAM3, SAM_HQ, identify
from napari_segany.weights.image_family import ImageFamily
from napari_segany.weights.resolve import import_file
from napari_segany.weights.safetensors_file import to_safetensors
from napari_segany.weights.sam2_files import SAM2_SHAPES, HieraShape

Shapes = dict[str, tuple[int, ...]]

PROMPT = Prompt(points=[(20, 30), (8, 9)], labels=[1, 0], box=(4, 6, 30, 44))


def linear(name: str, inner: int, outer: int) -> Shapes:
    return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}


def norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def attention(name: str, inner: int) -> Shapes:
    found: Shapes = {}
    for part in ("q_proj", "k_proj", "v_proj"):
        found |= linear(f"{name}.{part}", 256, inner)
    return found | linear(f"{name}.out_proj", inner, 256)


def perceptron(name: str, *channels: int) -> Shapes:
    found: Shapes = {}
    for i, (inner, outer) in enumerate(pairwise(channels)):
        found |= linear(f"{name}.layers.{i}", inner, outer)
    return found


def prompts_and_masks(prompts: str, masks: str, two: str) -> Shapes:
    """Names and shapes of prompt encoder and mask decoder as Segment Anything published them."""
    found: Shapes = {f"{prompts}.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for i in range(4):
        found[f"{prompts}.point_embeddings.{i}.weight"] = (1, 256)
    for name in ("not_a_point_embed", "no_mask_embed"):
        found[f"{prompts}.{name}.weight"] = (1, 256)
    down = f"{prompts}.mask_downscaling"
    for i, shape in {0: (4, 1, 2, 2), 3: (16, 4, 2, 2), 6: (256, 16, 1, 1)}.items():
        found |= {f"{down}.{i}.weight": shape, f"{down}.{i}.bias": shape[:1]}
    found |= norm(f"{down}.1", 4) | norm(f"{down}.4", 16)
    found |= {f"{masks}.iou_token.weight": (1, 256), f"{masks}.mask_tokens.weight": (4, 256)}
    for i in range(2):
        layer = f"{masks}.transformer.layers.{i}"
        found |= attention(f"{layer}.self_attn", 256)
        found |= attention(f"{layer}.cross_attn_token_to_image", 128)
        found |= attention(f"{layer}.cross_attn_image_to_token", 128)
        for k in range(1, 5):
            found |= norm(f"{layer}.norm{k}", 256)
        if two == "layers":
            found |= perceptron(f"{layer}.mlp", 256, 2048, 256)
        else:
            found |= linear(f"{layer}.mlp.lin1", 256, 2048) | linear(f"{layer}.mlp.lin2", 2048, 256)
    found |= attention(f"{masks}.transformer.final_attn_token_to_image", 128)
    found |= norm(f"{masks}.transformer.norm_final_attn", 256)
    up = f"{masks}.output_upscaling"
    found |= {f"{up}.0.weight": (256, 64, 2, 2), f"{up}.0.bias": (64,)}
    found |= norm(f"{up}.1", 64)
    found |= {f"{up}.3.weight": (64, 32, 2, 2), f"{up}.3.bias": (32,)}
    for i in range(4):
        found |= perceptron(f"{masks}.output_hypernetworks_mlps.{i}", 256, 256, 256, 32)
    return found | perceptron(f"{masks}.iou_prediction_head", 256, 256, 256, 4)


def published_sam2(shape: HieraShape) -> Shapes:
    """Names and shapes of the tensors for images in the original files of SAM 2."""
    trunk, width = "image_encoder.trunk", shape.width
    found: Shapes = {
        f"{trunk}.pos_embed": (1, width, shape.background, shape.background),
        f"{trunk}.pos_embed_window": (1, width, shape.windows[0], shape.windows[0]),
        f"{trunk}.patch_embed.proj.weight": (width, 3, 7, 7),
        f"{trunk}.patch_embed.proj.bias": (width,),
        "no_mem_embed": (1, 1, 256),
    }
    number = 0
    for stage, blocks in enumerate(shape.blocks):
        for k in range(blocks):
            block, outer = f"{trunk}.blocks.{number}", width * 2**stage
            first = stage > 0 and k == 0
            inner = outer // 2 if first else outer
            found |= norm(f"{block}.norm1", inner) | norm(f"{block}.norm2", outer)
            found |= linear(f"{block}.attn.qkv", inner, 3 * outer)
            found |= linear(f"{block}.attn.proj", outer, outer)
            found |= perceptron(f"{block}.mlp", outer, 4 * outer, outer)
            found |= linear(f"{block}.proj", inner, outer) if first else {}
            number += 1
    for i in range(4):
        conv = f"image_encoder.neck.convs.{i}.conv"
        found |= {f"{conv}.weight": (256, width * 2 ** (3 - i), 1, 1), f"{conv}.bias": (256,)}
    masks = "sam_mask_decoder"
    found |= prompts_and_masks("sam_prompt_encoder", masks, "layers")
    for i, channels in enumerate((32, 64)):
        conv = f"{masks}.conv_s{i}"
        found |= {f"{conv}.weight": (channels, 256, 1, 1), f"{conv}.bias": (channels,)}
    found[f"{masks}.obj_score_token.weight"] = (1, 256)
    return found | perceptron(f"{masks}.pred_obj_score_head", 256, 256, 256, 1)


VIDEO = (
    *("maskmem_tpos_enc", "no_mem_pos_enc", "no_obj_ptr", "mask_downsample.weight"),
    *("mask_downsample.bias", "obj_ptr_proj.layers.0.weight", "obj_ptr_proj.layers.2.bias"),
    *("memory_attention.layers.0.self_attn.q_proj.weight", "memory_attention.norm.bias"),
    *("memory_encoder.mask_downsampler.encoder.0.weight", "memory_encoder.out_proj.bias"),
    *("memory_encoder.fuser.layers.1.gamma", "memory_encoder.pix_feat_proj.weight"),
)
"""Some published names of tensors for videos only, of each kind."""

NEW_IN_2_1 = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias")


def published_sam_hq(architecture: str) -> Shapes:
    """Names and shapes of the tensors in the original files of SAM-HQ."""
    width, layers, heads, whole = sam_hq_files.SIZES[architecture]
    image, masks = "image_encoder", "mask_decoder"
    found: Shapes = {
        f"{image}.pos_embed": (1, 64, 64, width),
        f"{image}.patch_embed.proj.weight": (width, 3, 16, 16),
        f"{image}.patch_embed.proj.bias": (width,),
        f"{image}.neck.0.weight": (256, width, 1, 1),
        f"{image}.neck.2.weight": (256, 256, 3, 3),
        **norm(f"{image}.neck.1", 256),
        **norm(f"{image}.neck.3", 256),
    }
    for i in range(layers):
        block, side = f"{image}.blocks.{i}", 127 if i in whole else 27
        found |= norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
        found |= linear(f"{block}.attn.qkv", width, 3 * width)
        found |= linear(f"{block}.attn.proj", width, width)
        found |= {f"{block}.attn.rel_pos_{a}": (side, width // heads) for a in "hw"}
        found |= linear(f"{block}.mlp.lin1", width, 4 * width)
        found |= linear(f"{block}.mlp.lin2", 4 * width, width)
    found |= prompts_and_masks("prompt_encoder", masks, "lin")
    found[f"{masks}.hf_token.weight"] = (1, 256)
    found |= perceptron(f"{masks}.hf_mlp", 256, 256, 256, 32)
    for name, (a, b, c), side in (
        ("compress_vit_feat", (width, 256, 32), 2),
        ("embedding_encoder", (256, 64, 32), 2),
    ):
        part = f"{masks}.{name}"
        found |= {f"{part}.0.weight": (a, b, side, side), f"{part}.0.bias": (b,)}
        found |= norm(f"{part}.1", b)
        found |= {f"{part}.3.weight": (b, c, side, side), f"{part}.3.bias": (c,)}
    part = f"{masks}.embedding_maskfeature"
    found |= {f"{part}.0.weight": (64, 32, 3, 3), f"{part}.0.bias": (64,)}
    found |= norm(f"{part}.1", 64)
    return found | {f"{part}.3.weight": (32, 64, 3, 3), f"{part}.3.bias": (32,)}


def empty(shapes: Shapes) -> dict[str, Tensor]:
    """Tensors without memory, except for those that are stacked."""
    return {
        name: torch.empty(shape, device="cpu" if "point_embed" in name else "meta")
        for name, shape in shapes.items()
    }


def check_all_used(family: ImageFamily, architecture: str, state: dict[str, Tensor]) -> None:
    assert identify_architecture(state) == architecture
    with torch.device("meta"):
        expected = family.build(architecture).state_dict()
    converted = family.convert(state)
    found = {name: tuple(value.shape) for name, value in converted.items()}
    assert found == {name: tuple(value.shape) for name, value in expected.items()}


@pytest.mark.parametrize("architecture", SAM2_SHAPES)
def test_published_names_of_sam2_are_all_used(architecture: str) -> None:
    state = empty(published_sam2(SAM2_SHAPES[architecture]))
    state |= empty(dict.fromkeys((*VIDEO, *NEW_IN_2_1), (1,)))
    check_all_used(SAM2, architecture, state)


@pytest.mark.parametrize("architecture", sam_hq_files.SIZES)
def test_published_names_of_sam_hq_are_all_used(architecture: str) -> None:
    check_all_used(SAM_HQ, architecture, empty(published_sam_hq(architecture)))


def test_published_sizes_are_told_apart() -> None:
    parameters = {}
    for family in (SAM2, SAM_HQ, SAM3):
        for architecture in family.configs:
            with torch.device("meta"):
                network = family.build(architecture)
            assert identify(network.state_dict()) == architecture
            parameters[architecture] = sum(p.numel() for p in network.parameters()) / 1e6
    assert identify({"image_encoder.trunk": torch.zeros(1)}) is None
    # The published numbers of SAM 2.1 are 38.9, 46, 80.8 and 224.4 million with the tracking of
    # videos, which is 7.
    sam2 = {"sam2_t": 31, "sam2_s": 38, "sam2_b": 73, "sam2_l": 217}
    # Those of SAM are 93.7, 312.3 and 641.1 million, and SAM-HQ adds 1 to 2.
    sam_hq = {"sam_hq_b": 95, "sam_hq_l": 314, "sam_hq_h": 643}
    expected = {**sam2, **sam_hq, "sam3": 458}
    assert {name: round(n) for name, n in parameters.items()} == pytest.approx(expected, abs=2)


@pytest.fixture
def tiny_sizes(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """The tiny networks in place of the smallest published ones."""
    del cache
    small = {"sam2_t": HieraShape(8, 1, (1, 1, 2, 1), (3, 3, 3))}
    monkeypatch.setattr(sam2_files, "SAM2_SHAPES", small)
    monkeypatch.setattr(sam_hq_files, "SIZES", {"sam_hq_b": (32, 3, 2, (1, 2))})
    monkeypatch.setattr(sam3_files, "WIDTH", 32)
    replaced = tuple(
        replace(family, configs=MappingProxyType({key: TINY[name].config}))
        for family, name, key in (
            (SAM2, "sam2", "sam2_t"),
            (SAM_HQ, "sam_hq", "sam_hq_b"),
            (SAM3, "sam3", "sam3"),
        )
    )
    monkeypatch.setattr(image_families, "IMAGE_FAMILIES", replaced)


def backwards(name: str, pairs: Iterator[tuple[str, str]]) -> str:
    for theirs, original in pairs:
        name = name.replace(theirs, original)
    return name


COMMON = {
    ".shared_embedding.positional_embedding": ".pe_layer.positional_encoding_gaussian_matrix",
    ".mask_embed.conv1.": ".mask_downscaling.0.",
    ".mask_embed.layer_norm1.": ".mask_downscaling.1.",
    ".mask_embed.conv2.": ".mask_downscaling.3.",
    ".mask_embed.layer_norm2.": ".mask_downscaling.4.",
    ".mask_embed.conv3.": ".mask_downscaling.6.",
    ".upscale_conv1.": ".output_upscaling.0.",
    ".upscale_layer_norm.": ".output_upscaling.1.",
    ".upscale_conv2.": ".output_upscaling.3.",
    ".patch_embed.projection.": ".patch_embed.proj.",
}


def original_sam2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a network of transformers under the names of the original files."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == "shared_image_embedding.positional_embedding":
            continue
        if name == "prompt_encoder.point_embed.weight":
            rows = {
                f"sam_prompt_encoder.point_embeddings.{i}.weight": value[i : i + 1]
                for i in range(4)
            }
            found |= rows
            continue
        new = backwards(name, iter(COMMON.items()))
        new = new.replace("vision_encoder.backbone.", "image_encoder.trunk.")
        new = new.replace("vision_encoder.neck.convs.", "image_encoder.neck.convs.")
        if "neck.convs" in new:
            new = new.replace(".weight", ".conv.weight").replace(".bias", ".conv.bias")
        if new.startswith(("prompt_encoder.", "mask_decoder.")):
            new = f"sam_{new}"
        if ".mlp." in new:
            new = new.replace("proj_in", "layers.0").replace("proj_out", "layers.1")
        else:
            new = new.replace(".layers.0.", ".layers.1.") if "transformer" not in new else new
            new = new.replace("proj_in", "layers.0").replace("proj_out", "layers.2")
        new = new.replace("layer_norm", "norm").replace(".o_proj.", ".out_proj.")
        found["no_mem_embed" if new == "no_memory_embedding" else new] = value
    return found


def original_sam_hq(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a network of transformers under the names of the original files."""
    found: dict[str, Tensor] = {}
    parts = {
        **COMMON,
        "vision_encoder.neck.conv1.": "image_encoder.neck.0.",
        "vision_encoder.neck.layer_norm1.": "image_encoder.neck.1.",
        "vision_encoder.neck.conv2.": "image_encoder.neck.2.",
        "vision_encoder.neck.layer_norm2.": "image_encoder.neck.3.",
        "vision_encoder.layers.": "image_encoder.blocks.",
        "vision_encoder.": "image_encoder.",
        ".point_embed.": ".point_embeddings.",
        ".hq_token.": ".hf_token.",
        ".hq_mask_mlp.": ".hf_mlp.",
        "compress_vit_conv1": "compress_vit_feat.0",
        "compress_vit_norm": "compress_vit_feat.1",
        "compress_vit_conv2": "compress_vit_feat.3",
        ".encoder_conv1": ".embedding_encoder.0",
        ".encoder_norm": ".embedding_encoder.1",
        ".encoder_conv2": ".embedding_encoder.3",
        ".mask_conv1": ".embedding_maskfeature.0",
        ".mask_norm": ".embedding_maskfeature.1",
        ".mask_conv2": ".embedding_maskfeature.3",
    }
    for name, value in state.items():
        if name == "shared_image_embedding.positional_embedding":
            continue
        new = backwards(name, iter(parts.items()))
        if any(head in new for head in ("_mlps.", "prediction_head", "hf_mlp")):
            new = new.replace(".layers.0.", ".layers.1.")
            new = new.replace("proj_in", "layers.0").replace("proj_out", "layers.2")
        found[new.replace("layer_norm", "norm")] = value
    return found


def published_sam3(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a tracker under the names of the published file, beside a detector."""
    found = {
        "detector_model.text_encoder.text_model.embeddings.token_embedding.weight": torch.ones(2),
        "detector_model.vision_encoder.neck.fpn_layers.0.proj1.weight": torch.ones(2),
        "tracker_model.memory_encoder.projection.weight": torch.ones(2),
        "tracker_model.no_object_pointer": torch.ones(2),
    }
    for name, value in state.items():
        if name.startswith("vision_encoder.backbone."):
            found[f"detector_model.{name}"] = value
        elif name.startswith("vision_encoder.neck."):
            found[name.replace("vision_encoder.neck.", "tracker_neck.")] = value
        else:
            found[f"tracker_model.{name}"] = value
    return found


def state_of(name: str) -> dict[str, Tensor]:
    return {key: value.contiguous() for key, value in network_of(name).state_dict().items()}


def with_videos(state: dict[str, Tensor], *more: str) -> dict[str, Tensor]:
    return {**state, **{name: torch.ones(2) for name in (*VIDEO, *more)}}


def one_matrix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As transformers writes files: a tensor that two parts share is written once."""
    return {
        k: v
        for k, v in state.items()
        if k != "prompt_encoder.shared_embedding.positional_embedding"
    }


LAYOUTS: dict[str, tuple[str, Any, str]] = {
    "SAM 2, transformers": (
        "sam2",
        lambda s: {**s, "memory_encoder.x": torch.ones(2)},
        ".safetensors",
    ),
    "SAM 2.0, original": ("sam2", lambda s: with_videos(original_sam2(s)), ".pt"),
    "SAM 2.1, original": ("sam2", lambda s: with_videos(original_sam2(s), *NEW_IN_2_1), ".pt"),
    "SAM-HQ, transformers": ("sam_hq", one_matrix, ".safetensors"),
    "SAM-HQ, original": ("sam_hq", original_sam_hq, ".pth"),
    "SAM 3, published": ("sam3", published_sam3, ".safetensors"),
    "SAM 3, the tracker": ("sam3", lambda s: s, ".safetensors"),
}


@pytest.mark.usefixtures("tiny_sizes")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_imported_and_answers_as_transformers_does(
    layout: str, tmp_path: Path
) -> None:
    name, write, suffix = LAYOUTS[layout]
    family, plane = TINY[name], plane_of()
    path = tmp_path / f"mine{suffix}"
    state = write(state_of(name))
    if suffix == ".safetensors":
        path.write_bytes(to_safetensors(state))
    else:
        torch.save({"model": state}, path)
    assert import_file(path).architecture == family.architecture
    model = load_model("mine", device="cpu")
    assert type(model) is family.adapter
    found = model.predict(model.embed(plane, limits=((0, 255),) * 3), PROMPT, multimask=False)
    expected, _ = family.theirs(network_of(name), plane, PROMPT, False)
    assert np.allclose(found.low_res_logits, expected, atol=1e-4)


@pytest.mark.usefixtures("tiny_sizes")
@pytest.mark.parametrize("change", ["missing", "a point missing", "unknown", "shape", "text"])
def test_files_that_do_not_fit_are_refused_in_one_sentence(change: str, tmp_path: Path) -> None:
    state = with_videos(original_sam2(state_of("sam2")))
    said = {
        "missing": r"do not fit sam2_t\. Tensors missing: mask_decoder\.conv_s0\.bias\. Check that",
        "a point missing": r"of another shape: prompt_encoder\.point_embed\.weight \(3, 256\) inst",
        "unknown": r"do not fit sam2_t\. Tensors unknown: my_head\.weight\. Check that",
        "shape": r"of another shape: no_memory_embedding \(1, 1, 8\) instead of \(1, 1, 256\)",
        "text": r"found a text model \(napari-segany models import FOLDER\)",
    }
    if change == "missing":
        del state["sam_mask_decoder.conv_s0.bias"]
    elif change == "a point missing":
        del state["sam_prompt_encoder.point_embeddings.2.weight"]
    elif change == "unknown":
        state["my_head.weight"] = torch.ones(2)
    elif change == "shape":
        state["no_mem_embed"] = torch.ones(1, 1, 8)
    else:
        state = {"text_model.embeddings.weight": torch.ones(2)}
    path = tmp_path / "mine.pt"
    torch.save({"model": state}, path)
    with pytest.raises(WeightsError, match=said[change]):
        import_file(path)


def test_a_sam_hq_of_another_size_is_not_taken_for_a_sam() -> None:
    state = {"mask_decoder.hf_token.weight": torch.ones(1, 256)}
    for stem in (
        {"image_encoder.patch_embed.seq.0.c.weight": torch.ones(32, 3, 3, 3)},
        {"image_encoder.patch_embed.proj.weight": torch.ones(64, 3, 16, 16)},
    ):
        with pytest.raises(WeightsError, match="a SAM-HQ whose image encoder is not known here"):
            identify_architecture({**state, **stem})


def test_layouts_that_are_not_read_are_named() -> None:
    with pytest.raises(WeightsError, match=r"original layout; take model\.safetensors instead"):
        identify_architecture({"detector.backbone.vision_backbone.trunk.pos_embed": torch.ones(1)})
    with pytest.raises(WeightsError, match="a SAM 2 checkpoint of a size not known here"):
        identify_architecture({"image_encoder.trunk.pos_embed": torch.ones(1)})


def test_without_transformers_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        InputError, match=r'^SAM-HQ needs .*pip install "napari-segany\[families\]"'
    ):
        SAM_HQ.build("sam_hq_b")
