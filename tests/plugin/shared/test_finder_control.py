"""The choice of a finder: built in, a person's own by name, or a file."""

from pathlib import Path
from typing import Any

import pytest
from tests.finders import write_tiny_finder

from napari_segany import AutomaticParams, FinderParams
from napari_segany.generators.presets import PRESETS
from napari_segany.plugin.shared.finder_control import BUILT_IN, FILE, FILE_TEXT, FinderControl
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.weights.cache import CACHE_VARIABLE
from napari_segany.weights.finders import finders_folder


@pytest.fixture
def form(qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GeneratorForm:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    made = GeneratorForm()
    qtbot.addWidget(made)
    return made


def texts(control: FinderControl) -> list[str]:
    return [control.itemText(n) for n in range(control.count())]


def choose(control: FinderControl, data: str | None) -> None:
    at = 0 if data is None else control.findData(data)
    assert at >= 0
    control.setCurrentIndex(at)
    control.activated.emit(at)


def test_own_finders_are_offered_by_name_and_chosen_by_hash(
    form: GeneratorForm, tiny_model: Any
) -> None:
    control = form.finder
    assert texts(control) == [BUILT_IN, FILE_TEXT]
    mine = write_tiny_finder(finders_folder() / "mine.safetensors", tiny_model, base="0" * 64)
    form.follow_model(tiny_model)
    assert texts(control) == [BUILT_IN, "mine", FILE_TEXT]
    assert mine.sha256[:12] in control.itemData(1, 3)
    choose(control, mine.sha256)
    assert form.choice == FinderParams(finder=mine.sha256)
    choose(control, None)
    assert form.choice == FinderParams()


def test_finders_of_other_encoders_are_not_offered(form: GeneratorForm, tiny_model: Any) -> None:
    path = finders_folder() / "mine.safetensors"
    write_tiny_finder(path, tiny_model, base="0" * 64)
    form.follow_model(None, "sam_vit_b")
    assert texts(form.finder) == [BUILT_IN, FILE_TEXT]
    form.follow_model(None, "tiny")
    assert "mine" in texts(form.finder)


def test_a_finder_that_is_not_here_is_kept_and_named(form: GeneratorForm) -> None:
    form.params = FinderParams(finder="12ab" * 16)
    assert form.finder.currentText() == "12ab12ab12ab… (not here)"
    assert form.params == FinderParams(finder="12ab" * 16)


def test_presets_leave_the_finder_alone(form: GeneratorForm, tiny_model: Any) -> None:
    mine = write_tiny_finder(finders_folder() / "mine.safetensors", tiny_model, base="0" * 64)
    form.follow_model(tiny_model)
    choose(form.finder, mine.sha256)
    at = form.preset.findData("organelles or EM")
    form.preset.setCurrentIndex(at)
    form.preset.activated.emit(at)
    assert form.params.finder == mine.sha256  # type: ignore[attr-defined]
    assert form.preset.currentData() == "organelles or EM"
    for name, preset in PRESETS.items():
        if isinstance(preset.params, AutomaticParams):
            at = form.preset.findData(name)
            form.preset.setCurrentIndex(at)
            form.preset.activated.emit(at)
            assert form.params == preset.params


def test_a_file_is_copied_into_the_cache_and_chosen(
    form: GeneratorForm, tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_tiny_finder(tmp_path / "theirs.safetensors", tiny_model, base="0" * 64)
    form.follow_model(tiny_model)
    dialogs = iter([str(file.path), ""])
    monkeypatch.setattr(
        "napari_segany.plugin.shared.finder_control.QFileDialog.getOpenFileName",
        lambda *_: (next(dialogs), ""),
    )
    choose(form.finder, FILE)
    assert form.params == FinderParams(finder=file.sha256)
    assert form.finder.currentText() == "theirs"
    assert (finders_folder() / "theirs.safetensors").read_bytes() == file.path.read_bytes()
    # The dialog was closed without a choice.
    choose(form.finder, FILE)
    assert form.params == FinderParams(finder=file.sha256)
    assert form.finder.currentText() == "theirs"


def test_a_file_that_cannot_be_used_is_told_and_changes_nothing(
    form: GeneratorForm, tiny_model: Any, tmp_path: Path
) -> None:
    form.follow_model(tiny_model)
    before = form.choice
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no finder")
    form.finder.choose_file(broken)
    assert str(broken) in form.line.text()
    other = write_tiny_finder(tmp_path / "other.safetensors", tiny_model, base="0" * 64)
    form.follow_model(None, "sam_vit_b")
    form.finder.choose_file(other.path)
    assert "trained on the image encoder of tiny" in form.line.text()
    form.follow_model(tiny_model)
    assert form.choice == before
    assert form.finder.currentText() == BUILT_IN
