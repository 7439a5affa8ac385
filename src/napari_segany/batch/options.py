"""The options of a batch, which the command line and the dock gather alike."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_segany.batch.plan import ReadOptions
from napari_segany.classification.class_set import ClassSet
from napari_segany.core.callbacks import Progress
from napari_segany.core.display import Normalise
from napari_segany.core.planes import Box, Range
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.io.result_files import Outputs
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import LabelParams, Recipe


@dataclass(frozen=True)
class ModelRequest:
    """The model that each process loads once.

    Attributes
    ----------
    model, device, precision : str
        As for :func:`napari_segany.load_model`.
    threads : int or None
        Threads of torch in each worker; None leaves torch's default.
    """

    model: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None


def load_requested_model(
    request: ModelRequest, progress: Progress | None = None
) -> PromptableModel:
    """Load a model.

    Parameters
    ----------
    request : ModelRequest
        The model.
    progress : callable, optional
        Called with bytes done and in total while weights are fetched.

    Raises
    ------
    SeganyError
        If it cannot be loaded.
    """
    from napari_segany.models.registry import load_model

    precision: Any = request.precision
    return load_model(request.model, device=request.device, precision=precision, progress=progress)


@dataclass(frozen=True)
class BatchOptions:
    """All options of a batch except its image files.

    Attributes
    ----------
    output : Path
        The folder for the results.
    params, labels, faithful, axes, channels, normalise, planes
        As in a recipe; axes "auto" are those of each file, and channels may be given by the names
        that a file has for them.
    region : Path or None
        Image that is nonzero where objects are searched.
    outputs : Outputs
        The kinds of result files.
    request : ModelRequest
        The model.
    cluster : str or None
        The workers, as ``--dask`` takes them; None computes in this process.
    scheduler_file : str or None
        The file in which a dask scheduler wrote its address, in place of ``cluster``.
    overwrite : bool
        Compute everything again, and replace existing files.
    recipe : Recipe or None
        The recipe that the options follow; the model must have its weights.
    axes_from_recipe : bool
        True if ``axes`` are those of the recipe; a file that they do not fit is read with its own.
    link : LinkParams or None
        As in a recipe.
    tracks : TrackParams or None
        As in a recipe.
    tiles : TileParams or None
        As in a recipe; None for planes as a whole.
    region_box : tuple of int or None
        Half-open row_min, col_min, row_max, col_max of the planes in which objects are searched.
    classes : ClassSet or None
        As in a recipe.
    """

    output: Path
    params: GeneratorParams = field(default_factory=DefaultParams)
    labels: LabelParams = field(default_factory=LabelParams)
    faithful: bool = False
    axes: str = "auto"
    channels: tuple[int | str, ...] = (0,)
    normalise: Normalise = "plane"
    planes: tuple[Range, ...] = ()
    region: Path | None = None
    outputs: Outputs = field(default_factory=Outputs)
    request: ModelRequest = field(default_factory=ModelRequest)
    cluster: str | None = None
    scheduler_file: str | None = None
    overwrite: bool = False
    recipe: Recipe | None = None
    axes_from_recipe: bool = False
    link: LinkParams | None = None
    tracks: TrackParams | None = None
    tiles: TileParams | None = AUTO_TILES
    region_box: Box | None = None
    classes: ClassSet | None = None

    def with_recipe(self, recipe: Recipe) -> "BatchOptions":
        """Return the options with everything that a recipe decides taken from it."""
        return replace(
            self,
            params=recipe.params,
            labels=recipe.labels,
            faithful=recipe.faithful,
            axes=recipe.axes or "auto",
            channels=recipe.channels,
            normalise=recipe.normalise,
            planes=recipe.planes,
            request=replace(self.request, model=recipe.model, precision=recipe.precision),
            recipe=recipe,
            axes_from_recipe=True,
            link=recipe.link,
            tracks=recipe.tracks,
            tiles=recipe.tiles,
            classes=recipe.classes,
        )

    def with_model(self, request: ModelRequest) -> "BatchOptions":
        """Return the options for a model; a recipe of another model is not followed any more."""
        recipe = self.recipe
        followed = recipe if recipe is not None and recipe.model == request.model else None
        return replace(self, request=request, recipe=followed)

    @property
    def is_local(self) -> bool:
        """True if planes are computed in this process."""
        return self.cluster is None and self.scheduler_file is None

    @property
    def read_options(self) -> ReadOptions:
        """The options for reading the image files."""
        return ReadOptions(self.axes, self.channels, self.planes, usual=self.axes_from_recipe)

    @property
    def named_channels(self) -> tuple[str, ...]:
        """The channels that are given by name; each image has numbers of its own for them."""
        return tuple(each for each in self.channels if isinstance(each, str))

    def check_recipe(self) -> None:
        """Raise InputError if no recipe can say the options, as channels are given by name."""
        if self.named_channels:
            raise InputError(
                f"A recipe holds numbers of channels; give the number of {self.named_channels[0]}."
            )

    @property
    def recipe_values(self) -> dict[str, Any]:
        """The values that make a recipe together with a model."""
        return {
            "params": self.params,
            "labels": self.labels,
            "faithful": self.faithful,
            "axes": self.axes,
            "channels": self.channels if not self.named_channels else (0,),
            "normalise": self.normalise,
            "planes": self.planes,
            "link": self.link,
            "tracks": self.tracks,
            "tiles": self.tiles,
            "classes": self.classes,
        }
