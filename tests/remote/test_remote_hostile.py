"""Requests that no client of ours sends: each is refused with a sentence, and the server lives."""

import http.client
import io
import json
import socket
import threading
from collections.abc import Callable

import numpy as np
import pytest
from tests.remote.servers import TOKEN, ServerProcess

from napari_segany import Prompt, SamModel, load_model
from napari_segany.remote.message import PREFIX, Message, encode, read_message
from napari_segany.remote.protocol import MEDIA_TYPE, PATH, PROTOCOL

MEGABYTE = 1_000_000

Request = tuple[int, dict[str, str], bytes]
"""Expected status, headers that are changed (to "" for none), and body."""


def call(name: str, fields: dict[str, object] | None = None, **arrays: np.ndarray) -> bytes:
    own = {"call": name, "protocol": PROTOCOL, "client": "c" * 32, "model": "tiny", "sha256": "0"}
    return encode(Message({**own, **(fields or {})}, arrays))


def raw(text: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    return PREFIX.pack(b"SGNY", len(text), len(body) if size is None else size) + text + body


def described(arrays: object, body: bytes = b"") -> bytes:
    own = {"call": "put", "protocol": PROTOCOL, "client": "c", "model": "tiny", "sha256": "0"}
    return raw(json.dumps({"fields": own, "arrays": arrays}).encode(), body)


def send(server: ServerProcess, changes: dict[str, str], body: bytes) -> tuple[int, str]:
    """Send one request; return the status and the sentence of the answer."""
    headers = {"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {TOKEN}", **changes}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    try:
        connection.putrequest("POST", PATH, skip_host="Host" in changes)
        given = {"Content-Length": str(len(body)), **{k: v for k, v in headers.items() if v}}
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return answer_of(response.status, response.read())
    finally:
        connection.close()


def answer_of(status: int, content: bytes) -> tuple[int, str]:
    """Return the status and the sentence of an answer, also of one that took long.

    Such an answer begins before its outcome is known, which its last message tells.
    """
    fields = read_all(content)[-1].fields
    late = {"plane": 410, "input": 400}.get(str(fields.get("kind")), status)
    return late if status == 200 else status, str(fields.get("text"))


def read_all(content: bytes) -> list[Message]:
    stream, found = io.BytesIO(content), []
    while stream.tell() < len(content):
        found.append(read_message(stream.read))
    return found


def make_requests() -> list[Callable[[np.random.Generator], Request]]:
    """Kinds of requests; each makes one from random numbers."""

    def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
        return rng.integers(0, 256, shape).astype(np.uint8)

    return [
        lambda _: (401, {"Authorization": ""}, call("hello")),
        lambda rng: (401, {"Authorization": f"Bearer {rng.integers(1 << 60)}"}, call("hello")),
        lambda _: (401, {"Authorization": f"Basic {TOKEN}"}, call("hello")),
        lambda _: (401, {"Authorization": f"Bearer {TOKEN}x"}, call("hello")),
        lambda _: (403, {"Origin": "https://example.org"}, call("hello")),
        lambda _: (415, {"Content-Type": "text/plain"}, call("hello")),
        lambda _: (413, {"Content-Length": str(1 << 40)}, b""),
        lambda _: (413, {}, bytes(2 * MEGABYTE + 1)),
        lambda rng: (400, {}, rng.bytes(int(rng.integers(0, 300)))),
        lambda rng: (400, {}, call("hello")[: int(rng.integers(0, 60))]),
        lambda _: (400, {}, call("hello") + b"x"),
        lambda _: (400, {}, raw(b"[" * 50_000)),
        lambda _: (400, {}, raw(b"{}", size=1 << 63)),
        lambda rng: (426, {}, call("hello", {"protocol": int(rng.integers(2, 1 << 40))})),
        lambda _: (426, {}, call("hello", {"protocol": None})),
        lambda _: (426, {}, call("hello", {"protocol": "1" * 5000})),
        lambda rng: (400, {}, call(f"call{rng.integers(99)}")),
        lambda _: (400, {}, call("put", {"call": ["put"]})),
        lambda rng: (400, {}, call("put", {"model": f"m{rng.integers(99)}"})),
        lambda _: (400, {}, call("put", {"sha256": "another"})),
        lambda _: (400, {}, call("put")),
        lambda rng: (400, {}, call("put", plane=numbers(rng, 5, 5, 2))),
        lambda rng: (400, {}, call("put", plane=numbers(rng, 5, 5))),
        lambda rng: (400, {}, call("put", plane=rng.random((5, 5, 3)))),
        lambda _: (400, {}, call("put", plane=np.zeros((0, 5, 1), np.uint8))),
        lambda rng: (400, {}, call("put", {"client": "c" * 70}, plane=numbers(rng, 5, 5, 1))),
        lambda rng: (400, {}, call("put", {"release": [1]}, plane=numbers(rng, 5, 5, 1))),
        lambda _: (400, {}, described([["plane", "|u1", [1 << 30, 1 << 30, 1]]], bytes(9))),
        lambda _: (400, {}, described([["plane", "|u1", [-3, -3, 1]]], bytes(9))),
        lambda _: (400, {}, described([["plane", "|u1", [0, 1 << 39, 1 << 39]]])),
        lambda _: (400, {}, described([["plane", "|O", [3, 3, 1]]], bytes(9))),
        lambda rng: (410, {}, call("embed", {"plane": str(rng.integers(1 << 60))})),
        lambda _: (400, {}, call("embed", {"plane": 7})),
        lambda _: (400, {}, call("predict", {"plane": "p"})),
        lambda _: (
            400,
            {},
            call("predict", {"plane": "p"}, parts=np.array([[1 << 62, 0, 0, 0]] * 3)),
        ),
        lambda _: (400, {}, call("points", {"plane": "p"}, points=np.full((3, 2), np.nan))),
        lambda _: (400, {}, call("search", {"plane": "p", "params": {"strategy": "none"}})),
        lambda _: (410, {}, call("search", {"plane": "p", "params": {"strategy": "grid"}})),
        lambda _: (400, {}, call("resolve", {"params": {"strategy": "grid", "nms": [1]}})),
        lambda _: (400, {}, call("resolve", {"params": {"strategy": "grid", "points": 1}})),
    ]


def test_two_hundred_requests_are_refused(guarded_server: ServerProcess) -> None:
    kinds = make_requests()
    rng = np.random.default_rng(5)
    assert send(guarded_server, {}, call("hello"))[0] == 200
    before = guarded_server.memory
    for number in range(200):
        status, headers, body = kinds[number % len(kinds)](rng)
        found, text = send(guarded_server, headers, body)
        assert found == status, (number % len(kinds), text)
        assert text.endswith((".", ")", "first"))
        assert "Traceback" not in text
    assert guarded_server.process.poll() is None
    assert guarded_server.memory < before + 60 * MEGABYTE
    assert send(guarded_server, {}, call("hello"))[0] == 200


def prompts(**changes: np.ndarray) -> dict[str, np.ndarray]:
    usual = {
        "parts": np.array([[1, 1, 0, 0]]),
        "points": np.array([[5.0, 6.0]]),
        "labels": np.array([1]),
        "boxes": np.array([[2.0, 3.0, 20.0, 30.0]]),
    }
    return {**usual, **changes}


REGION = {
    "parts": np.array([[-1, 0, 0, 1]]),
    "region_shape": np.array([40, 50]),
    "region_boxes": np.array([[0, 0, 4, 4]]),
    "region_bits": np.array([255, 255], np.uint8),
}


@pytest.mark.parametrize(
    "arrays",
    [
        prompts(points=np.array([[np.nan, 1.0]])),
        prompts(points=np.array([[np.inf, 1.0]])),
        prompts(points=np.array([[500.0, 1.0]])),
        prompts(points=np.array([[5.0, 6.0, 7.0]])),
        prompts(points=np.array([[5, 6]])),
        prompts(labels=np.array([7])),
        prompts(labels=np.array([1, 1])),
        prompts(boxes=np.array([[20.0, 3.0, 2.0, 30.0]])),
        prompts(boxes=np.full((1, 4), np.nan)),
        prompts(parts=np.array([[2, 1, 0, 0]])),
        prompts(parts=np.array([[1, 1, 0, 0]] * 5000)),
        prompts(parts=np.array([[1, -1, 0, 0]])),
        prompts(parts=np.array([[1, 1, 1, 0]]), logits=np.zeros((1, 3, 3), np.float32)),
        prompts(parts=np.array([[1, 1, 1, 0]]), logits=np.full((1, 32, 32), np.nan, np.float32)),
        prompts(parts=np.array([[-1, 0, 0, 0]])),
        {**REGION, "region_boxes": np.array([[0, 0, 400, 400]])},
        {**REGION, "region_boxes": np.array([[0, 0, -4, -4]])},
        {**REGION, "region_boxes": np.array([[3, 3, 1, 1]])},
        {**REGION, "region_shape": np.array([1 << 50, 1 << 50])},
        {**REGION, "region_shape": np.array([41, 50])},
        {**REGION, "region_bits": np.array([255], np.uint8)},
        {**REGION, "region_bits": np.array([0, 0], np.uint8)},
    ],
)
def test_prompts_that_cannot_be(
    guarded_server: ServerProcess, arrays: dict[str, np.ndarray]
) -> None:
    fields = {"multimask": "auto", "ranking": "plausible", "plane": held_plane(guarded_server)}
    status, text = send(guarded_server, {}, call("predict", fields, **arrays))
    assert status == 400, text
    assert text.endswith(".")


def held_plane(server: ServerProcess) -> str:
    """Return the server's name of a plane that it holds."""
    headers = {"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {TOKEN}"}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    plane = np.arange(2000, dtype=np.uint16).reshape(40, 50, 1).astype(np.uint8)
    connection.request("POST", PATH, call("put", plane=plane), headers)
    answer = read_all(connection.getresponse().read())[-1]
    connection.close()
    return str(answer.fields["plane"])


def exchange(server: ServerProcess, content: bytes) -> bytes:
    """Send bytes and return what comes back until the connection is closed or silent."""
    with socket.create_connection((server.host, server.port), timeout=120) as raw_socket:
        raw_socket.sendall(content)
        raw_socket.shutdown(socket.SHUT_WR)
        found = b""
        while part := raw_socket.recv(1 << 16):
            found += part
            if b"\r\n\r\n" in found:
                break
    return found


HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\n"
    f"Authorization: Bearer {TOKEN}\r\n"
).encode()


def test_bodies_without_a_length_are_bounded(guarded_server: ServerProcess) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    found = exchange(guarded_server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 40)
    assert b" 413 " in found.splitlines()[0]


def test_bodies_that_end_early_leave_the_server_alive(guarded_server: ServerProcess) -> None:
    for start in (HEAD + b"Content-Length: 1000\r\n\r\nSGNY", HEAD, b"\x16\x03\x01garbage\r\n\r\n"):
        found = exchange(guarded_server, start)
        assert not found or b" 400 " in found.splitlines()[0]
    assert send(guarded_server, {}, call("hello"))[0] == 200


def test_other_paths_and_methods(guarded_server: ServerProcess) -> None:
    connection = http.client.HTTPConnection(guarded_server.host, guarded_server.port, timeout=120)
    for method, path, status in (("GET", PATH, 405), ("POST", "/", 404), ("GET", "/../x", 404)):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_names_that_lead_here_from_elsewhere_are_refused(server: ServerProcess) -> None:
    """A page whose name resolves to this machine must not use a server without a token."""
    assert send(server, {"Host": "attacker.example"}, call("hello"))[0] == 403
    assert send(server, {"Host": f"localhost:{server.port}"}, call("hello"))[0] == 200


def test_clients_at_once(
    guarded_server: ServerProcess, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGANY_TOKEN", TOKEN)
    planes = np.random.default_rng(2).integers(0, 255, (6, 40, 50)).astype(np.uint8)
    answers: dict[int, bytes] = {}

    def work(number: int) -> None:
        model = load_model(guarded_server.address)
        embedding = model.embed(planes[number])
        for _ in range(3):
            found = model.predict(embedding, Prompt(points=[(20, 30)]))
            answers[number] = np.asarray(found.low_res_logits).tobytes()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    for number in range(6):
        embedding = tiny_model.embed(planes[number])
        expected = tiny_model.predict(embedding, Prompt(points=[(20, 30)])).low_res_logits
        assert answers[number] == np.asarray(expected).tobytes()
