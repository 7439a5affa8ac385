"""Files that no program should have written."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def _good(rng: np.random.Generator, path: Path) -> None:
    shape = [(40, 50), (2, 40, 50), (40, 50, 3)][rng.integers(3)]
    image = rng.integers(0, 255, shape).astype([np.uint8, np.uint16][rng.integers(2)])
    compression = [None, "zlib", "lzw"][rng.integers(3)]
    kind = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(path, image, compression=compression, photometric=kind)


def _flipped(rng: np.random.Generator, path: Path) -> None:
    """A TIFF file with some bytes of its tags or pixels changed."""
    _good(rng, path)
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 30)):
        content[rng.integers(4, min(len(content), 400))] = rng.integers(256)
    path.write_bytes(content)


def _cut(rng: np.random.Generator, path: Path) -> None:
    _good(rng, path)
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(0, len(content))])


def _noise(rng: np.random.Generator, path: Path) -> None:
    path.write_bytes(b"II*\0" + rng.bytes(rng.integers(0, 500)))


def _endless(rng: np.random.Generator, path: Path) -> None:
    """A chain of pages that comes back to itself."""
    tag = struct.pack("<HHII", 256, 3, 1, 8)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + tag + b"\x08\0\0\0")


def _huge(rng: np.random.Generator, path: Path) -> None:
    """Says that it is larger than any memory."""
    tags = [
        struct.pack("<HHII", 256, 4, 1, 2**31 - 1),
        struct.pack("<HHII", 257, 4, 1, 2**31 - 1),
        struct.pack("<HHII", 258, 3, 1, 16),
        struct.pack("<HHII", 259, 3, 1, [1, 5, 8][rng.integers(3)]),
        struct.pack("<HHII", 262, 3, 1, 1),
        struct.pack("<HHII", 273, 4, 1, 8),
        struct.pack("<HHII", 279, 4, 1, 100),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    path.write_bytes(head + b"".join(tags) + b"\0\0\0\0")


def _odd_dtype(rng: np.random.Generator, path: Path) -> None:
    dtype = [np.complex64, np.float16, np.float64, np.int64, np.uint64, np.int8][rng.integers(6)]
    with np.errstate(all="ignore"):
        image = rng.normal(size=(30, 40)).astype(dtype)
    tifffile.imwrite(path, image, photometric="minisblack")


def _not_finite(rng: np.random.Generator, path: Path) -> None:
    tifffile.imwrite(path, np.full((30, 40), [np.nan, np.inf][rng.integers(2)], np.float32))


def _odd_axes(rng: np.random.Generator, path: Path) -> None:
    shape = [(2, 2, 2, 2, 2, 9, 9), (1, 5), (1, 1), (3, 1, 2), (2, 3, 4, 5, 6, 7, 8, 9)][
        rng.integers(5)
    ]
    tifffile.imwrite(path, np.zeros(shape, np.uint8), photometric="minisblack")


def _ome_lies(rng: np.random.Generator, path: Path) -> None:
    """OME-XML that speaks of other planes than there are."""
    _good(rng, path)
    xml = (
        "<?xml version='1.0'?><OME xmlns='http://www.openmicroscopy.org/Schemas/OME/2016-06'>"
        "<Image ID='Image:0'><Pixels ID='Pixels:0' DimensionOrder='XYZCT' Type='uint16' "
        f"SizeX='{rng.integers(0, 99)}' SizeY='-3' SizeZ='9999999' SizeC='x' SizeT='1'>"
        "<TiffData/></Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.zeros((20, 30), np.uint8), description=xml, metadata=None)


def _picture(rng: np.random.Generator, path: Path) -> None:
    """A PNG or JPEG cut short, under a TIFF's name."""
    Image.fromarray(rng.integers(0, 255, (30, 40)).astype(np.uint8)).save(
        path, format=["PNG", "JPEG"][rng.integers(2)]
    )
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(1, len(content))])


def _text(rng: np.random.Generator, path: Path) -> None:
    path.write_text(["", "not an image\n", "{}", "\0" * 50][rng.integers(4)])


KINDS: tuple[Callable[[np.random.Generator, Path], None], ...] = (
    *(_flipped, _flipped, _flipped, _flipped, _cut, _cut, _noise, _endless, _huge, _odd_dtype),
    *(_not_finite, _odd_axes, _ome_lies, _picture, _text),
)


def make_hostile(folder: Path, count: int) -> None:
    """Write so many files that are hard to read, the same each time."""
    rng = np.random.default_rng(random.Random(3).randrange(2**31))
    for n in range(count):
        kind = KINDS[n % len(KINDS)]
        kind(rng, folder / f"{n:03d}{kind.__name__}.tif")
