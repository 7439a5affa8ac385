"""Calls of a server, from decoded message to message: what its models are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.geometry import Frame, SquashedFrame
from napari_segany.core.masks import MaskSet
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks, usual_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.volumes.find_maps import find_maps
from napari_segany.models.distance_decoder import has_decoder
from napari_segany.models.model_wrapper import keep_prepared
from napari_segany.models.multi_view import MOST_VIEWS
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.shared_model import SharedModel
from napari_segany.recipe import machine
from napari_segany.remote.message import Message
from napari_segany.remote.plane_store import HeldPlane, PlaneStore
from napari_segany.remote.protocol import (
    MOST_FEATURES,
    MOST_POINTS,
    PROTOCOL,
    prompts_at_once,
)
from napari_segany.remote.search_results import (
    decode_params,
    decode_screen,
    encode_found,
    encode_groups,
    encode_params,
)
from napari_segany.remote.values import (
    MOST_SIDE,
    decode_plane,
    decode_prompts,
    decode_region,
    encode_masks,
    take,
)

FRAMES: Mapping[type, str] = {Frame: "fit", SquashedFrame: "squash"}
"""Names of the frames that clients know."""


@dataclass(frozen=True)
class Ways:
    """Callbacks of a call: progress, and the wish to stop of a client that went away."""

    progress: Progress
    should_stop: ShouldStop


@dataclass(frozen=True)
class Calls:
    """Calls that a server answers.

    Attributes
    ----------
    models : mapping of str to SharedModel
        By name; the first is the one that a client gets which names none.
    version : str
        Version of the package.
    max_upload : int
        Bytes of the largest request.
    store : PlaneStore
        Planes of the clients.
    """

    models: Mapping[str, SharedModel]
    version: str
    max_upload: int
    store: PlaneStore = field(default_factory=PlaneStore)

    @classmethod
    def of(cls, models: Sequence[PromptableModel], version: str, max_upload: int) -> "Calls":
        """Return the calls of models, each of which embeds the same pixels once for all clients.

        A client that asks in several views asks about that many planes in turn, so they stay
        prepared, and one plane of another client beside them, until a search needs the memory.
        """
        for each in models:
            keep_prepared(each, MOST_VIEWS + 1)
        return cls({each.id: SharedModel(each) for each in models}, version, max_upload)

    def answer(self, message: Message, ways: Ways) -> Message:
        """Answer one message.

        Raises
        ------
        InputError
            If it asks for nothing that is here, or a value in it cannot be used.
        UnknownPlaneError
            If it is about a plane that is not held.
        Cancelled
            If the client does not wait for the answer any more.
        """
        check(ways.should_stop)
        name = message.fields.get("call")
        if name == "hello":
            return self._hello()
        calls: dict[str, Callable[[_Request], Message]] = {
            "put": self._put,
            "release": self._release,
            "embed": self._embed,
            "predict": self._predict,
            "points": self._points,
            "features": self._features,
            "resolve": self._resolve,
            "search": self._search,
            "maps": self._maps,
        }
        call = calls.get(name) if isinstance(name, str) else None
        if call is None:
            raise InputError(f"The server knows {', '.join(['hello', *calls])}, got {name!r:.60}.")
        return call(_Request(message, self._model(message.fields), ways))

    def _hello(self) -> Message:
        """Return what the server is and has."""
        return Message(
            {
                "protocol": PROTOCOL,
                "version": self.version,
                "max_upload": self.max_upload,
                "machine": machine(),
                "models": [_describe(each) for each in self.models.values()],
            }
        )

    def _model(self, given: Mapping[str, Any]) -> SharedModel:
        """Return the model that a request names, if it has the weights that the client expects."""
        name = given.get("model")
        model = self.models.get(name) if isinstance(name, str) else None
        if model is None:
            raise InputError(
                f"The server has no model {name!r:.80}; it has {', '.join(self.models)}."
            )
        if given.get("sha256") != model.weights.sha256:
            raise InputError(
                f"The server has other weights of {name} now (sha256 "
                f"{model.weights.sha256[:12]}...) than when this model was loaded; load it again."
            )
        return model

    def _held(self, request: "_Request") -> HeldPlane:
        return self.store.get(request.client, request.text("plane"))

    def _embedding(self, held: HeldPlane, request: "_Request") -> Embedding:
        """Return the embedding of a plane, which is computed unless it is held."""
        stop = request.ways.should_stop
        found = held.embedding(lambda: request.model.embed(held.rgb, should_stop=stop))
        # The same pixels may have been embedded by another of the server's models before.
        request.model.check_embedding(found)
        self.store.fit()
        return found

    def _put(self, request: "_Request") -> Message:
        self._release(request)
        return Message({"plane": self.store.put(request.client, decode_plane(request.arrays))})

    def _release(self, request: "_Request") -> Message:
        names = request.fields.get("release", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError("The planes to release are no list of names.")
        self.store.drop(request.client, names)
        return Message({})

    def _embed(self, request: "_Request") -> Message:
        found = self._embedding(self._held(request), request)
        frame: Any = found.frame
        own: dict[str, Any] = {}
        if isinstance(frame, Frame):
            own = {f.name: getattr(frame, f.name) for f in fields(frame) if f.name != "shape"}
        return Message({"frame": FRAMES.get(type(frame)), "values": own, "nbytes": found.nbytes})

    def _predict(self, request: "_Request") -> Message:
        prompts = decode_prompts(request.arrays)
        given = request.fields
        multimask, ranking = given.get("multimask"), given.get("ranking")
        if multimask not in (True, False, "auto", "both") or ranking not in get_args(Ranking):
            raise InputError("multimask or ranking of the request is none that there is.")
        held = self._held(request)
        most = prompts_at_once(held.shape)
        if len(prompts) > most:
            raise InputError(f"{most} prompts about this plane go together, got {len(prompts)}.")
        # Before the plane is embedded, which takes longer than anything else.
        for prompt in prompts:
            prompt.check_inside(held.shape)
        sets: list[MaskSet] = request.model.predict(
            self._embedding(held, request),
            prompts,
            multimask=multimask,
            ranking=ranking,
            low_res_logits=bool(given.get("low_res_logits")),
            should_stop=request.ways.should_stop,
        )
        arrays = encode_masks(MaskSet.concatenate(sets), logits=bool(given.get("send_logits")))
        arrays["counts"] = np.array([len(each) for each in sets], np.int64)
        return Message({}, arrays)

    def _points(self, request: "_Request") -> Message:
        points = request.points(MOST_POINTS)
        screen = decode_screen(request.arrays, "screen")
        ready = request.model.prepare(self._embedding(self._held(request), request))
        at_once = request.number("at_once", 1, MOST_POINTS)
        groups = []
        for group in ready.predict_points(points, at_once, screen, lambda found: found):
            check(request.ways.should_stop)
            groups.append(group)
        return encode_groups(groups)

    def _features(self, request: "_Request") -> Message:
        points = request.points(MOST_FEATURES)
        ready = request.model.prepare(self._embedding(self._held(request), request))
        return Message({}, {"features": ready.features_at(points)})

    def _resolve(self, request: "_Request") -> Message:
        return Message({"params": encode_params(request.params().resolved_for(request.model))})

    def _search(self, request: "_Request") -> Message:
        params, held = request.params(), self._held(request)
        known = self._embedding(held, request) if request.fields.get("embedded") else None
        found = generate_masks(
            request.model,
            held.rgb,
            params,
            faithful=bool(request.fields.get("faithful")),
            region=decode_region(request.arrays, held.shape),
            embedding=known,
            progress=request.ways.progress,
            should_stop=request.ways.should_stop,
            refilter=bool(request.fields.get("refilter")),
        )
        return encode_found(found)

    def _maps(self, request: "_Request") -> Message:
        params, held = request.params(), self._held(request)
        found = find_maps(
            request.model,
            held.rgb,
            params,
            region=decode_region(request.arrays, held.shape),
            progress=request.ways.progress,
            should_stop=request.ways.should_stop,
        )
        return Message({}, {"maps": np.frombuffer(found.to_bytes(), np.uint8)})


@dataclass(frozen=True)
class _Request:
    """A message to a model, with its values checked when they are read."""

    message: Message
    model: SharedModel
    ways: Ways

    @property
    def fields(self) -> dict[str, Any]:
        return self.message.fields

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return self.message.arrays

    @property
    def client(self) -> str:
        return self.text("client")

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 64:
            raise InputError(f"The request names no {name}.")
        return value

    def number(self, name: str, least: int, most: int) -> int:
        value = self.fields.get(name)
        if type(value) is not int or not least <= value <= most:
            raise InputError(f"{name} must be a number from {least} to {most}.")
        return value

    def points(self, most: int) -> NDArray[np.float64]:
        points = take(self.arrays, "points", np.float64, (None, 2))
        if not 0 < len(points) <= most:
            raise InputError(f"A request holds 1 to {most} points, got {len(points)}.")
        if not (np.abs(points) <= MOST_SIDE).all():
            raise InputError("A point of the request is no place in a plane.")
        return points

    def params(self) -> GeneratorParams:
        params = decode_params(self.fields.get("params"))
        if params is None:
            raise InputError("The request has no parameters of a search.")
        return params


def _describe(model: SharedModel) -> dict[str, Any]:
    """Return what a client must know of a model."""
    return {
        "id": model.id,
        "weights": model.weights.id,
        "sha256": model.weights.sha256,
        "precision": model.precision,
        "device": str(model.device),
        "defaults": asdict(model.defaults),
        "finder": isinstance(usual_params(model), FinderParams),
        "decoder": has_decoder(model),
    }
