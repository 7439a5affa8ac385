"""Sessions of transformers' own video model, for comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.models.sam2.tiny import SIDE

from napari_segany import MaskSet, Prompt
from napari_segany.models.ported.model import IMAGENET

SHAPE = (40, 56)


def pixels(frame: NDArray[np.uint8]) -> torch.Tensor:
    squashed = Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    scaled = torch.from_numpy(np.array(squashed)).float() / 255
    mean, deviation = (torch.tensor(each) for each in IMAGENET)
    return ((scaled - mean) / deviation).permute(2, 0, 1)


def xy(rows_cols: Any) -> torch.Tensor:
    places = np.asarray(rows_cols, np.float64).reshape(1, 1, -1, 2)
    return torch.tensor(places[..., ::-1] * [SIDE / SHAPE[1], SIDE / SHAPE[0]]).float()


Given = Mapping[int, Mapping[int, Prompt | MaskSet]]


class Their:
    """A session of transformers with prompts of several objects."""

    def __init__(self, network: Any, frames: Sequence[NDArray[np.uint8]], prompts: Given) -> None:
        from transformers import Sam2VideoInferenceSession

        video = torch.stack([pixels(frame) for frame in frames])
        self.network = network
        self.session = Sam2VideoInferenceSession(
            video=video, video_height=SHAPE[0], video_width=SHAPE[1], dtype=torch.float32
        )
        for plane in sorted({plane for each in prompts.values() for plane in each}):
            self.prompt(plane, {i: each[plane] for i, each in prompts.items() if plane in each})

    def prompt(self, plane: int, given: Mapping[int, Prompt | MaskSet]) -> None:
        new = []
        for i, each in given.items():
            index = self.session.obj_id_to_idx(i)
            if isinstance(each, MaskSet):
                mask = torch.from_numpy(each.mask(0)).float()[None, None]
                soft = torch.nn.functional.interpolate(
                    mask, (SIDE, SIDE), mode="bilinear", antialias=True
                )
                self.session.add_mask_inputs(index, plane, (soft >= 0.5).float())
            else:
                corners = [] if each.box is None else [xy(each.box)]
                points = [] if each.points is None else [xy(each.points)]
                labels = [] if each.box is None else [2, 3]
                labels += [] if each.labels is None else list(each.labels)
                coords = torch.cat([*corners, *points], dim=2)
                inputs = {"point_coords": coords, "point_labels": torch.tensor([[labels]]).int()}
                self.session.add_point_inputs(index, plane, inputs)
            new.append(i)
        self.session.obj_with_new_inputs = new
        self.network(self.session, frame_idx=plane)

    def track(self, start: int, reverse: bool) -> Iterator[tuple[int, NDArray[np.float32]]]:
        passing = self.network.propagate_in_video_iterator(
            self.session, start_frame_idx=start, reverse=reverse
        )
        for out in passing:
            yield out.frame_idx, out.pred_masks[:, 0].numpy()
