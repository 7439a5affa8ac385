"""The application of the server, called as an ASGI server calls it."""

import asyncio
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np
import pytest

from napari_segany import SamModel
from napari_segany.models.model_wrapper import keep_prepared
from napari_segany.models.multi_view import MOST_VIEWS
from napari_segany.remote import admission as admission_module
from napari_segany.remote.admission import Admission
from napari_segany.remote.application import MOST_WAITING, Application
from napari_segany.remote.calls import Calls, Ways
from napari_segany.remote.message import Message, decode, encode, read_message
from napari_segany.remote.plane_store import PlaneStore, UnknownPlaneError
from napari_segany.remote.protocol import MEDIA_TYPE, PATH, PROTOCOL
from napari_segany.remote.values import decode_plane

TOKEN = "a-token-of-this-test"
HEADERS = {"content-type": MEDIA_TYPE, "host": "127.0.0.1"}


class Client:
    """One request, and the answer as it arrives."""

    def __init__(self, body: bytes, *, stalls: bool = False, **headers: str) -> None:
        given = {**HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.scope = {
            "type": "http",
            "path": PATH,
            "method": "POST",
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
        }
        self.events = [{"type": "http.request", "body": body, "more_body": stalls}]
        self.gone = asyncio.Event()
        self.status, self.content = 0, b""

    async def receive(self) -> MutableMapping[str, Any]:
        if self.events:
            return self.events.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        self.status = event.get("status", self.status)
        self.content += event.get("body", b"")

    async def ask(self, application: Application) -> Message:
        await application(self.scope, self.receive, self.send)
        return self.messages()[-1]

    def messages(self) -> list[Message]:
        left, found = memoryview(self.content), []

        def read(count: int) -> bytes:
            nonlocal left
            part, left = bytes(left[:count]), left[count:]
            return part

        while left:
            found.append(read_message(read))
        return found


def hello(**fields: Any) -> bytes:
    return encode(Message({"call": "hello", "protocol": PROTOCOL, "client": "c", **fields}))


@pytest.fixture
def calls(tiny_model: SamModel) -> Iterator[Calls]:
    yield Calls.of([tiny_model], "1.2.3", 1_000_000)
    # Others use the model, too.
    keep_prepared(tiny_model, 1)


def make(calls: Calls, token: str | None = None, **options: float) -> Application:
    return Application(calls, Admission(token, calls.max_upload), **options)


def test_the_handshake(calls: Calls) -> None:
    async def run() -> tuple[int, Message]:
        client = Client(hello())
        return client.status, await client.ask(make(calls))

    _, found = asyncio.run(run())
    assert found.fields["version"] == "1.2.3"
    (model,) = found.fields["models"]
    assert (model["id"], model["sha256"], model["finder"]) == ("tiny", "0", False)


@pytest.mark.parametrize(("version", "side"), [(PROTOCOL + 1, "server"), (0, "client")])
def test_other_versions_are_told_which_side_is_older(calls: Calls, version: int, side: str) -> None:
    client = Client(hello(protocol=version))
    found = asyncio.run(client.ask(make(calls)))
    assert client.status == 426
    assert found.fields["text"].endswith(f"update napari-segany of the {side}.")


def test_slow_bodies_are_not_waited_for(calls: Calls) -> None:
    client = Client(b"SGNY", stalls=True)
    application = make(calls, slow_seconds=0.05)
    found = asyncio.run(client.ask(application))
    assert client.status == 408
    assert found.fields["text"] == "The request came too slowly."
    assert application._uploading == 0


def test_memory_for_bodies_is_bounded(calls: Calls) -> None:
    application = make(calls)

    async def run() -> list[int]:
        clients = [Client(b"", stalls=True, content_length=str(calls.max_upload)) for _ in range(4)]
        waiting = [asyncio.create_task(each.ask(application)) for each in clients]
        await asyncio.sleep(0.05)
        one_more = Client(hello(), content_length="100")
        await one_more.ask(application)
        for each in clients:
            each.gone.set()
        await asyncio.gather(*waiting)
        after = Client(hello())
        await after.ask(application)
        return [one_more.status, *(each.status for each in clients), after.status]

    assert asyncio.run(run()) == [503, 400, 400, 400, 400, 200]


def test_a_client_that_goes_away_stops_its_call(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, begun = threading.Event(), threading.Event()

    def answer(_: Calls, message: Message, ways: Ways) -> Message:
        begun.set()
        for _ in range(1000):
            if ways.should_stop():
                stopped.set()
                break
            threading.Event().wait(0.02)
        return message

    monkeypatch.setattr(Calls, "answer", answer)

    async def run() -> None:
        client = Client(hello())
        task = asyncio.create_task(client.ask(make(calls)))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        client.gone.set()
        with pytest.raises(IndexError):
            await task
        assert await asyncio.to_thread(stopped.wait, 10)
        await asyncio.sleep(0.1)

    asyncio.run(run())


def test_bodies_of_clients_that_went_away_count_until_their_calls_end(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()

    def answer(_: Calls, message: Message, ways: Ways) -> Message:
        begun.set()
        end.wait(10)
        return message

    monkeypatch.setattr(Calls, "answer", answer)

    async def run() -> list[int]:
        application = make(calls)
        client = Client(hello())
        task = asyncio.create_task(client.ask(application))
        await asyncio.to_thread(begun.wait, 10)
        client.gone.set()
        with pytest.raises(IndexError):
            await task
        while_computed = application._uploading
        end.set()
        while application._uploading:
            await asyncio.sleep(0.01)
        return [while_computed, application._uploading]

    assert asyncio.run(run()) == [len(hello()), 0]


def test_long_calls_say_that_they_are_at_work(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_segany.remote.application.HEARTBEAT", 0.02)
    seen = threading.Event()

    def answer(_: Calls, message: Message, ways: Ways) -> Message:
        ways.progress(3, 7)
        seen.wait(0.2)
        raise UnknownPlaneError("It is gone.")

    monkeypatch.setattr(Calls, "answer", answer)
    client = Client(hello())
    last = asyncio.run(client.ask(make(calls)))
    *beats, _ = client.messages()
    assert beats[-1].fields == {"answer": "progress", "steps": [3, 7]}
    assert client.status == 200
    assert last.fields == {"answer": "error", "kind": "plane", "text": "It is gone."}


def test_failures_are_told_without_their_details(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_: object) -> Message:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Calls, "answer", answer)
    client = Client(hello())
    found = asyncio.run(client.ask(make(calls)))
    assert client.status == 500
    assert found.fields["text"] == "The server failed (ZeroDivisionError); see its log."


def test_calls_that_wait_are_bounded(calls: Calls) -> None:
    application = make(calls)
    application._waiting = MOST_WAITING
    client = Client(hello())
    found = asyncio.run(client.ask(application))
    assert (client.status, found.fields["kind"]) == (503, "busy")


def test_tokens_are_compared_in_constant_time(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(admission_module.hmac, "compare_digest", compare)
    application = make(calls, TOKEN)
    for token, status in ((TOKEN, 200), (TOKEN[:-1], 401), ("", 401)):
        client = Client(hello(), authorization=f"Bearer {token}")
        asyncio.run(client.ask(application))
        assert client.status == status
    assert len(compared) == 3
    assert {len(each) for pair in compared for each in pair} == {32}


def test_the_views_of_a_client_stay_prepared(calls: Calls, tiny_model: SamModel) -> None:
    random = np.random.default_rng(0)
    planes = [random.integers(0, 255, (60, 80)).astype(np.uint8) for _ in range(MOST_VIEWS)]
    embeddings = [tiny_model.embed(each) for each in planes]
    prepared = [tiny_model.prepare(each) for each in embeddings]
    # Another client asks about a plane of its own.
    tiny_model.embed(random.integers(0, 255, (60, 80)).astype(np.uint8))
    again = [tiny_model.prepare(each) for each in embeddings]
    assert all(one is two for one, two in zip(prepared, again, strict=True))


def test_planes_are_held_within_a_budget() -> None:
    store = PlaneStore(most_bytes=1000, most_planes=3)
    rgb = np.zeros((10, 10, 3), np.uint8)
    names = [store.put("a", rgb) for _ in range(4)]
    assert len(store) == 3
    with pytest.raises(UnknownPlaneError):
        store.get("a", names[0])
    with pytest.raises(UnknownPlaneError):
        store.get("b", names[1])
    store.get("a", names[1])
    other = store.put("b", rgb)
    assert store.nbytes == 900
    store.get("a", names[1])
    store.drop("b", [other, "unknown"])
    assert len(store) == 2
    gray = store.put("b", np.broadcast_to(rgb[..., :1], rgb.shape))
    assert store.nbytes == 700
    assert store.get("b", gray).shape == (10, 10)


def test_planes_hold_no_more_memory_than_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plane of a message is a view of all its bytes."""
    sent = Message({"x": "y" * 5000}, {"plane": np.ones((4, 5, 1), np.uint8)})
    rgb = decode_plane(decode(encode(sent)).arrays)
    store = PlaneStore()
    held = store.get("a", store.put("a", rgb)).rgb
    assert not np.shares_memory(held, rgb)
    assert np.array_equal(held, rgb)
    assert held.strides[2] == 0
    monkeypatch.setattr("napari_segany.remote.plane_store.MOST_IN_ALL", 3)
    for client in "bcdef":
        store.put(client, rgb)
    assert len(store) == 3
