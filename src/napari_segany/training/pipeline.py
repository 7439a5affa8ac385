"""From a folder of training sets to a finder's file, in stages of which each is resumed."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError, WeightsError
from napari_segany.models.finder import load_finder
from napari_segany.models.protocol import PromptableModel
from napari_segany.networks.finder import Finder
from napari_segany.networks.finder_inference import fold
from napari_segany.training.batches import CachedViews, ViewSource
from napari_segany.training.calibration import calibrate, choose_images
from napari_segany.training.curves import plot_curves
from napari_segany.training.datasets import LabelledImage, Split, find_images
from napari_segany.training.encoder import ViewEncoder, computing_threads
from napari_segany.training.facts import describe_sets
from napari_segany.training.feature_cache import ViewPlan, build_cache, is_complete
from napari_segany.training.live_views import TIMES, LiveViews
from napari_segany.training.training_loop import CURVE, TrainParams, learn_from_views
from napari_segany.weights.cache import replacing
from napari_segany.weights.finder_card import FinderCard, encoder_card, shape_card
from napari_segany.weights.finders import FinderFile, write_finder

FINDER = "finder.safetensors"
"""Name of the result."""

UNCALIBRATED = "uncalibrated.safetensors"
"""Name of the finder before its scores are calibrated."""

CURVES = "curves.png"
"""Name of the plot of the losses."""

CALIBRATION = "calibration.json"
"""Name of the file that keeps the fitted quality estimate."""

PRED_IOU_THRESH = 0.5
"""Predicted IoU that masks must exceed by default."""

VALIDATION_VIEWS = 96
"""Views of validation images, whose loss is in the curves."""

GPU_BATCH = 16
"""Views a step on a GPU."""

WHOLE_VIEW = 64
"""Cells of the embedding of the largest view, a side."""

Stage = Callable[[str], AbstractContextManager[Progress | None]]
"""Called with the name of a stage when it begins; gives the callback for its progress."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training run.

    Attributes
    ----------
    data : Path
        Folder of training sets with their ``MANIFEST.json``.
    folder : Path
        For features, checkpoints and results.
    views : int
        Random views that are encoded once and learned from. On a GPU every step has new views, and
        this number is not used.
    steps : int
        Steps of the training loop.
    threads : int
        Processes that make features, or views for a GPU, and threads of the training loop.
    seed : int
        Of everything that is random.
    shippable : bool
        Only sets whose licence allows weights trained on them to be published.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    data: Path
    folder: Path
    views: int = 8000
    steps: int = 10_000
    threads: int = 2
    seed: int = 0
    shippable: bool = True

    def __post_init__(self) -> None:
        for name, least in (("views", 1), ("steps", 1), ("threads", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}.")


def check_images(
    images: Sequence[LabelledImage],
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Read every image once, so that errors come before hours of work.

    Raises
    ------
    InputError
        If one cannot be read, if labels have another shape, or if no image has an object.
    Cancelled
        If ``should_stop`` returned True.
    """
    objects = False
    for number, image in enumerate(images, 1):
        check(should_stop)
        _, labels = image.read()
        objects |= bool((labels > 0).any())
        if progress is not None:
            progress(number, len(images))
    if not objects:
        raise InputError(
            f"No label image has an object: all pixels of all {len(images)} are 0 or negative."
        )


def train_from_folder(
    options: TrainingOptions,
    model: PromptableModel,
    stage: Stage,
    say: Callable[[str], None],
    should_stop: ShouldStop | None = None,
) -> FinderFile:
    """Train a finder on a folder of training sets, continuing what ``options.folder`` has of it.

    Parameters
    ----------
    options : TrainingOptions
        Data, folder and lengths.
    model : PromptableModel
        The model whose image encoder the finder reads. Where it is on a GPU, the finder learns
        there, from views that are made anew for every step.
    stage : callable
        Shows the progress of each stage.
    say : callable
        Called with sentences for people.
    should_stop : callable, optional
        Polled often; what is finished is kept.

    Returns
    -------
    FinderFile
        ``finder.safetensors`` in the folder.

    Raises
    ------
    InputError
        If the data, the folder or the model cannot be used.
    Cancelled
        If ``should_stop`` returned True.
    """
    images = find_images(options.data, shippable=options.shippable)
    if not _of(images, "train"):
        more = "; all sets, whatever their licence, are used with --all-licences"
        raise InputError(
            f"{options.data} has no image for training{more if options.shippable else ''}."
        )
    encoder = ViewEncoder.from_model(model)
    make = _make_views if _on_gpu(encoder) else _cache_views
    views, validation = make(options, model, images, stage, should_stop)
    finder = _learn(options, encoder, views, validation, stage, say, should_stop)
    card = _card(options, model, encoder)
    raw = _write(options.folder / UNCALIBRATED, finder, card)
    quality = _fit_quality(options, model, raw, choose_images(images), stage, should_stop)
    return _write(options.folder / FINDER, finder, replace(card, quality=quality))


def _on_gpu(encoder: ViewEncoder) -> bool:
    """Return whether views are made while a GPU learns; on a CPU, their features are kept."""
    return encoder.device.type != "cpu"


def _of(images: Sequence[LabelledImage], split: Split) -> tuple[LabelledImage, ...]:
    return tuple(image for image in images if image.split == split)


def _cache_views(
    options: TrainingOptions,
    model: PromptableModel,
    images: Sequence[LabelledImage],
    stage: Stage,
    should_stop: ShouldStop | None,
) -> tuple[ViewSource, ViewSource | None]:
    """Return views to learn from and of other images, whose features are on disk."""
    encoder = ViewEncoder.from_model(model)
    features = options.folder / "features"
    plan = ViewPlan(_of(images, "train"), options.views, options.seed)
    if not is_complete(plan, encoder, features):
        with stage("images") as progress:
            check_images(images, progress, should_stop)
    with stage("features") as progress:
        cache = build_cache(plan, model, features, options.threads, progress, should_stop)
    unseen = _of(images, "validate")
    if not unseen:
        return CachedViews(cache), None
    unseen_plan = ViewPlan(unseen, min(VALIDATION_VIEWS, options.views), options.seed)
    with stage("validation features") as progress:
        other = build_cache(unseen_plan, model, features, options.threads, progress, should_stop)
    return CachedViews(cache), CachedViews(other)


def _make_views(
    options: TrainingOptions,
    model: PromptableModel,
    images: Sequence[LabelledImage],
    stage: Stage,
    should_stop: ShouldStop | None,
) -> tuple[ViewSource, ViewSource | None]:
    """Return views to learn from and of other images, made when they are due."""
    with stage("images") as progress:
        check_images(images, progress, should_stop)
    encoder = ViewEncoder.from_model(model)
    count = _count_views(options, encoder)
    plan = ViewPlan(_of(images, "train"), count, options.seed)
    views = LiveViews(plan, encoder, options.threads)
    unseen = _of(images, "validate")
    if not unseen:
        return views, None
    plan = ViewPlan(unseen, VALIDATION_VIEWS, options.seed)
    return views, LiveViews(plan, encoder, options.threads)


def _train_params(options: TrainingOptions, encoder: ViewEncoder) -> TrainParams:
    """Return the parameters of the loop: a GPU learns from more and whole views in each step."""
    params = TrainParams(steps=options.steps, seed=options.seed)
    return replace(params, batch=GPU_BATCH, crop=WHOLE_VIEW) if _on_gpu(encoder) else params


def _learn(
    options: TrainingOptions,
    encoder: ViewEncoder,
    views: ViewSource,
    validation: ViewSource | None,
    stage: Stage,
    say: Callable[[str], None],
    should_stop: ShouldStop | None,
) -> Finder:
    """Run the training loop with the threads of the options, and plot its curves."""
    params = _train_params(options, encoder)
    with stage("steps") as progress, computing_threads(options.threads):
        finder = learn_from_views(
            *(views, encoder.shape, params, options.folder, say, progress, should_stop),
            validation=validation,
            device=encoder.device,
        )
    curve = json.loads((options.folder / CURVE).read_text(encoding="utf-8"))
    try:
        plot_curves(curve, options.folder / CURVES)
    except ImportError:
        say(
            "The curves are not plotted, as matplotlib is missing "
            f'(pip install "napari-segany[evaluate]"); their numbers are in {CURVE}.'
        )
    return finder


def _count_views(options: TrainingOptions, encoder: ViewEncoder) -> int:
    """Return the number of views that a run learns from."""
    return -(-options.steps // TIMES) * GPU_BATCH if _on_gpu(encoder) else options.views


def _card(options: TrainingOptions, model: PromptableModel, encoder: ViewEncoder) -> FinderCard:
    """Return the card of a finder that is not calibrated yet."""
    sketch = model.sketch_encoder()
    assert sketch is not None, "the encoder shows stages, so it has a sketch"
    facts = {
        "sets": describe_sets(options.data, shippable=options.shippable),
        "views": _count_views(options, encoder),
        "steps": options.steps,
        "seed": options.seed,
        "weights_may_ship": options.shippable,
    }
    return FinderCard(
        title=f"Finder for {model.id}",
        encoder=encoder_card(model.id, encoder.architecture, sketch),
        shape=shape_card(encoder.shape),
        pred_iou_thresh=PRED_IOU_THRESH,
        facts=facts,
    )


def _fit_quality(
    options: TrainingOptions,
    model: PromptableModel,
    raw: FinderFile,
    images: Sequence[LabelledImage],
    stage: Stage,
    should_stop: ShouldStop | None,
) -> dict[str, Any]:
    """Return the quality estimate of a finder, fitted now or kept from an earlier run."""
    kept = options.folder / CALIBRATION
    if kept.is_file():
        record = json.loads(kept.read_text(encoding="utf-8"))
        if record["finder"] == raw.sha256:
            quality: dict[str, Any] = record["quality"]
            return quality
    finder = load_finder(model, raw.path)
    with stage("calibration") as progress, computing_threads(options.threads):

        def report(done: int, total: int) -> None:
            check(should_stop)
            if progress is not None:
                progress(done, total)

        check(should_stop)
        quality = calibrate(model, finder, images, seed=options.seed, progress=report).to_dict()
    with replacing(kept) as temporary:
        temporary.write_text(json.dumps({"finder": raw.sha256, "quality": quality}))
    return quality


def _write(path: Path, finder: Finder, card: FinderCard) -> FinderFile:
    try:
        return write_finder(path, fold(finder), card)
    except OSError as error:
        raise WeightsError(f"{path} could not be written ({error.strerror or error}).") from error
