"""Preparation of an image for its run: earlier results, finished planes, and existing files."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_segany.batch.manifest import (
    FORMAT,
    Fingerprint,
    PlaneCheckpoint,
    Record,
    ResultStore,
    hash_content,
    image_location,
    is_unchanged,
)
from napari_segany.batch.plan import Batch, Outcome, own_axes
from napari_segany.batch.plane_tiles import STREAMED_PIXELS, PlaneTiles, region_box
from napari_segany.batch.protocol import Item
from napari_segany.batch.result_metadata import record_from_results
from napari_segany.core.planes import StackLayout
from napari_segany.errors import BlankPlaneError, InputError, PlaneError
from napari_segany.io.atomic import check_inside, remove_unfinished
from napari_segany.io.exports import check_tiled
from napari_segany.io.read import open_image
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack
from napari_segany.tiled_planes import tiles_of


class ImageJob:
    """One image while its planes are computed.

    Parameters
    ----------
    item : Item
        The image.
    recipe : Recipe
        The recipe with axes and intensity limits settled.
    layout : StackLayout
        The axes and planes of the image.
    key, content : str
        Hash of content and recipe, and hash of the content.
    fingerprint : Fingerprint
        Size and time of the files when they were hashed.
    files : tuple of Path
        The files that hold the image.
    lock : ExitStack
        Holds the lock of the image until the job ends.
    """

    def __init__(
        self,
        item: Item,
        recipe: Recipe,
        layout: StackLayout,
        *,
        key: str,
        content: str,
        fingerprint: Fingerprint,
        files: tuple[Path, ...],
        lock: ExitStack,
    ) -> None:
        self.item, self.recipe, self.layout, self.lock = item, recipe, layout, lock
        self.key, self.content = key, content
        self.fingerprint, self.files = fingerprint, files
        self.missing: set[int] = set()
        # Planes without a result, by number.
        self.empty: dict[int, PlaneError] = {}
        # Planes that are computed in tiles, by number.
        self.tiles: dict[int, PlaneTiles] = {}
        self.resumed = 0
        self.failed = False
        self.started = time.monotonic()

    @property
    def fraction_in_tiles(self) -> float:
        """Planes in work that are done, by the tiles that are."""
        return sum(self.tiles[n].fraction for n in self.missing if n in self.tiles)

    def remarks(self, blank: bool) -> list[str]:
        """Return one sentence for each blank plane, or for each plane that cannot be read."""
        ordered = sorted(self.empty.items())
        return [str(e) for _, e in ordered if isinstance(e, BlankPlaneError) is blank]


class ImagePreparation:
    """The preparation of images for a run, one by one.

    Parameters
    ----------
    batch : Batch
        The batch.
    store : ResultStore
        The records of its results.
    settle_tiles : callable
        Returns the recipe of an image with numbers for its tiles.
    """

    def __init__(
        self, batch: Batch, store: ResultStore, settle_tiles: Callable[[Path, Recipe], Recipe]
    ) -> None:
        self.batch, self.store, self._settle_tiles = batch, store, settle_tiles
        self._region = hash_content([batch.region]) if batch.region else ""
        self._region += repr(batch.box) if batch.box else ""

    def checkpoint(self, item: Item) -> PlaneCheckpoint[Any]:
        """Return the finished planes of an image."""
        return PlaneCheckpoint(self.store.path(item.name, ".work"), self.batch.product.decode)

    def prepare(self, item: Item, lock: ExitStack) -> ImageJob | Outcome:
        """Lock an image and return its job, or its outcome if there is nothing to compute.

        Raises
        ------
        SeganyError
            If the image cannot be read, or files exist that must not be replaced.
        """
        if not lock.enter_context(self.store.lock(item.name)):
            return Outcome(item.path, "locked", item.files, item.understood)
        checkpoint = self.checkpoint(item)
        record = self.store.read(item.name)
        if record is None or not record.outputs:
            record = record_from_results(item.files.all()) or record
        with open_image(item.path, axes=item.axes or self.batch.recipe.axes) as image:
            axes = own_axes(image, item.axes or self.batch.recipe.axes)
            channels = item.channels or self.batch.recipe.channels
            shape = image.shape[axes.index("Y")], image.shape[axes.index("X")]
            requested = replace(self.batch.recipe, axes=axes, channels=channels)
            tiled = tiles_of(requested, shape) is not None
            # Nothing depends on tiles in planes that have none.
            requested = requested if tiled else replace(requested, tiles=None)
            fingerprint, location = Fingerprint.of(image.files), image_location(item.path)
            changed = record is None or record.stamp != fingerprint or record.image != location
            known = "" if changed or record is None else record.content
            content = known or hash_content(image.files)
            key = self._key(content, requested, item)
            if not self.batch.overwrite and record is not None and record.key == key:
                outcome = self._earlier_outcome(item, record)
                if outcome is not None:
                    # An image that was moved is still the same.
                    current = replace(record, image=location, stamp=fingerprint, error="")
                    if current != self.store.read(item.name):
                        self.store.write(item.name, current)
                    return outcome
            self._check_replaceable(item, record, checkpoint, content)
            settled = _settled_recipe(checkpoint, key, requested)
            # Limits of a whole stack are not computed a second time.
            layout, recipe = resolve_stack(image.data, requested if settled is None else settled)
            region_box(self.batch.box, shape)
            if tiled and self.batch.product.tiled and shape[0] * shape[1] >= STREAMED_PIXELS:
                check_tiled(item.files.kinds().get("exports", ()))
            if settled is None:
                recipe = self._settle_tiles(item.path, recipe) if tiled else recipe
                checkpoint.begin(key, recipe.to_json(), content)
        for path in item.files.all():
            remove_unfinished(path)
        return ImageJob(
            item,
            recipe,
            layout,
            key=key,
            content=content,
            fingerprint=fingerprint,
            files=image.files,
            lock=lock,
        )

    def _key(self, content: str, recipe: Recipe, item: Item) -> str:
        made = [self.batch.product.name, dict(item.files.kinds())]
        whole = [FORMAT, content, json.loads(recipe.to_json()), made, self._region]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def _earlier_outcome(self, item: Item, record: Record) -> Outcome | None:
        """Return the outcome recorded by an earlier run; None if results are missing."""
        folder = item.files.all()[0].parent
        if record.failed_planes or not all((folder / name).exists() for name in record.outputs):
            return None
        same = all(is_unchanged(folder / name, known) for name, known in record.outputs.items())
        summary = record.summary
        return Outcome(
            item.path,
            "same" if same else "edited",
            item.files,
            summary.understood,
            summary.objects,
            summary.planes,
            pictured=summary.pictured,
            notes=tuple(record.notes),
        )

    def _check_replaceable(
        self, item: Item, record: Record | None, checkpoint: PlaneCheckpoint[Any], content: str
    ) -> None:
        """Raise InputError if existing files are not unchanged results of this image."""
        for path in item.files.all():
            check_inside(self.batch.output, path.parent)
        if self.batch.overwrite or checkpoint.is_writing(content):
            return
        present = [path for path in item.files.all() if os.path.lexists(path)]
        known = {} if record is None else record.outputs
        location = image_location(item.path)
        if (
            record is not None
            and any(path.name in known for path in present)
            and record.content != content
            and record.image != location
        ):
            raise InputError(
                f"{present[0]} is a result of {record.image}, which is another image than "
                f"{location}; give another folder with -o, or --overwrite to replace it."
            )
        for path in present:
            if not is_unchanged(path, known.get(path.name)):
                was = "was changed since it was made" if path.name in known else "is there already"
                raise InputError(f"{path} {was}; give --overwrite or another folder.")


def _settled_recipe(checkpoint: PlaneCheckpoint[Any], key: str, requested: Recipe) -> Recipe | None:
    """Return the settled recipe of the finished planes; None if it is not the requested one."""
    text = checkpoint.resume(key)
    if text is None:
        return None
    try:
        settled = Recipe.from_json(text)
    except InputError:
        return None
    left_open = {
        name: getattr(requested, name) for name in ("axes", "normalise", "planes", "tiles")
    }
    return settled if replace(settled, **left_open) == requested else None
