"""Images with ground truth for benchmarks, from ``--data FOLDER`` or ``SEGANY_DATA``.

The folder holds ``SET/images/NAME.{png,jpg,tif}`` and ``SET/labels/NAME.tif``.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tifffile import imread

from napari_segany.core.intensity import to_rgb


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """The option that says where the images are."""
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("SEGANY_DATA"),
        help="folder with SET/images and SET/labels (default: SEGANY_DATA)",
    )


def data_folder(args: argparse.Namespace) -> Path:
    """The folder given, or an error that says how to give it."""
    if args.data is None or not Path(args.data).is_dir():
        raise SystemExit(f"No data folder at {args.data}; give --data FOLDER or set SEGANY_DATA.")
    return Path(args.data)


def read_image(path: Path) -> np.ndarray:
    """An image as stored."""
    return imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))


def pairs(folder: Path, name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, uint8 RGB image and labels of every image of a set, in order of name."""
    for path in sorted((folder / name / "images").iterdir()):
        labels = imread(folder / name / "labels" / f"{path.stem}.tif")
        yield path.stem, as_rgb(read_image(path)), labels


def as_rgb(image: np.ndarray) -> np.ndarray:
    """uint8 RGB as both sides of a comparison get it; 8-bit gray is repeated unchanged."""
    if image.dtype == np.uint8 and image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return to_rgb(image[..., :3] if image.ndim == 3 else image)
