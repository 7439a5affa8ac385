"""The generator and predictor of the published code, as the peer that benchmarks compare with.

The package mobilesam-mirror (Apache-2.0) holds the published segment-anything code with TinyViT.
It imports torchvision and timm, of which it needs six small functions; stand-ins for those are
installed here so that neither package is needed.
"""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

UNUSED_BY_US = {
    "image_encoder.norm_head.weight",
    "image_encoder.norm_head.bias",
    "image_encoder.head.weight",
    "image_encoder.head.bias",
}
"""Tensors of the peer's classifier, which no mask ever depends on."""


def _box_area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression; the peer only ever has one category."""
    area = _box_area(boxes)
    order = torch.sort(scores, descending=True, stable=True).indices
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[order, :2])
        high = torch.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        iou = shared / (area[best] + area[order] - shared)
        order = order[~(iou > iou_threshold)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)


class _DropPath(nn.Module):
    def __init__(self, drop_prob: float | None = None) -> None:
        super().__init__()


def _install_stand_ins() -> None:
    contents: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": _batched_nms, "box_area": _box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {
            "resize": lambda image, size: image.resize(
                (size[1], size[0]), Image.Resampling.BILINEAR
            ),
            "to_pil_image": Image.fromarray,
        },
        "timm": {},
        "timm.models": {},
        "timm.models.layers": {
            "DropPath": _DropPath,
            "to_2tuple": lambda x: (x, x),
            "trunc_normal_": nn.init.trunc_normal_,
        },
        "timm.models.registry": {"register_model": lambda function: function},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module


def load_peer(state: dict[str, Tensor]) -> Any:
    """The peer's model with our weights."""
    _install_stand_ins()
    from mobile_sam import sam_model_registry  # only importable after the stand-ins

    model = sam_model_registry["vit_t"]()
    result = model.load_state_dict(state, strict=False)
    assert set(result.missing_keys) == UNUSED_BY_US, result.missing_keys
    assert not result.unexpected_keys, result.unexpected_keys
    # Its TinyViT caches attention biases on the change from training to evaluation.
    model.train()
    return model.eval()


def peer_generate(model: Any, rgb: np.ndarray, **parameters: Any) -> list[dict[str, Any]]:
    """The peer's automatic masks of an (H, W, 3) uint8 image."""
    from mobile_sam import SamAutomaticMaskGenerator

    return SamAutomaticMaskGenerator(model, **parameters).generate(rgb)


def peer_predictor(model: Any) -> Any:
    """The peer's predictor, without an image."""
    from mobile_sam import SamPredictor

    return SamPredictor(model)
