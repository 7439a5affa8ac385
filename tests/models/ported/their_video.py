"""Sessions of transformers' own video models, for comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.models.ported.videos import TinyVideo

from napari_segany import MaskSet, Prompt

SHAPE = (40, 56)


Given = Mapping[int, Mapping[int, Prompt | MaskSet]]


class Their:
    """A session of transformers with prompts of several objects."""

    def __init__(
        self, kind: TinyVideo, network: Any, frames: Sequence[NDArray[np.uint8]], prompts: Given
    ) -> None:
        import transformers

        self.family, self.network = kind.family, network
        video = torch.stack([self._pixels(frame) for frame in frames])
        session = getattr(transformers, f"{kind.prefix}InferenceSession")
        self.session = session(
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
                    mask, (self.family.side,) * 2, mode="bilinear", antialias=True
                )
                self.session.add_mask_inputs(index, plane, (soft >= 0.5).float())
            else:
                corners = [] if each.box is None else [self._xy(each.box)]
                points = [] if each.points is None else [self._xy(each.points)]
                labels = [] if each.box is None else [2, 3]
                labels += [] if each.labels is None else list(each.labels)
                coords = torch.cat([*corners, *points], dim=2)
                inputs = {"point_coords": coords, "point_labels": torch.tensor([[labels]]).int()}
                self.session.add_point_inputs(index, plane, inputs)
            new.append(i)
        self.session.obj_with_new_inputs = new
        self.network(self.session, frame_idx=plane)

    def _pixels(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        """Prepare a frame in float32: memories are rounded to bfloat16, which enlarges the rest."""
        squashed = Image.fromarray(frame).resize((self.family.side,) * 2, Image.Resampling.BILINEAR)
        scaled = torch.from_numpy(np.array(squashed)).float() / 255
        mean, deviation = (torch.tensor(each) for each in self.family.colours)
        return ((scaled - mean) / deviation).permute(2, 0, 1)

    def _xy(self, rows_cols: Any) -> torch.Tensor:
        return self.family.xy(rows_cols, SHAPE)[None, None]

    def track(self, start: int, reverse: bool) -> Iterator[tuple[int, NDArray[np.float32]]]:
        passing = self.network.propagate_in_video_iterator(
            self.session, start_frame_idx=start, reverse=reverse
        )
        for out in passing:
            yield out.frame_idx, out.pred_masks[:, 0].numpy()
