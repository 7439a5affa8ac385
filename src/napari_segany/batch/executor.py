"""One plane at a time: what is computed here, or in a process on another machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from napari_segany.batch.plan import Product
from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe
from napari_segany.segmentation import check_region, resolve_stack


@dataclass(frozen=True)
class Task:
    """One plane to be worked on.

    Attributes
    ----------
    name : str
        Of the image within its batch.
    path : Path
        The image.
    recipe : Recipe
        With axes and intensity limits settled.
    index : tuple of int
        Of the plane, along the leading axes.
    product : Product
        What is made of it.
    region : Path or None
        Image that is not zero where objects are looked for.
    """

    name: str
    path: Path
    recipe: Recipe
    index: tuple[int, ...]
    product: Product
    region: Path | None = None


class Images:
    """Files that stay open from one plane to the next: the last two, an image and a region."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, str, bool], OpenedImage] = {}

    def get(self, path: Path, axes: str = "", stored: bool = False) -> OpenedImage:
        """The file, opened if it is not, or if it is another one by now."""
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
        """Close all of them."""
        for image in self._open.values():
            image.close()
        self._open.clear()


def compute(
    task: Task,
    model: PromptableModel,
    images: Images,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> bytes:
    """Do one plane; see its product for the bytes.

    Raises
    ------
    InputError
        If the plane cannot be used.
    Cancelled
        If ``should_stop`` returned True.
    """
    region = images.get(task.region, stored=True).data if task.region else None
    image = images.get(task.path, task.recipe.axes)
    layout, recipe = resolve_stack(image.data, task.recipe)
    check_region(region, layout)
    return task.product.compute(
        image,
        layout,
        recipe,
        model,
        task.index,
        region=region,
        progress=progress,
        should_stop=should_stop,
    )


PlaneProgress = Callable[[Task, float], None]
"""Called with a task and the share of its points that were asked, 0..1."""


class Executor(Protocol):
    """Where planes are computed."""

    def make_recipe(self, **given: Any) -> Recipe:
        """A recipe for where the planes are computed; see :func:`napari_segany.make_recipe`."""
        ...

    def compute(
        self,
        tasks: Iterator[Task],
        progress: PlaneProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[tuple[Task, bytes | Exception]]:
        """Compute planes in any order; tasks are taken no sooner than they can be computed."""
        ...


class LocalExecutor:
    """Computes planes one after the other in this process.

    Parameters
    ----------
    model : PromptableModel
        Who is asked.
    """

    def __init__(self, model: PromptableModel) -> None:
        self.model = model

    def make_recipe(self, **given: Any) -> Recipe:
        """See :class:`Executor`."""
        from napari_segany.segmentation import make_recipe

        return make_recipe(self.model, **given)

    def compute(
        self,
        tasks: Iterator[Task],
        progress: PlaneProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Iterator[tuple[Task, bytes | Exception]]:
        """See :class:`Executor`."""
        from napari_segany.errors import Cancelled

        images = Images()
        try:
            for task in tasks:
                check(should_stop)

                def report(done: int, total: int, task: Task = task) -> None:
                    if progress is not None:
                        progress(task, done / max(total, 1))

                try:
                    answer: bytes | Exception = compute(
                        task, self.model, images, report, should_stop
                    )
                except Cancelled:
                    raise
                # One bad plane must not cost the other images, whatever is wrong with it.
                except Exception as error:
                    answer = error
                yield task, answer
        finally:
            images.close()
