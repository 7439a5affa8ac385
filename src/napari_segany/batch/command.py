"""The command line that runs a batch with given options."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_segany.batch.options import BatchOptions
from napari_segany.core.display import Display, as_display
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.strategies import params_types, start_params
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.recipe import LabelParams


def as_command(
    images: Iterable[Path],
    options: BatchOptions,
    axes_of: Mapping[Path, str] | None = None,
    recipe: Path | None = None,
) -> str:
    """Return the command that runs the same batch in a terminal or on a cluster.

    Parameters
    ----------
    images : iterable of Path
        The images.
    options : BatchOptions
        The options; of a recipe that they follow only its values are written.
    axes_of : mapping of Path to str, optional
        Axes of single images.
    recipe : Path, optional
        File of a recipe with the parameters of the options; the command names it instead of them.

    Raises
    ------
    InputError
        If no command can express the options, and no file was given.
    """
    params = options.params
    if recipe is None and not (fits_command(params) and options.classes is None):
        raise InputError(
            "These parameters do not fit into a command; save the recipe, and give that file with "
            "--recipe."
        )
    words = ["napari-segany", "segment", *map(_operand, images), "-o", str(options.output)]
    words += _model(options)
    words += _parameters(options) if recipe is None else ["--recipe", _operand(recipe)]
    words += _image(options, axes_of or {})
    words += _files(options)
    return shlex.join(words)


def _operand(path: Path) -> str:
    """Return the name of a file so that it does not look like an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _model(options: BatchOptions) -> list[str]:
    """Return the options for the model, and for the processes that it runs in."""
    request = options.request
    words = ["--model", request.model]
    for flag, value in (("--device", request.device), ("--precision", request.precision)):
        words += [] if value == "auto" else [flag, value]
    words += ["--dask", options.cluster] if options.cluster else []
    words += ["--scheduler-file", options.scheduler_file] if options.scheduler_file else []
    return words


def fits_command(params: GeneratorParams) -> bool:
    """Return True if the command line has options for all values of parameters."""
    if isinstance(params, DefaultParams):
        return True
    structures = ("point_grids", "examples")
    return type(params) in params_types() and all(
        getattr(params, name, None) is None for name in structures
    )


def _parameters(options: BatchOptions) -> list[str]:
    """Return the options for finding, painting and linking objects."""
    params = options.params
    finding = dict(params.changes) if isinstance(params, DefaultParams) else params.to_dict()
    words = _finding(params.strategy, finding)
    words += _painting(options.labels, finding.get("min_area") or 0)
    words += ["--faithful"] if options.faithful else []
    return [*words, *_tiling(options.tiles), *_linking(options.link, options.tracks)]


def _finding(strategy: str, values: Mapping[str, Any]) -> list[str]:
    """Return the options for a strategy, and for its parameters that differ from their defaults."""
    if strategy == DefaultParams.strategy:
        return _differing(values, {})
    return ["--strategy", strategy, *_differing(values, start_params(strategy).to_dict())]


def _painting(labels: LabelParams, min_area: int) -> list[str]:
    """Return the options for painting; ``min_area`` is what the option for masks set, too."""
    values, usual = asdict(labels), asdict(LabelParams())
    own = values.pop("min_area")
    words = [] if own == min_area else ["--min-object-area", str(own)]
    return [*words, *_differing(values, usual)]


def _tiling(tiles: TileParams | None) -> list[str]:
    """Return the options for tiles of large planes."""
    if tiles is None:
        return ["--tiles", "off"]
    return _differing(tiles.to_dict(), AUTO_TILES.to_dict())


def _linking(link: LinkParams | None, tracks: TrackParams | None) -> list[str]:
    """Return the options for linking; the axis chooses it.

    Raises
    ------
    InputError
        If volumes and tracks differ in what one option sets for both.
    """
    axes = ("" if link is None else link.link) + ("" if tracks is None else "t")
    values: dict[str, Any] = {}
    usual: dict[str, Any] = {}
    for params in (link, tracks):
        if params is not None:
            own = asdict(params)
            if differing := [name for name in own if values.get(name, own[name]) != own[name]]:
                raise InputError(
                    f"{differing[0]} is not the same for volumes and tracks; no option says so, "
                    "but --recipe does."
                )
            values |= own
            usual |= asdict(type(params)())
    values.pop("link", None)
    return ["--link", axes, *_differing(values, usual)] if axes else []


def _differing(values: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """Return the options for values that are not the usual ones."""
    words: list[str] = []
    for name, value in values.items():
        if value not in (None, usual.get(name)):
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words += [f"--{flag}", *(value if isinstance(value, tuple) else [str(value)])]
    return words


def _image(options: BatchOptions, axes_of: Mapping[Path, str]) -> list[str]:
    """Return the options for reading the images."""
    words = [] if options.axes == "auto" else ["--axes", options.axes]
    for path, axes in axes_of.items():
        words += ["--axes-of", _operand(path), axes] if axes else []
    words += ["--channel", ",".join(map(str, options.channels))]
    if options.planes:
        parts = [f"{axis}={a}:{b}" if axis else f"{a}:{b}" for axis, a, b in options.planes]
        words += ["--planes", ",".join(parts)]
    words += _display(as_display(options.normalise))
    words += ["--region", _operand(options.region)] if options.region else []
    if options.region_box:
        words += ["--region-box", ",".join(map(str, options.region_box))]
    return words


def _display(display: Display) -> list[str]:
    """Return the options for intensity limits, gamma and colours."""
    limits = display.limits
    if isinstance(limits, str):
        words = ["--normalise", limits]
    else:
        numbers = [n for pair in limits for n in pair]
        words = ["--normalise=" + ",".join(f"{n:.17g}" for n in numbers)]
    if any(each != 1 for each in display.gamma):
        words += ["--gamma", ",".join(f"{n:.17g}" for n in display.gamma)]
    return [*words, *(["--colour", ",".join(display.colours)] if display.colours else [])]


def _files(options: BatchOptions) -> list[str]:
    """Return the options for the result files."""
    outputs = options.outputs
    words = ["--labels", outputs.labels, "--table-format", outputs.table]
    words += ["--export", *outputs.exports] if outputs.exports else []
    words += ["--overwrite"] if options.overwrite else []
    return words
