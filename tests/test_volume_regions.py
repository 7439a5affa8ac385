"""Planes of a volume are looked at once, with the finder that is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import Prompt, PropagationParams, SamModel, propagate, volume_regions
from napari_segany.core.plane_flips import FLIPS
from napari_segany.errors import BlankPlaneError, Cancelled, InputError
from napari_segany.linking.propagation.spans import Span
from napari_segany.models.multi_view import with_views
from napari_segany.volume_regions import VolumeRegions, finder_of
from napari_segany.weights import finders

VOLUME = np.random.default_rng(0).integers(1, 255, (5, 40, 44)).astype(np.uint8)
PARAMS = PropagationParams(method="regions", smoothing=0.5)


@pytest.fixture(autouse=True)
def sha256(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hash of the finder of the package."""
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    (cache / "packaged").mkdir(parents=True)
    path = cache / "packaged" / "tiny.safetensors"
    return write_tiny_finder(path, tiny_model, quality=random_quality().to_dict()).sha256


@pytest.fixture
def own(cache: Path, tiny_model: SamModel, sha256: str) -> str:
    """Hash of a finder that was trained from it."""
    path = cache / "finders" / "mine.safetensors"
    return write_tiny_finder(
        path, tiny_model, 1, quality=random_quality().to_dict(), base=sha256
    ).sha256


class Planes:
    """The planes of the volume, which notes what was read."""

    def __init__(self, blank: int | None = None) -> None:
        self.blank, self.read_planes = blank, []  # type: ignore[var-annotated]

    def __call__(self, plane: int) -> Any:
        self.read_planes.append(plane)
        if plane == self.blank:
            raise BlankPlaneError("blank")
        return VOLUME[plane]


def test_planes_are_looked_at_once(tiny_model: SamModel) -> None:
    planes, steps = Planes(), []
    volume = VolumeRegions(tiny_model, planes, len(VOLUME))
    first = volume.find(PARAMS, lambda *each: steps.append(each))
    assert planes.read_planes == [0, 1, 2, 3, 4]
    assert steps == [(n, 5) for n in range(5)]
    assert volume.find(PARAMS) is first
    # Other parameters cut the same maps anew.
    rough = volume.find(PropagationParams(method="regions", smoothing=0.0))
    assert not np.array_equal(rough.scores, first.scores)
    assert planes.read_planes == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("views", "flips"), [(1, 1), (2, 1), (4, 3)])
def test_a_plane_is_seen_as_its_mirror_images_as_well(
    tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch, views: int, flips: int
) -> None:
    """Turned in any case, and in four views where prompts have them."""
    seen = []
    embed = SamModel.embed

    def watched(self: SamModel, plane: Any, **how: Any) -> Any:
        seen.append(np.asarray(plane))
        return embed(self, plane, **how)

    monkeypatch.setattr(SamModel, "embed", watched)
    VolumeRegions(with_views(tiny_model, views), Planes(), len(VOLUME)).find(PARAMS)
    for flip in FLIPS:
        images = [any(np.array_equal(each, flip.plane(other)) for other in seen) for each in seen]
        assert all(images) == (flip in FLIPS[:flips])
    assert len(seen) >= (1 + flips) * len(VOLUME)


def test_another_finder_looks_anew(tiny_model: SamModel, own: str) -> None:
    planes = Planes()
    volume = VolumeRegions(tiny_model, planes, len(VOLUME))
    first = volume.find(PARAMS)
    other = volume.find(PropagationParams(method="regions", smoothing=0.5, finder=own))
    assert len(planes.read_planes) == 10
    assert not np.array_equal(other.scores, first.scores)


def test_a_persons_finder_sees_planes_as_it_learned_them(
    tiny_model: SamModel, sha256: str, own: str
) -> None:
    packaged, persons = finder_of(tiny_model, None), finder_of(tiny_model, own)
    assert (packaged.finder, packaged.fill_frame, packaged.views) == (sha256, False, 2)
    assert (persons.finder, persons.fill_frame, persons.finder_everywhere) == (own, True, True)
    assert persons.views == 2
    assert persons.pred_iou_thresh is not None
    with pytest.raises(InputError, match="is needed, and the one here"):
        finder_of(tiny_model, "0" * 64)


def test_blank_planes_have_no_regions_of_their_own(tiny_model: SamModel) -> None:
    volume = VolumeRegions(tiny_model, Planes(2), len(VOLUME))
    assert len(volume.find(PARAMS).scores)
    with pytest.raises(InputError, match="All planes of the volume are blank"):
        VolumeRegions(tiny_model, Planes(0), 1).find(PARAMS)


def test_a_stopped_look_goes_on_where_it_was(tiny_model: SamModel) -> None:
    planes = Planes()
    volume = VolumeRegions(tiny_model, planes, len(VOLUME))
    with pytest.raises(Cancelled):
        volume.find(PARAMS, should_stop=lambda: len(planes.read_planes) >= 3)
    volume.find(PARAMS)
    assert sorted(set(planes.read_planes)) == [0, 1, 2, 3, 4]
    assert len(planes.read_planes) <= 6


def test_propagate_selects_regions(tiny_model: SamModel) -> None:
    """From Python, with the real path from planes to objects; masks are those of the regions."""
    params = PropagationParams(method="regions", smoothing=0.5, min_fit=0.0)
    box = Prompt(box=[8, 8, 30, 30])
    found = propagate(VOLUME, {3: {2: box}}, axes="ZYX", model=tiny_model, params=params)
    volume = VolumeRegions(tiny_model, VOLUME.__getitem__, len(VOLUME))
    regions = volume.find(params)
    each = found.objects[3]
    prompted = {2: each.answers[2].mask}
    for span, planes in ((Span(None, 2), range(2)), (Span(2, None), range(3, 5))):
        result = each.spans[span]
        assert result.followed is not None
        followed = {
            p: result.followed.answers[p].mask if p in result.followed.answers else None
            for p in planes
        }
        (number,), (fit,) = regions.select([prompted], [followed])
        (sections,) = regions.sections([(int(number), planes)])
        assert fit > 0
        assert result.answers.keys() == sections.keys()
        for plane, answer in result.answers.items():
            assert np.array_equal(answer.mask.mask(0), sections[plane].mask(0))
            assert answer.similarity == fit
            assert answer.predicted_iou == regions.scores[number]


def test_a_correction_in_python_looks_at_no_plane_again(
    tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    find_maps = volume_regions.find_maps

    def look(model: Any, *values: Any, **ways: Any) -> Any:
        looks.append(values)
        return find_maps(model, *values, **ways)

    monkeypatch.setattr(volume_regions, "find_maps", look)
    params = PropagationParams(method="regions", smoothing=0.5, min_fit=0.0)
    ways: Any = {"axes": "ZYX", "model": tiny_model, "params": params}
    box = Prompt(box=[8, 8, 30, 30])
    first = propagate(VOLUME, {3: {2: box}}, **ways)
    assert len(looks) == len(VOLUME)
    corrected = {3: {2: box, 4: Prompt(box=[10, 8, 30, 28])}}
    second = propagate(VOLUME, corrected, earlier=first, **ways)
    assert len(looks) == len(VOLUME)
    anew = propagate(VOLUME, corrected, **ways)
    assert second.to_labels().tobytes() == anew.to_labels().tobytes()
