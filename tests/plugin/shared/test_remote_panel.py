"""The choice of a model on another machine, without a window and a server."""

from pathlib import Path
from typing import Any

import pytest
from tests.plugin.conftest import PatientJobs
from tests.stub import StubModel

from napari_segany.errors import InputError, RemoteError
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.remote_panel import ASK, NEW, known_models
from napari_segany.plugin.shared.settings import PluginSettings
from napari_segany.remote import address
from napari_segany.remote.address import RemoteAddress, find_token

ADDRESS = "remote://host:8765/squares"


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "token_file", lambda: tmp_path / "tokens.json")
    monkeypatch.setattr(address, "address_file", lambda: tmp_path / "models.json")
    monkeypatch.setattr(address, "_used_tokens", {})
    monkeypatch.delenv("SEGANY_TOKEN", raising=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Names and devices that are loaded; the first fails."""
    names: list[tuple[str, str]] = []

    def load(name: str, device: str, precision: str) -> StubModel:
        names.append((name, device))
        if len(names) == 1:
            raise RemoteError("This server needs a token.")
        return StubModel()

    monkeypatch.setattr("napari_segany.plugin.shared.model_picker.load_model", load)
    return names


def make_picker(qtbot: Any) -> tuple[ModelPicker, PatientJobs]:
    jobs: Any = PatientJobs()
    picker = ModelPicker(jobs, PluginSettings(device="cpu"))
    qtbot.addWidget(picker)
    return picker, jobs


def choose(picker: ModelPicker, name: str) -> None:
    at = picker.choice.findData(name)
    assert at >= 0
    picker.choice.setCurrentIndex(at)
    picker.choice.activated.emit(at)


def test_an_address_is_asked_for(qtbot: Any, asked: list[tuple[str, str]]) -> None:
    picker, jobs = make_picker(qtbot)
    assert picker.remote.isHidden()
    choose(picker, NEW)
    assert not picker.remote.isHidden()
    assert picker.line.text() == ASK
    with pytest.raises(InputError, match="press Connect"):
        picker.ensure_loading()
    picker.remote.address.setText("no host:port")
    picker.remote.connect_model()
    assert "is no address of a model" in picker.line.text()
    choose(picker, "auto")
    assert picker.remote.isHidden()
    assert not [name for name, _ in asked if name.startswith(NEW)]
    del jobs


def test_each_address_has_a_text_of_its_own() -> None:
    for text in ("https://host:8765/a/m", "https://host:8765/m", "remote://host:8765/m"):
        address.remember_address(RemoteAddress.parse(text))
    assert known_models() == {
        "m on host:8765": "remote://host:8765/m",
        "m on https://host:8765": "https://host:8765/m",
        "m on https://host:8765/a": "https://host:8765/a/m",
    }


@pytest.mark.parametrize("keep", [False, True])
def test_a_token_is_asked_for_and_the_address_remembered(
    qtbot: Any, asked: list[tuple[str, str]], keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    picker, jobs = make_picker(qtbot)
    choose(picker, NEW)
    picker.remote.address.setText("host/squares")
    picker.remote.connect_model()
    jobs.run()
    assert picker.line.text() == "This server needs a token."
    assert not picker.remote.isHidden()
    assert picker.remote.address.text() == ADDRESS
    assert not address.known_addresses()
    picker.remote.token.setText("the-secret")
    picker.remote.keep.setChecked(keep)
    picker.remote.connect_model()
    jobs.run()
    # The device of the settings is of this machine.
    assert asked == [(ADDRESS, "auto")] * 2
    assert picker.remote.isHidden()
    assert picker.remote.token.text() == ""
    assert picker.is_ready
    place = RemoteAddress.parse(ADDRESS)
    assert find_token(place) == "the-secret"
    assert address.token_file().exists() is keep
    monkeypatch.setattr(address, "_used_tokens", {})
    assert (find_token(place) == "the-secret") is keep
    assert "the-secret" not in address.address_file().read_text()
    again, _ = make_picker(qtbot)
    assert again.choice.itemText(again.choice.findData(ADDRESS)) == "squares on host:8765"
