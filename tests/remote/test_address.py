"""Addresses of remote models, and tokens."""

from pathlib import Path

import pytest

from napari_segany import load_model
from napari_segany.errors import InputError
from napari_segany.remote import address
from napari_segany.remote.address import RemoteAddress, find_token, keep_token
from napari_segany.remote.admission import is_loopback
from napari_segany.remote.server import ServerOptions, read_token

TOKEN = "a-token-of-this-test"


@pytest.mark.parametrize(
    ("text", "server", "path", "model", "whole"),
    [
        ("remote://h/minisam", "h:8765", "/segany", "minisam", "remote://h:8765/minisam"),
        ("remote://h:9/minisam", "h:9", "/segany", "minisam", "remote://h:9/minisam"),
        ("remote://h", "h:8765", "/segany", "", "remote://h:8765"),
        ("https://h/a/b/m", "h:443", "/a/b/segany", "m", "https://h:443/a/b/m"),
        ("remote://[::1]:9/m", "[::1]:9", "/segany", "m", "remote://[::1]:9/m"),
    ],
)
def test_addresses(text: str, server: str, path: str, model: str, whole: str) -> None:
    found = RemoteAddress.parse(text)
    assert (found.server, found.path, found.model, str(found)) == (server, path, model, whole)
    assert RemoteAddress.parse(str(found)) == found


@pytest.mark.parametrize(
    "text", ["remote://", "http://h/m", "remote://h:x/m", "remote://h:99999/m", "remote://u@h/m"]
)
def test_other_texts_are_no_addresses(text: str) -> None:
    with pytest.raises(InputError, match=r"write remote://HOST:PORT/MODEL"):
        RemoteAddress.parse(text)


def test_the_device_of_a_remote_model_is_the_servers() -> None:
    with pytest.raises(InputError, match="chosen where it is served, got 'cpu'"):
        load_model("remote://127.0.0.1:1/minisam", device="cpu")


def test_tokens_are_kept_for_this_person_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "tokens.json"
    monkeypatch.setattr(address, "token_file", lambda: path)
    monkeypatch.setenv("SEGANY_TOKEN", "from the environment@other")
    one, other = RemoteAddress.parse("remote://one/m"), RemoteAddress.parse("remote://other/m")
    keep_token(one, TOKEN)
    assert (find_token(one), find_token(other)) == (TOKEN, "from the environment")
    assert path.stat().st_mode & 0o777 == 0o600
    keep_token(one, "")
    assert find_token(one) is None
    path.write_text("[damaged")
    assert find_token(one) is None
    assert find_token(other) == "from the environment"


@pytest.mark.parametrize(
    ("value", "receivers"),
    [
        ("secret", {"remote://127.0.0.1:9/m", "remote://localhost/m", "https://[::1]/m"}),
        ("secret@gpu", {"remote://gpu/m", "remote://gpu:9/m", "https://gpu/m"}),
        ("secret@GPU:9", {"remote://gpu:9/m"}),
        ("secret@[::1]:443", {"https://[::1]/m"}),
        ("", set()),
        ("@gpu", set()),
    ],
)
def test_the_token_of_the_environment_is_sent_to_one_server(
    value: str, receivers: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(address, "token_file", lambda: tmp_path / "tokens.json")
    monkeypatch.setenv("SEGANY_TOKEN", value)
    named = (
        *("remote://127.0.0.1:9/m", "remote://localhost/m", "https://[::1]/m", "remote://gpu/m"),
        *("remote://gpu:9/m", "https://gpu/m", "remote://gpu.attacker.example:9/m"),
        "remote://127.0.0.1.attacker.example/m",
    )
    found = {text: find_token(RemoteAddress.parse(text)) for text in named}
    assert {text for text, token in found.items() if token == "secret"} == receivers
    assert set(found.values()) <= {"secret", None}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("", False),
        ("127.0.0.1.example.org", False),
        ("192.168.0.1", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_options_of_a_server(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a token in a file with --token-file"):
        ServerOptions(host="0.0.0.0")
    assert not ServerOptions(host="0.0.0.0", token=TOKEN).is_loopback
    for values, text in (
        ({"token": "short"}, "at least 16"),
        ({"port": 70000}, "0 to 65535"),
        ({"max_upload": 10}, "at least 1 MB"),
        ({"key": tmp_path / "key.pem"}, "needs its certificate"),
        ({"certificate": tmp_path / "certificate.pem"}, "no file"),
    ):
        with pytest.raises(InputError, match=text):
            ServerOptions(**values)  # type: ignore[arg-type]


def test_token_files(tmp_path: Path) -> None:
    path = tmp_path / "token.txt"
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN
    path.write_text("\n")
    with pytest.raises(InputError, match="first line"):
        read_token(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_token(tmp_path / "none.txt")
