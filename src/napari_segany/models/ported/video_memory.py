"""Video memory of SAM 2.1 and SAM 3: objects recalled on planes from those they were seen on."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.upsampling import draw
from napari_segany.errors import InputError
from napari_segany.models.ported.embedded_plane import PortedEmbedding
from napari_segany.models.ported.memory_network import MemoryNetwork
from napari_segany.models.ported.object_memory import PortedObjectMemory, PortedPlaneMemory
from napari_segany.models.protocol import Embedding
from napari_segany.models.sam.embedded_plane import ModelPrompts
from napari_segany.models.sam.prediction import STABILITY_OFFSET, check_logits
from napari_segany.models.video_protocol import PlaneMemory, Recalled

ABSENT = -1024.0
"""Logits of an object that is not on a plane, as in the published code."""

GIVEN = 10.0
"""Logit of the presence of an object with a given mask; minus this if the mask is empty."""

AT_ONCE = 8
"""Objects that are recalled together, except on a CPU, where one is as quick as several. Alone, the
last bits of an answer do not depend on other objects."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """B objects as the decoder sees them on a plane.

    Attributes
    ----------
    logits : Tensor
        (B, m, m) float32.
    iou : Tensor
        (B,) predicted IoU.
    score : Tensor
        (B,) logits of the presence.
    pointers : Tensor
        (B, C).
    """

    logits: Tensor
    iou: Tensor
    score: Tensor
    pointers: Tensor


class PortedVideoMemory:
    """The video memory of a SAM 2.1 or SAM 3 model, a :class:`VideoMemory`.

    The encoder's features are those of the image model, so planes that are embedded already need
    not be embedded again.

    Parameters
    ----------
    network : torch.nn.Module
        The image model's network.
    memory : MemoryNetwork
        The networks of the memory, on the same device.
    weights_sha256 : str
        Hash of the weights; embeddings of others are refused.
    at_once : int, optional
        Objects that are recalled together; by default one on a CPU, else 8.
    """

    def __init__(
        self, network: Any, memory: MemoryNetwork, weights_sha256: str, at_once: int | None = None
    ) -> None:
        self._network, self._memory, self._sha256 = network, memory, weights_sha256
        self.device = next(memory.parameters()).device
        self.at_once = at_once or (1 if self.device.type == "cpu" else AT_ONCE)
        self._places: Tensor | None = None
        self._lock = threading.Lock()

    @torch.inference_mode()
    def see(
        self,
        embedding: Embedding,
        given: Sequence[Prompt | MaskSet],
        should_stop: ShouldStop | None = None,
    ) -> list[Recalled]:
        """Return objects on a plane on which they are prompted; see :class:`VideoMemory`."""
        own = self._own(embedding)
        found = []
        for each in given:
            check(should_stop)
            if isinstance(each, MaskSet):
                found.append(self._take(own, each))
            else:
                found += self._answer(own, each)
        return found

    def begin(
        self, prompted: Mapping[int, PlaneMemory], forward: bool, count: int
    ) -> PortedObjectMemory:
        """Return the memory of an object before its first step; see :class:`VideoMemory`."""
        pointers = min(count, self._memory.pointers)
        return PortedObjectMemory(prompted, forward, self._memory.frames, pointers)

    @torch.inference_mode()
    def recall(
        self,
        embedding: Embedding,
        plane: int,
        objects: Sequence[PortedObjectMemory],
        should_stop: ShouldStop | None = None,
    ) -> list[Recalled]:
        """Return objects on a plane by their memories; see :class:`VideoMemory`."""
        own = self._own(embedding)
        groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for i, each in enumerate(objects):
            # Objects with memories of the same planes make one batch.
            kept = (each.features(plane), each.pointers_to(plane))
            key = (*(tuple(n for n, _ in some) for some in kept), (each.pointers,))
            groups.setdefault(key, []).append(i)
        found: dict[int, Recalled] = {}
        for alike in groups.values():
            for start in range(0, len(alike), self.at_once):
                check(should_stop)
                some = alike[start : start + self.at_once]
                fused = self._attend(own, plane, [objects[i] for i in some])
                seen = self._decode(own, fused, None, many=True)
                found.update(zip(some, self._remember(own, seen, soft=True), strict=True))
        return [found[i] for i in range(len(objects))]

    def _own(self, embedding: Embedding) -> PortedEmbedding:
        if not isinstance(embedding, PortedEmbedding) or embedding.weights_sha256 != self._sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")
        return embedding

    def _bare(self, embedding: PortedEmbedding) -> Tensor:
        """Return the (1, C, h, w) features of a plane, without the mark of no memory."""
        mark = self._network.no_memory_embedding.reshape(1, -1, 1, 1)
        bare: Tensor = embedding.features[-1] - mark
        return bare

    def _answer(self, embedding: PortedEmbedding, prompt: Prompt) -> list[Recalled]:
        """Return the object that a prompt describes."""
        prompt.check_inside(embedding.shape)
        check_logits(prompt, embedding.frame)
        prompt = prompt.completed()
        given = ModelPrompts.of([prompt], embedding.frame).to(self.device)
        # A point may mean the whole, a part or a subpart; anything else is meant as it is.
        many = prompt.is_ambiguous
        seen = self._decode(embedding, embedding.features[-1], given, many)
        return self._remember(embedding, seen, soft=False, point=prompt.first_point)

    def _take(self, embedding: PortedEmbedding, mask: MaskSet) -> Recalled:
        """Return an object with a given mask, which is not asked for but remembered."""
        if mask.shape != embedding.shape:
            raise InputError(
                f"The mask has shape {mask.shape} but the plane has shape {embedding.shape}."
            )
        placed = self._place(mask, embedding.frame)
        bare = self._bare(embedding)
        small = _resized(self._memory.mask_downsample(placed), embedding.frame.mask_side)
        hint = ModelPrompts(masks=small)
        seen = self._decode(embedding, bare, hint, many=True)
        there = placed.flatten(1).any(dim=1)
        known = (_resized(2 * placed - 1, self._memory_side(embedding.frame)) > 0).float()
        features = self._memory.encode(bare, known, there)
        pointers = torch.where(there[:, None], seen.pointers, self._memory.no_object_pointer)
        presence = torch.sigmoid(torch.where(there, GIVEN, -GIVEN))
        memory = PortedPlaneMemory(features[0], pointers[0])
        return Recalled(mask, float(presence[0]), memory)

    def _place(self, mask: MaskSet, frame: Frame) -> Tensor:
        """Return a mask as (1, 1, S, S) zeros and ones in the model's frame."""
        whole = torch.from_numpy(mask.mask(0).astype(np.float32))[None, None]
        soft = F.interpolate(whole, (frame.side, frame.side), mode="bilinear", antialias=True)
        # An object smaller than a pixel of the frame still has one there.
        inside = (soft >= min(0.5, float(soft.max()))) & (soft > 0)
        return inside.float().to(self.device)

    def _memory_side(self, frame: Frame) -> int:
        """Return the side of the masks that are remembered, which is that of SAM 2.1's frame.

        A cell of the memory has 16 x 16 pixels of it; SAM 3's frame has 14 x 14 of its own.
        """
        return 4 * frame.mask_side

    def _decode(
        self, embedding: PortedEmbedding, fused: Tensor, given: ModelPrompts | None, many: bool
    ) -> _Seen:
        """Decode (B, C, h, w) features; of many candidates, the one with the best score."""
        network, count = self._network, len(fused)
        sparse, dense = self._encode_prompts(given, count)
        places = network.get_image_wide_positional_embeddings()
        masks, iou, tokens, score = network.mask_decoder(
            image_embeddings=fused,
            image_positional_embeddings=places.expand(count, -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=many,
            high_resolution_features=[
                each.expand(count, -1, -1, -1) for each in embedding.features[:-1]
            ],
        )
        each = torch.arange(count, device=fused.device)
        best = iou[:, 0].argmax(dim=-1)
        score = score.reshape(count)
        present = score > 0
        logits = torch.where(present[:, None, None], masks[each, 0, best], ABSENT)
        # The token of a single answer stays its own, also where another mask was the stabler one.
        token = tokens[each, 0, best if tokens.shape[2] > 1 else 0]
        return _Seen(
            logits.float(), iou[each, 0, best].float(), score, self._memory.point(token, present)
        )

    def _encode_prompts(self, given: ModelPrompts | None, count: int) -> tuple[Tensor, Tensor]:
        """Return the sparse and dense embeddings of a prompt, or of none for B objects."""
        points = torch.zeros(count, 1, 1, 2, device=self.device)
        labels = -torch.ones(count, 1, 1, dtype=torch.int32, device=self.device)
        masks = None
        if given is not None:
            masks = given.masks
            # The sides of a box are points with labels of their own.
            corners = None if given.boxes is None else given.boxes.reshape(1, 1, 2, 2)
            marks = torch.tensor([[[2, 3]]], dtype=torch.int32, device=self.device)
            own = None if given.labels is None else given.labels[None].int()
            some = [each for each in (corners, _batched(given.points)) if each is not None]
            named = [each for each in (None if corners is None else marks, own) if each is not None]
            if some:
                points, labels = torch.cat(some, dim=2), torch.cat(named, dim=2)
        encoded = self._network.prompt_encoder(
            input_points=points, input_labels=labels, input_boxes=None, input_masks=masks
        )
        return cast(tuple[Tensor, Tensor], encoded)

    def _attend(
        self, embedding: PortedEmbedding, plane: int, objects: Sequence[PortedObjectMemory]
    ) -> Tensor:
        """Return the (B, C, h, w) features of a plane, seen with the memories of B objects."""
        network, bare = self._memory, self._bare(embedding)
        _, width, h, w = bare.shape
        places = self._network.vision_encoder.neck.position_encoding(
            bare.shape, bare.device, bare.dtype
        )
        memories, positions, pointers = self._memories(plane, objects, h)
        shown = [
            each.flatten(2).permute(2, 0, 1).expand(-1, len(objects), -1) for each in (bare, places)
        ]
        fused = network.memory_attention(
            current_vision_features=shown[0],
            current_vision_position_embeddings=shown[1],
            memory=memories,
            memory_posision_embeddings=positions,
            num_object_pointer_tokens=pointers,
        )
        seen: Tensor = fused.reshape(len(objects), h * w, width)
        return seen.transpose(1, 2).reshape(len(objects), width, h, w)

    def _memories(
        self, plane: int, objects: Sequence[PortedObjectMemory], side: int
    ) -> tuple[Tensor, Tensor, int]:
        """Return (N, B, channels) memories and their positions, and how many are of pointers."""
        network = self._memory
        ago = [n for n, _ in objects[0].features(plane)]
        features = torch.stack(
            [torch.cat([each for _, each in one.features(plane)]) for one in objects], dim=1
        )
        # Prompted planes have the last of the encodings, others that of their distance.
        times = [network.memory_temporal_positional_encoding[n - 1, 0] for n in ago]
        positions = torch.cat([self._plane_positions(side) + time for time in times])
        distances = [n for n, _ in objects[0].pointers_to(plane)]
        parts = network.width // network.channels
        if not distances:
            whole = positions[:, None].expand(-1, len(objects), -1)
            return features.float(), whole, 0
        # A pointer is as long as several memories, and is cut into them.
        pointers = torch.stack(
            [torch.stack([each for _, each in one.pointers_to(plane)]) for one in objects], dim=1
        )
        cut = pointers.reshape(len(distances), len(objects), parts, network.channels)
        cut = cut.permute(0, 2, 1, 3).flatten(0, 1)
        at = torch.tensor(distances, dtype=torch.float32, device=self.device)
        when = network.pointer_positions(at, objects[0].pointers).repeat_interleave(parts, dim=0)
        positions = torch.cat([positions, when])
        memories = torch.cat([features.float(), cut])
        return memories, positions[:, None].expand(-1, len(objects), -1), len(cut)

    def _plane_positions(self, side: int) -> Tensor:
        with self._lock:
            if self._places is None:
                self._places = self._memory.plane_positions(side, self.device)
            return self._places

    def _remember(
        self, embedding: PortedEmbedding, seen: _Seen, soft: bool, point: Any = (np.nan, np.nan)
    ) -> list[Recalled]:
        """Return objects with their masks on the plane and their memories of it."""
        frame = embedding.frame
        placed = F.interpolate(seen.logits[:, None], (frame.side, frame.side), mode="bilinear")
        placed = _resized(placed, self._memory_side(frame))
        placed = torch.sigmoid(placed) if soft else (placed > 0).float()
        features = self._memory.encode(self._bare(embedding), placed, seen.score > 0)
        drawn = draw(seen.logits, frame, STABILITY_OFFSET)
        count = len(seen.logits)
        masks = MaskSet.from_crops(
            frame.shape,
            drawn.masks,
            drawn.origins,
            predicted_iou=seen.iou.cpu().numpy(),
            stability_score=drawn.stability_score,
            points=np.tile(point, (count, 1)),
            low_res_logits=seen.logits.cpu().numpy(),
        )
        presence = torch.sigmoid(seen.score).tolist()
        return [
            Recalled(masks[i], presence[i], PortedPlaneMemory(features[i], seen.pointers[i]))
            for i in range(count)
        ]


def _resized(maps: Tensor, side: int) -> Tensor:
    """Return (B, 1, s, s) maps with another side, as the published code does."""
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps, (side, side), mode="bilinear", antialias=True)


def _batched(values: Tensor | None) -> Tensor | None:
    """Return values with an axis for the one image."""
    return None if values is None else values[None]
