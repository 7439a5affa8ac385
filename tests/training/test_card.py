"""Facts about training sets, and the finder's card that is made from them."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from tests.finders import build_finder, make_card
from tests.tiny import build_tiny_model
from tests.training.scenes import write_manifest, write_set

from napari_segany.networks.finder_inference import fold
from napari_segany.training.facts import describe_sets, sets_table
from napari_segany.weights.finders import PACKAGED, write_finder

SCRIPT = Path(__file__).parents[2] / "scripts" / "finder_card.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    own = write_set(folder, "own", 10, modality="drawn discs", source="here | there")
    own["items"][0]["in_dev"] = True
    more = write_set(folder, "partly", 4, complete=False, licence="MIT")
    write_manifest(folder, own=own, partly=more, closed={**own, "weights_may_ship": False})
    return folder


@pytest.fixture(scope="module")
def script() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip("the scripts are not beside the tests")
    spec = importlib.util.spec_from_file_location("finder_card", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_facts_are_those_of_the_images_in_use(data: Path) -> None:
    own, partly = describe_sets(data)
    assert (own["name"], own["images"], own["left_out"], own["objects"]) == ("own", 9, 1, 54)
    assert own["split"] == {"train": 8, "validate": 1}
    assert own["modality"] == "drawn discs"
    assert own["complete"]
    assert (partly["licence"], partly["complete"]) == ("MIT", False)
    every = [each["name"] for each in describe_sets(data, shippable=False)]
    assert every == ["closed", "own", "partly"]


def test_the_table_has_sums_and_no_broken_cells(data: Path) -> None:
    lines = sets_table(describe_sets(data)).splitlines()
    assert lines[2] == "| own | 9 | 8 / 0 / 1 | 54 | CC0 | here / there |"
    assert lines[-1] == "| all | 13 | 11 / 0 / 2 | 78 | | |"
    assert {line.count("|") for line in lines} == {7}


def test_the_card_of_a_folder(data: Path, script: ModuleType) -> None:
    facts = script.facts_of(data)
    assert script.identity(facts).startswith("No finder is trained yet")
    assert "Objects are left unlabelled." in script.notes(facts).splitlines()[1]
    assert "reported on them: 1 images" in script.notes(facts)


def test_the_card_of_a_finder(data: Path, tmp_path: Path, script: ModuleType) -> None:
    facts = {"sets": describe_sets(data), "views": 70, "steps": 50, "seed": 2}
    card = make_card(build_tiny_model(), facts=facts)
    file = write_finder(tmp_path / "finder.safetensors", fold(build_finder()), card)
    found = script.facts_of(file.path)
    assert found["sets"] == facts["sets"]
    text = script.identity(found)
    assert file.sha256 in text
    assert "70 views, 50 steps, seed 2" in text


def test_the_page_has_all_markers(data: Path, script: ModuleType) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    parts = {name: f"new {name}" for name in ("identity", "data", "labels", "figures")}
    made = script.updated(page, **parts)
    for text in parts.values():
        assert made.count(text) == 1
    assert script.updated(made, **parts) == made
    assert made.count("## ") == page.count("## ")
    with pytest.raises(ValueError, match="must have"):
        script.updated(page, other="text")


def test_figures(script: ModuleType, tmp_path: Path) -> None:
    rows = [
        {"kind": "nuclei", "images": 3, "mSA": 0.61449},
        {"kind": "all", "images": 3, "mSA": 1.0},
    ]
    assert script.figures_table(json.loads(json.dumps(rows))).splitlines() == [
        "| kind | images | mSA |",
        "|---|---:|---:|",
        "| nuclei | 3 | 0.614 |",
        "| all | 3 | 1.000 |",
    ]


def test_the_page_is_that_of_the_packaged_finder(script: ModuleType) -> None:
    packaged = sorted(PACKAGED.glob("*.safetensors"))
    if not packaged:
        pytest.skip("no finder is packaged yet")
    facts = script.facts_of(packaged[0])
    page = script.PAGE.read_text(encoding="utf-8")
    parts = {"identity": script.identity(facts), "labels": script.notes(facts)}
    assert script.updated(page, data=sets_table(facts["sets"]), **parts) == page
