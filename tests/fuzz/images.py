"""TIFF files whose pixels are fine and whose descriptions are not, or are unusual."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

Maker = Callable[[np.random.Generator, Path], None]


def _pixels(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = None) -> Any:
    dtype = dtype or [np.uint8, np.uint16, np.int16, np.float32][rng.integers(4)]
    return (rng.random(shape) * 200).astype(dtype)


def dtypes(rng: np.random.Generator, path: Path) -> None:
    """Every type that NumPy and TIFF have in common, with extreme values and NaN among them."""
    name = rng.choice(["?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "F", "D"])
    dtype = np.dtype(str(name)).newbyteorder(["<", ">"][rng.integers(2)])
    with np.errstate(all="ignore"):
        image = (rng.random((24, 32)) * [1, 1e3, 1e20, -50][rng.integers(4)]).astype(dtype)
    if dtype.kind in "fc":
        image.flat[rng.integers(0, image.size, 9)] = [np.nan, np.inf, -np.inf][rng.integers(3)]
    tifffile.imwrite(path, image, photometric="minisblack", byteorder=["<", ">"][rng.integers(2)])


def photometrics(rng: np.random.Generator, path: Path) -> None:
    """Interpretations, planar configurations and extra samples in any combination."""
    samples = int(rng.choice([1, 1, 2, 3, 3, 4, 5]))
    planar = rng.choice(["contig", "separate"])
    shape = (24, 32) if samples == 1 else (24, 32, samples)
    image = _pixels(rng, shape, [np.uint8, np.uint16][rng.integers(2)])
    if planar == "separate" and samples > 1:
        image = np.moveaxis(image, -1, 0)
    chosen = "rgb" if samples > 2 and rng.random() < 0.5 else "minisblack"
    options: dict[str, Any] = {"photometric": chosen}
    if samples > 1:
        options["planarconfig"] = planar
    extra = samples - (3 if chosen == "rgb" else 1)
    if extra > 0 and rng.random() < 0.7:
        options["extrasamples"] = [
            ["unspecified", "assocalpha", "unassalpha"][rng.integers(3)]
        ] * extra
    tifffile.imwrite(path, image, **options)
    _change_tag(rng, path, 262, int(rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 32803, 999])))


def _change_tag(rng: np.random.Generator, path: Path, code: int, value: int) -> None:
    """Give a short tag of the first page another value, most of the time."""
    if rng.random() < 0.3:
        return
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages[0].tags.get(code)  # type: ignore[union-attr]
        if tag is not None and tag.count == 1:
            tag.overwrite(value)


def tags(rng: np.random.Generator, path: Path) -> None:
    """Sizes, strips, compressions and sample formats that do not fit the pixels."""
    options: dict[str, Any] = {}
    if rng.random() < 0.5:
        options = {"compression": ["zlib", "lzw", "packbits"][rng.integers(3)]}
    if rng.random() < 0.3:
        options |= {"tile": (16, 16)}
    tifffile.imwrite(path, _pixels(rng, (24, 32)), photometric="minisblack", **options)
    code = int(rng.choice([256, 257, 258, 259, 273, 277, 278, 279, 284, 296, 317, 322, 323, 339]))
    value = int(rng.choice([0, 1, 2, 3, 5, 7, 8, 16, 24, 64, 200, 65535]))
    _change_tag(rng, path, code, value)


def series(rng: np.random.Generator, path: Path) -> None:
    """Several images in one file, of equal and of other shapes and types."""
    with tifffile.TiffWriter(path, ome=bool(rng.integers(2))) as writer:
        for _ in range(rng.integers(2, 4)):
            shape = [(24, 32), (2, 24, 32), (40, 16)][rng.integers(3)]
            writer.write(_pixels(rng, shape), photometric="minisblack")


def ome_axes(rng: np.random.Generator, path: Path) -> None:
    """OME-TIFF with axes in any order and sizes of any kind."""
    letters = "".join(rng.permutation(list("TZC"))[: rng.integers(0, 4)])
    shape = (*rng.integers(1, 4, len(letters)), 20, 24)
    sizes = [0.1, 0, -1, "x", 1e300][rng.integers(5)]
    unit = ["µm", "nm", "Å", "parsec", "", "pixel"][rng.integers(6)]
    metadata = {"axes": f"{letters}YX", "PhysicalSizeX": sizes, "PhysicalSizeXUnit": unit}
    try:
        tifffile.imwrite(path, _pixels(rng, shape), ome=True, metadata=metadata)
    except (ValueError, TypeError):
        # Not everything can be written by a program that checks.
        tifffile.imwrite(path, _pixels(rng, shape), photometric="minisblack")


def imagej(rng: np.random.Generator, path: Path) -> None:
    """ImageJ hyperstacks whose description lies."""
    axes = ["ZYX", "TYX", "CYX", "ZCYX", "TZCYX"][rng.integers(5)]
    shape = (*rng.integers(1, 4, len(axes) - 2), 20, 24)
    image = _pixels(rng, shape, np.uint16)
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": axes, "unit": "micron"})
    content = path.read_bytes()
    old = [b"images=", b"unit=micron", b"ImageJ=1.11a", b"hyperstack=true"][rng.integers(4)]
    new = rng.bytes(len(old)) if rng.random() < 0.5 else old.upper()
    path.write_bytes(content.replace(old, new))


def blank_planes(rng: np.random.Generator, path: Path) -> None:
    """Stacks in which some planes hold nothing."""
    image = _pixels(rng, (3, 20, 24), np.float32)
    image[rng.integers(3)] = [np.nan, np.inf, 0][rng.integers(3)]
    tifffile.imwrite(path, image, photometric="minisblack", metadata={"axes": "ZYX"})


def bad_strip(rng: np.random.Generator, path: Path) -> None:
    """A stack of which one compressed plane is damaged."""
    image = _pixels(rng, (3, 20, 24), np.uint16)
    tifffile.imwrite(path, image, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[int(rng.integers(3))]
        start, count = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + count] = rng.bytes(count)
    path.write_bytes(content)


KINDS: tuple[Maker, ...] = (
    *(dtypes, photometrics, tags, series, ome_axes, imagej, blank_planes, bad_strip),
)
