"""Executors of planes: the job of one plane, its computation, and the executor of this process."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from napari_segany.batch.plane_tiles import compute_tile, region_window
from napari_segany.batch.protocol import PlaneInput, Product, TileNumber
from napari_segany.core.callbacks import BatchEvent, OnBatchEvent, Progress, ShouldStop, check
from napari_segany.core.planes import Box
from napari_segany.core.region import check_region
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack
from napari_segany.tiled_planes import resolve_tiles


@dataclass(frozen=True)
class PlaneJob:
    """The job to compute one plane, as plain values that can be sent to another process.

    Attributes
    ----------
    name : str
        Name of the image within its batch.
    path : Path
        The image.
    recipe : Recipe
        The recipe with axes and intensity limits settled.
    index : tuple of int
        Index of the plane along the leading axes.
    product : Product
        The kind of result.
    region : Path or None
        Image that is nonzero where objects are searched.
    box : tuple of int or None
        Box of the plane in which objects are searched.
    tile : tuple of int or None
        Level and number of the only tile to compute; None for the whole plane.
    """

    name: str
    path: Path
    recipe: Recipe
    index: tuple[int, ...]
    product: Product
    region: Path | None = None
    box: Box | None = None
    tile: TileNumber | None = None


class OpenImages:
    """A cache of opened files: the last two, for an image and a region."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, str, bool], OpenedImage] = {}

    def get(self, path: Path, axes: str = "", stored: bool = False) -> OpenedImage:
        """Return an opened file; open it if it is not open or was replaced since."""
        key = path, axes, stored
        image = self._open.pop(key, None)
        if image is not None and not image.is_current:
            image.close()
            image = None
        image = image or open_image(path, axes=axes, stored=stored)
        self._open[key] = image
        while len(self._open) > 2:
            self._open.pop(next(iter(self._open))).close()
        return image

    def close(self) -> None:
        """Close all files."""
        for image in self._open.values():
            image.close()
        self._open.clear()


def compute_plane(
    job: PlaneJob,
    model: PromptableModel,
    images: OpenImages,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> bytes:
    """Compute one plane or tile; return its result as bytes of the job's product, or of tiles.

    Raises
    ------
    InputError
        If the plane cannot be used.
    Cancelled
        If ``should_stop`` returned True.
    """
    region = images.get(job.region, stored=True).data if job.region else None
    image = images.get(job.path, job.recipe.axes)
    layout, recipe = resolve_stack(image.data, job.recipe)
    check_region(region, layout)
    ways: Any = {"progress": progress, "should_stop": should_stop}
    plane = PlaneInput(image, layout, recipe, job.index, region, job.box)
    if job.tile is not None:
        return compute_tile(plane, job.tile, model, **ways)
    if job.box is not None:
        height, width = layout.labels_shape[-2:]
        whole, shape = (0, 0, height, width), (height, width)
        inside = region_window(region, job.index, job.box, whole, shape)
        plane = replace(plane, region=inside)
    return job.product.compute_plane(plane, model, **ways)


def settle_tiles(path: Path, recipe: Recipe, model: PromptableModel, images: OpenImages) -> Recipe:
    """Return a recipe of an image with numbers for its tiles; see :func:`resolve_tiles`.

    Parameters
    ----------
    path : Path
        The image.
    recipe : Recipe
        The recipe with axes and intensity limits settled.
    model : PromptableModel
        The model.
    images : OpenImages
        Opens the image.
    """
    image = images.get(path, recipe.axes)
    layout, settled = resolve_stack(image.data, recipe)
    return resolve_tiles(image.data, layout, settled, model)


class Executor(Protocol):
    """The place where planes are computed: this process, or the workers of a cluster."""

    def make_recipe(self, **given: Any) -> Recipe:
        """Return a recipe for this place; see :func:`napari_segany.make_recipe`."""
        ...

    def settle_tiles(self, path: Path, recipe: Recipe) -> Recipe:
        """Return a recipe of an image with numbers for its tiles; see :func:`settle_tiles`."""
        ...

    def compute_planes(
        self,
        jobs: Iterator[PlaneJob],
        progress: OnBatchEvent | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[tuple[PlaneJob, bytes | Exception]]:
        """Compute planes in any order; jobs are drawn no sooner than they can be computed.

        Parameters
        ----------
        jobs : iterator of PlaneJob
            The planes.
        progress, should_stop : callable, optional
            Called with the fraction of a job that is done, under the name of its image; polled to
            end early.

        Yields
        ------
        tuple
            Each job with its result, or with the error that it raised.
        """
        ...


class LocalExecutor:
    """An executor that computes planes one after the other in this process.

    Parameters
    ----------
    model : PromptableModel
        The model.
    """

    def __init__(self, model: PromptableModel) -> None:
        self.model = model

    def make_recipe(self, **given: Any) -> Recipe:
        """Return a recipe for this process; see :class:`Executor`."""
        from napari_segany.segmentation import make_recipe

        return make_recipe(self.model, **given)

    def settle_tiles(self, path: Path, recipe: Recipe) -> Recipe:
        """Settle the tiles of an image in this process; see :class:`Executor`."""
        with closing(OpenImages()) as images:
            return settle_tiles(path, recipe, self.model, images)

    def compute_planes(
        self,
        jobs: Iterator[PlaneJob],
        progress: OnBatchEvent | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[tuple[PlaneJob, bytes | Exception]]:
        """Compute planes in order; see :class:`Executor`."""
        from napari_segany.errors import Cancelled

        images = OpenImages()
        try:
            for job in jobs:
                check(should_stop)

                def report(done: int, total: int, name: str = job.name) -> None:
                    if progress is not None:
                        progress(BatchEvent(name, done / max(total, 1), 1))

                try:
                    result: bytes | Exception = compute_plane(
                        job, self.model, images, report, should_stop
                    )
                except Cancelled:
                    raise
                # One bad plane must not cost the other images, whatever is wrong with it.
                except Exception as error:
                    result = error
                yield job, result
        finally:
            images.close()
