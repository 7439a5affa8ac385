"""Other searches to try where no object passes, each with its reason in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder import SMALL_SIDE
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.text_params import TextParams
from napari_segany.weights import cache, catalog
from napari_segany.weights.finders import named_finder

NUCLEI, ORGANELLES, DETAIL = "nuclei or cells", "organelles or EM", "everything in detail"
"""Names of presets that are suggested."""

IMPORTED = "your own model"
"""Description of a model that is not in the catalogue."""


@dataclass(frozen=True)
class Suggestion:
    """A search with another preset or another model.

    Attributes
    ----------
    reason : str
        A sentence that says why it may find more.
    preset : str
        Name of the preset; empty to keep the parameters.
    model : str
        Name of the model; empty to keep the model.
    """

    reason: str
    preset: str = ""
    model: str = ""

    @property
    def title(self) -> str:
        """Words on the button."""
        return f"Search as '{self.preset}'" if self.preset else f"Search with {self.model}"


def installed_models() -> dict[str, str]:
    """Return a description of each model whose weights are on this machine, by its name."""
    specs = {spec.id: spec.title for spec in catalog.CATALOG.values() if cache.is_cached(spec)}
    return {**specs, **dict.fromkeys(cache.imported_models(), IMPORTED)}


def frame_side(found: MaskSet) -> float:
    """Return the median side of all candidates in pixels of the model's frame, 0 without any."""
    area = found.all_candidates.area
    if not len(area):
        return 0.0
    return float(np.median(np.sqrt(area))) * Frame.side / max(found.shape)


def suggest(
    found: MaskSet, params: FilterRules, model: str, finder_fits: bool, installed: Mapping[str, str]
) -> list[Suggestion]:
    """Return other searches of a plane in which no mask passes, the most promising first.

    Parameters
    ----------
    found : MaskSet
        The masks of the search with all candidates.
    params : FilterRules
        Its parameters, thresholds filled in.
    model : str
        Name of its model.
    finder_fits : bool
        Whether a finder fits the model.
    installed : mapping
        Description of each model on this machine, by its name.

    Returns
    -------
    list of Suggestion
        At most one with another preset and one with another model.
    """
    presets = _preset(found, params, finder_fits)
    return [*presets, *_model(model, finder_fits, installed)]


def _preset(found: MaskSet, params: FilterRules, finder_fits: bool) -> Iterable[Suggestion]:
    side = frame_side(found)
    small = 0 < side < SMALL_SIDE
    if isinstance(params, FinderParams):
        if not params.grid_points_per_side:
            if len(found):
                seen = f"the filters leave out all {len(found)} objects of the finder"
            elif len(found.all_candidates):
                seen = f"the finder is unsure of all {len(found.all_candidates)} regions"
            else:
                seen = "the finder sees no object"
            reason = f"{seen}; {ORGANELLES!r} also prompts points where it sees nothing."
            return [Suggestion(_sentence(reason), ORGANELLES)]
        reason = f"{DETAIL!r} prompts four times as many points, and more in crops."
    elif isinstance(params, TextParams):
        preset = NUCLEI if finder_fits else DETAIL
        reason = f"nothing fits the phrases; {preset!r} finds objects whatever they are."
        return [Suggestion(_sentence(reason), preset)]
    elif finder_fits:
        what = f"objects are {side:.0f} px wide in the frame" if small else "no mask passes"
        reason = f"{what}; {NUCLEI!r} sees all at once, and searches in crops if they are small."
        return [Suggestion(_sentence(reason), NUCLEI)]
    elif small:
        reason = f"objects are {side:.0f} px wide in the frame; {DETAIL!r} searches in crops."
    else:
        reason = f"{DETAIL!r} prompts more points, and searches in crops, too."
    if isinstance(params, AutomaticParams) and params.crop_n_layers:
        return []
    return [Suggestion(_sentence(reason), DETAIL)]


def _model(model: str, finder_fits: bool, installed: Mapping[str, str]) -> Iterable[Suggestion]:
    others = {name: text for name, text in installed.items() if name != model}
    if not others:
        return []
    with_finder = [name for name in others if named_finder(name) is not None]
    name = next(iter(with_finder or others))
    reason = others[name]
    if with_finder and not finder_fits:
        reason = f"a finder fits {name}, and none fits {model}"
    return [Suggestion(_sentence(f"{name} is another model on this machine: {reason}."), "", name)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
