"""Edges and proposals of files: what is written, what is done before, what goes wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pycocotools.coco import COCO
from pycocotools.mask import decode

from napari_segany import Recipe, find_edges, propose
from napari_segany.batch.products.edges import EdgesProduct
from napari_segany.batch.products.proposals import ProposalsProduct
from napari_segany.cli.main import main
from napari_segany.zero_shot.proposals import PROPOSALS

STACK: dict[str, Any] = {
    "photometric": "minisblack",
    "resolution": (40000, 40000),
    "resolutionunit": "CENTIMETER",
    "metadata": {"axes": "ZYX"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for n, shape in enumerate([(2, 40, 56), (50, 30)]):
        image = rng.integers(0, 255, shape).astype(np.uint8)
        options = STACK if len(shape) == 3 else STACK | {"metadata": {"axes": "YX"}}
        tifffile.imwrite(tmp_path / "images" / f"a{n}.tif", image, **options)
    return tmp_path


def run(command: str, folder: Path, *options: str, out: str = "out") -> int:
    few = ("--points-per-side", "4")
    return main([command, str(folder / "images"), "-o", str(folder / out), *few, *options])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in (".tif", ".json")
    }


@pytest.mark.parametrize("soft", [False, True])
def test_edges_are_a_map_of_every_plane(tiny: Any, folder: Path, soft: bool, capsys: Any) -> None:
    assert run("edges", folder, *["--soft"] * soft) == 0
    assert "2 planes" in capsys.readouterr().out
    with tifffile.TiffFile(folder / "out" / "a0_edges.ome.tif") as file:
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeX="0.25"' in (file.ome_metadata or "")
        found = file.asarray()
    image = tifffile.imread(folder / "images" / "a0.tif")
    wanted = [find_edges(tiny, plane, points_per_side=4, thin=not soft) for plane in image]
    assert found.dtype == np.float32
    assert np.array_equal(found, np.stack(wanted))
    recipe = Recipe.from_json((folder / "out" / "a0_edges_recipe.json").read_text())
    assert (recipe.params.points_per_side, recipe.params.box_nms_thresh) == (4, 0.7)


@pytest.mark.parametrize(
    ("command", "product"), [("edges", EdgesProduct), ("proposals", ProposalsProduct)]
)
def test_what_was_done_is_not_done_again(
    tiny: Any, folder: Path, command: str, product: Any, capsys: Any, monkeypatch: Any
) -> None:
    compute, planes = product.compute_plane, []

    def until_the_second(self: Any, plane: Any, *rest: Any, **given: Any) -> bytes:
        planes.append(plane.index)
        if len(planes) == 2:
            raise KeyboardInterrupt
        found: bytes = compute(self, plane, *rest, **given)
        return found

    monkeypatch.setattr(product, "compute_plane", until_the_second)
    assert run(command, folder) == 130
    assert run(command, folder) == 0
    # The first plane was kept.
    assert planes == [(0,), (1,), (1,), ()]
    before = contents(folder / "out")
    assert run(command, folder) == 0
    assert len(planes) == 4
    assert contents(folder / "out") == before
    assert "done before" in capsys.readouterr().out
    assert run(command, folder, out="again") == 0
    assert contents(folder / "again") == before


# Of pycocotools, with numpy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_proposals_are_cocos_results(tiny: Any, folder: Path, capsys: Any) -> None:
    assert run("proposals", folder, "--most", "7") == 0
    assert "proposals" in capsys.readouterr().out
    images = json.loads((folder / "out" / "proposals_images.json").read_text())
    assert [(each["id"], each["file_name"], each["plane"]) for each in images] == [
        (1, "a0_Z000.tif", {"Z": 0}),
        (2, "a0_Z001.tif", {"Z": 1}),
        (3, "a1.tif", {}),
    ]
    assert [each["source"] for each in images] == ["a0.tif", "a0.tif", "a1.tif"]
    truth = COCO()
    truth.dataset = {
        "images": images,
        "categories": [{"id": 1, "name": "object"}],
        "annotations": [],
    }
    truth.createIndex()
    results = truth.loadRes(str(folder / "out" / "proposals.json"))
    for number, plane in enumerate(tifffile.imread(folder / "images" / "a0.tif"), start=1):
        masks, scores = propose(tiny, plane, replace(PROPOSALS, points_per_side=4), most=7)
        found = results.loadAnns(results.getAnnIds(imgIds=number))
        assert [each["score"] for each in found] == pytest.approx(scores.tolist(), abs=1e-6)
        for i, each in enumerate(found):
            a, b, c, d = masks.boxes[i].tolist()
            assert each["bbox"] == [b, a, d - b, c - a]
            assert np.array_equal(decode(each["segmentation"]), masks.mask(i))


def test_ids_come_from_annotations(tiny: Any, folder: Path, capsys: Any) -> None:
    (folder / "images" / "a0.tif").unlink()
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": [{"id": 77, "file_name": "x/a1.tif"}]}))
    assert run("proposals", folder, "--annotations", str(path)) == 0
    found = json.loads((folder / "out" / "proposals.json").read_text())
    assert {each["image_id"] for each in found} == {77}


def test_ids_of_planes_come_from_what_segment_exports(tiny: Any, folder: Path, capsys: Any) -> None:
    options = ["-o", str(folder / "labels"), "--export", "coco", "--points-per-side", "2"]
    assert main(["segment", str(folder / "images"), *options]) == 0
    exported = folder / "labels" / "a0_coco.json"
    (folder / "images" / "a1.tif").unlink()
    images = json.loads(exported.read_text())["images"]
    for n, image in enumerate(images):
        image["id"] = 50 + n
    exported.write_text(json.dumps({"images": images}))
    assert run("proposals", folder, "--annotations", str(exported)) == 0
    listed = json.loads((folder / "out" / "proposals_images.json").read_text())
    assert listed == images
    found = json.loads((folder / "out" / "proposals.json").read_text())
    assert {each["image_id"] for each in found} == {50, 51}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense", "annotations.json is no JSON text"),
        ("[1]", "not in COCO's format: it is a list"),
        ('{"images": [{"id": 1}]}', "image 1 has no file_name"),
        ('{"images": [{"id": "x", "file_name": "a0.tif"}]}', "ids of images must be whole"),
        (
            '{"images": [{"id": 1, "file_name": "a1.tif"}, {"id": 2, "file_name": "b/a1.tif"}]}',
            "two images called a1.tif",
        ),
        ('{"images": [{"id": 1, "file_name": "b.tif"}]}', "not among the images"),
        (
            '{"images": [{"id": 1, "file_name": "a0.tif"}, {"id": 2, "file_name": "a1.tif"}]}',
            "several planes",
        ),
    ],
)
def test_annotations_that_do_not_fit(
    tiny: Any, folder: Path, content: str, said: str, capsys: Any
) -> None:
    path = folder / "annotations.json"
    path.write_text(content)
    assert run("proposals", folder, "--annotations", str(path)) == 2
    assert said in capsys.readouterr().err
    # Before anything is computed.
    assert not (folder / "out").exists()


@pytest.mark.parametrize("command", ["edges", "proposals"])
def test_a_bad_image_costs_no_other(tiny: Any, folder: Path, command: str, capsys: Any) -> None:
    (folder / "images" / "bad.tif").write_bytes(b"no image")
    assert run(command, folder) == 1
    assert "bad.tif" in capsys.readouterr().err
    assert (folder / "out" / "a0_edges.ome.tif").exists() == (command == "edges")
    assert (folder / "out" / "proposals.json").exists() == (command == "proposals")
    # Reports are about labels.
    assert not (folder / "out" / "segany_report.html").exists()


def test_edges_edited_by_hand_are_left_alone(tiny: Any, folder: Path, capsys: Any) -> None:
    assert run("edges", folder) == 0
    path = folder / "out" / "a1_edges.ome.tif"
    path.write_bytes(b"mine")
    assert run("edges", folder) == 0
    assert path.read_bytes() == b"mine"
    assert run("edges", folder, "--soft") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert path.read_bytes() == b"mine"
    assert run("edges", folder, "--soft", "--overwrite") == 0


def test_only_some_planes(tiny: Any, folder: Path, capsys: Any) -> None:
    (folder / "images" / "a1.tif").unlink()
    assert run("edges", folder, "--planes", "1") == 0
    found = tifffile.imread(folder / "out" / "a0_edges.ome.tif")
    assert not found[0].any()
    assert found[1].any()


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("edges", ("--points-per-side", "0"), "points_per_side"),
        ("proposals", ("--points-per-side", "0"), "points_per_side"),
        ("proposals", ("--most", "0"), "most"),
    ],
)
def test_values_that_cannot_be(
    tiny: Any, folder: Path, command: str, options: Any, said: str, capsys: Any
) -> None:
    assert run(command, folder, *options) == 2
    assert said in capsys.readouterr().err


def test_what_was_collected_is_not_lost(tiny: Any, folder: Path, capsys: Any) -> None:
    assert run("proposals", folder) == 0
    collected = folder / "out" / "proposals.json"
    before = collected.read_bytes()
    bad = folder / "bad.tif"
    bad.write_bytes(b"no image")
    assert main(["proposals", str(bad), "-o", str(folder / "out")]) == 1
    assert collected.read_bytes() == before
    (folder / "out" / "a0_proposals.json").write_text("mine")
    assert run("proposals", folder) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert collected.read_bytes() == before


def test_edges_are_read_by_programs_without_predictors_of_floats(tiny: Any, folder: Path) -> None:
    assert run("edges", folder) == 0
    with tifffile.TiffFile(folder / "out" / "a1_edges.ome.tif") as file:
        assert file.pages[0].predictor == 1
