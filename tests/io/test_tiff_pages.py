"""Files that change while they are read: a sentence, and never the end of the process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany.batch.executor import OpenImages
from napari_segany.errors import InputError
from napari_segany.io.read import open_image
from napari_segany.io.tiff_pages import TiffPages

SHRINKS = """
import os, sys
from napari_segany.errors import InputError
from napari_segany.io.read import open_image

with open_image(sys.argv[1]) as image:
    first = image.data[0].sum()
    os.truncate(sys.argv[1], os.path.getsize(sys.argv[1]) // 2)
    try:
        image.data[-1].sum()
    except InputError as error:
        print(first, error)
"""

STACK = np.random.default_rng(0).integers(0, 200, (6, 300, 400)).astype(np.uint16)


def write(path: Path, stack: np.ndarray = STACK, **options: Any) -> Path:
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"}, **options)
    return path


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_that_shrinks_while_it_is_read_is_an_error_and_no_abort(
    tmp_path: Path, compression: str | None
) -> None:
    path = write(tmp_path / "a.tif", compression=compression)
    done = subprocess.run(
        [sys.executable, "-c", SHRINKS, str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{STACK[0].sum()} {path} became shorter while it was read")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("stack", "became"), [(np.concatenate([STACK, STACK]), "became longer"), (None, "went away")]
)
def test_a_file_that_is_written_anew_is_told(
    tmp_path: Path, compression: str | None, stack: Any, became: str
) -> None:
    path = write(tmp_path / "a.tif", compression=compression)
    with open_image(path) as image:
        assert image.is_current
        np.testing.assert_array_equal(image.data[1], STACK[1])
        if stack is None:
            path.unlink()
        else:
            write(path, stack, compression=compression)
        assert not image.is_current
        with pytest.raises(InputError, match=f"{became} while it was read"):
            image.data[1]


def test_the_same_size_with_another_time_is_another_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif")
    with open_image(path) as image:
        write(path, STACK[::-1])
        os.utime(path, ns=(1, 1))
        with pytest.raises(InputError, match="was changed while it was read"):
            image.data[1]


def test_files_that_are_kept_open_are_opened_anew_when_they_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif")
    images = OpenImages()
    first = images.get(path)
    assert images.get(path) is first
    write(path, STACK[:2])
    assert images.get(path).shape == (2, 300, 400)
    images.close()


@pytest.mark.parametrize("axes", ["YXZ", "YZX", "ZYX"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_stored_pages_are_read_wherever_rows_and_columns_lie(
    tmp_path: Path, axes: str, byteorder: Any
) -> None:
    path = tmp_path / "a.tif"
    stack = np.ascontiguousarray(STACK.transpose(["ZYX".index(axis) for axis in axes]))
    tifffile.imwrite(
        path, stack, photometric="minisblack", metadata={"axes": axes}, byteorder=byteorder
    )
    with open_image(path) as image:
        assert image.axes == axes
        np.testing.assert_array_equal(image.data[...], stack)
        np.testing.assert_array_equal(image.data[3], stack[3])


@pytest.mark.parametrize("axis", [0, 1, 2, 3, 4])
def test_one_index_along_an_axis_is_as_lazy_as_the_whole(tmp_path: Path, axis: int) -> None:
    stack = STACK[:, :60, :80].reshape(2, 3, 60, 80, 1).repeat(2, axis=-1)
    read = []

    def page(number: int, window: Any = None) -> np.ndarray:
        read.append(number)
        return stack.reshape(6, 60, 80, 2)[number][window or ()]

    lazy = TiffPages(stack.shape, stack.dtype, 3, page).along(axis, 1)
    assert not read
    right = stack.take(1, axis)
    assert lazy.shape == right.shape
    np.testing.assert_array_equal(lazy[0], right[0])
    np.testing.assert_array_equal(lazy[...], right)
    single = TiffPages(stack.shape[1:], stack.dtype, 3, lambda n, w=None: stack[0, n]).along(0, 2)
    np.testing.assert_array_equal(single[...], stack[0, 2])


def test_a_page_that_lists_too_few_strips_is_an_error_of_that_page(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], compression="zlib", rowsperstrip=60)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for name in ("StripOffsets", "StripByteCounts"):
            tag = tiff.pages.first.tags[name]
            tag.overwrite(tag.value[:4])
    with open_image(path) as image, pytest.raises(InputError, match="page 1 lists 4 of its 5 str"):
        image.data[...]


def test_one_bad_page_is_an_error_of_that_page(tmp_path: Path) -> None:
    """Its place in the file is damaged, and the file is whole."""
    path = write(tmp_path / "a.tif", compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[2].tags["StripOffsets"].overwrite(
            [4_000_000_000] * len(tiff.pages[2].dataoffsets)
        )
    with open_image(path) as image:
        assert any("1 of its 6 planes, from plane 2 on" in note for note in image.notes)
        for n in (0, 1, 3, 4, 5):
            np.testing.assert_array_equal(image.data[n], STACK[n])
        with pytest.raises(InputError, match="page 3 "):
            image.data[2]
