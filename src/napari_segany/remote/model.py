"""Model on another machine, used as those on this one; importing this needs no torch."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.lazy_logits import RecomputedLogits
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError, RemoteError
from napari_segany.remote.address import RemoteAddress
from napari_segany.remote.connection import Connection
from napari_segany.remote.embedding import (
    RemoteDescription,
    RemoteDevice,
    RemoteEmbedding,
    RemoteWeights,
)
from napari_segany.remote.message import Message
from napari_segany.remote.plane_calls import PlaneCalls
from napari_segany.remote.values import (
    decode_masks,
    encode_prompts,
    encode_region,
    split_prompts,
    take,
)

if TYPE_CHECKING:
    import torch

    from napari_segany.models.device import Precision
    from napari_segany.models.protocol import Embedding, Multimask
    from napari_segany.networks.encoder_sketch import EncoderSketch
    from napari_segany.remote.crop import RemoteCrop
    from napari_segany.weights.catalog import ModelDefaults

logger = logging.getLogger(__name__)

LOGITS_KEPT = 256
"""Prompts of a call whose logits are sent; those of more are asked for again when they are read."""


class RemoteModel:
    """A model on another machine, made by :func:`napari_segany.load_model`.

    A :class:`napari_segany.PromptableModel` and a
    :class:`napari_segany.models.searching.SearchingModel`. It has the name, the hash and the
    precision of the model on the server, and gives the same bytes. Any thread may call any method.

    Attributes
    ----------
    address : RemoteAddress
        Its address, with the name of the model.
    description : RemoteDescription
        What the server says of it.
    machine : dict
        Properties of the server's machine, as recipes record them.
    """

    def __init__(
        self,
        address: RemoteAddress,
        connection: Connection,
        description: RemoteDescription,
        machine: dict[str, str],
    ) -> None:
        self.address, self.description, self.machine = address, description, machine
        self._planes = PlaneCalls(
            connection, {"model": description.id, "sha256": description.weights.sha256}
        )

    @property
    def id(self) -> str:
        """The model's name, as on the server."""
        return self.description.id

    @property
    def weights(self) -> RemoteWeights:
        """The weights' name and hash, as recipes record them."""
        return self.description.weights

    @property
    def precision(self) -> "Precision":
        """The precision of its arithmetic."""
        return self.description.precision

    @property
    def device(self) -> "torch.device":
        """The device on which the server computes; nothing here can be put on it."""
        try:
            import torch
        except ImportError:
            return cast("torch.device", RemoteDevice(self.description.device))
        return torch.device(self.description.device)

    @property
    def defaults(self) -> "ModelDefaults":
        """Thresholds of automatic segmentation that its authors use."""
        return self.description.defaults

    @property
    def place(self) -> str:
        """Host and port of the server."""
        return self.address.server

    @property
    def finder_fits(self) -> bool:
        """True if the server has a finder that fits."""
        return self.description.finder

    @property
    def decoder_fits(self) -> bool:
        """True if the model on the server carries a decoder."""
        return self.description.decoder

    def __repr__(self) -> str:
        return f"RemoteModel({str(self.address)!r})"

    def __reduce__(self) -> Any:
        # The other process finds the token as this one did; it is written nowhere.
        return _connect_again, (str(self.address),)

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> RemoteEmbedding:
        """Send a plane to the server and have it embedded there.

        Parameters
        ----------
        plane, limits, should_stop
            See :meth:`PromptableModel.embed`.
        stages : bool
            Has no effect: finders read stages where the model is.

        Raises
        ------
        RemoteError
            If the server cannot be reached or refuses the plane.
        """
        del stages
        rgb = to_rgb(plane, limits)
        # A copy of colours that belong to the caller, who may change them later.
        rgb = rgb if rgb.strides[2] == 0 or not rgb.flags.writeable else rgb.copy()
        facts: dict[str, Any] = {}
        embedding = RemoteEmbedding(rgb, self.weights.sha256, facts)
        facts |= self._planes.ask(embedding, "embed", Message({}), should_stop=should_stop).fields
        return embedding

    @overload
    def predict(
        self,
        embedding: "Embedding",
        prompts: Prompt,
        *,
        multimask: "Multimask" = ...,
        ranking: Ranking = ...,
        low_res_logits: bool = ...,
        should_stop: ShouldStop | None = ...,
    ) -> MaskSet: ...

    @overload
    def predict(
        self,
        embedding: "Embedding",
        prompts: Iterable[Prompt],
        *,
        multimask: "Multimask" = ...,
        ranking: Ranking = ...,
        low_res_logits: bool = ...,
        should_stop: ShouldStop | None = ...,
    ) -> list[MaskSet]: ...

    def predict(
        self,
        embedding: "Embedding",
        prompts: Prompt | Iterable[Prompt],
        *,
        multimask: "Multimask" = "auto",
        ranking: Ranking = "plausible",
        low_res_logits: bool = True,
        should_stop: ShouldStop | None = None,
    ) -> MaskSet | list[MaskSet]:
        """Predict the candidates of prompts; see :meth:`PromptableModel.predict`."""
        own = self._own(embedding)
        asked = (prompts,) if isinstance(prompts, Prompt) else tuple(prompts)
        for prompt in asked:
            if not isinstance(prompt, Prompt):
                raise InputError(f"prompts must be of type Prompt, got {prompt!r}.")
            prompt.check_inside(own.shape)
        options = {"multimask": multimask, "ranking": ranking, "low_res_logits": low_res_logits}
        kept = low_res_logits and len(asked) <= LOGITS_KEPT
        found: list[MaskSet] = []
        for some in split_prompts(asked, own.shape):
            sets = self._predict_some(own, some, options, kept, should_stop)
            if low_res_logits and not kept:
                sets = [
                    _with_logits(each, partial(self._logits, own, prompt, options))
                    for each, prompt in zip(sets, some, strict=True)
                ]
            found += sets
        return found[0] if isinstance(prompts, Prompt) else found

    def _predict_some(
        self,
        own: RemoteEmbedding,
        prompts: Sequence[Prompt],
        options: dict[str, Any],
        send_logits: bool,
        should_stop: ShouldStop | None = None,
    ) -> list[MaskSet]:
        message = encode_prompts(prompts)
        fields = {**options, "send_logits": send_logits}
        answer = self._planes.ask(
            own, "predict", Message(fields, message.arrays), should_stop=should_stop
        )
        try:
            counts = take(answer.arrays, "counts", np.int64, (len(prompts),))
            together = decode_masks(answer.arrays)
            if (counts < 0).any() or counts.sum() != len(together):
                raise InputError("The numbers of masks do not fit.")
        except InputError as error:
            raise self._damaged() from error
        ends = np.cumsum(counts).tolist()
        return [
            together[end - count : end] for count, end in zip(counts.tolist(), ends, strict=True)
        ]

    def _logits(
        self, own: RemoteEmbedding, prompt: Prompt, options: dict[str, Any]
    ) -> NDArray[np.float32]:
        """Return the logits of one prompt, which are computed again."""
        (found,) = self._predict_some(own, [prompt], options, True)
        logits = found.low_res_logits
        assert logits is not None
        return logits

    def prepare(self, embedding: "Embedding") -> "RemoteCrop":
        """Return an embedding in the form that answers many points."""
        from napari_segany.remote.crop import RemoteCrop

        own = self._own(embedding)
        return RemoteCrop(
            own.frame, lambda name, message: self._planes.ask(own, name, message), self._damaged
        )

    def check_embedding(self, embedding: "Embedding") -> None:
        """Raise InputError unless an embedding was made by a server with the same weights."""
        self._own(embedding)

    def sketch_encoder(self) -> "EncoderSketch | None":
        """Return None: finders on this machine cannot read what stays on the server."""
        return None

    def resolve(self, params: Any) -> Any:
        """Return a generator's parameters with everything filled in that the model decides."""
        from napari_segany.remote.search_results import decode_params, encode_params

        answer = self._planes.call("resolve", Message({"params": encode_params(params)}))
        try:
            return decode_params(answer.fields.get("params"))
        except InputError as error:
            raise self._damaged() from error

    def search(
        self,
        rgb: NDArray[np.uint8],
        params: Any,
        *,
        faithful: bool = False,
        region: NDArray[np.bool_] | None = None,
        embedding: "Embedding | None" = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        refilter: bool = True,
    ) -> MaskSet:
        """Find the objects of a plane on the server; see :class:`SearchingModel`."""
        from napari_segany.generators.unmatched_text import describe_unmatched
        from napari_segany.remote.search_results import decode_found, encode_params

        own = self._plane(rgb) if embedding is None else self._own(embedding)
        fields = {
            "params": encode_params(params),
            "faithful": faithful,
            "refilter": refilter,
            "embedded": embedding is not None,
        }
        message = Message(fields, encode_region(region, own.shape))
        answer = self._planes.ask(
            own, "search", message, progress=progress, should_stop=should_stop
        )
        try:
            found = decode_found(answer)
        except InputError as error:
            raise self._damaged() from error
        for sentence in describe_unmatched(
            [found.classes], getattr(params, "text_threshold", None)
        ):
            logger.warning("%s", sentence)
        return found

    def search_maps(
        self,
        rgb: NDArray[np.uint8],
        params: Any,
        *,
        region: NDArray[np.bool_] | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Return the bytes of the finder's maps of a plane; see :class:`SearchingModel`."""
        from napari_segany.remote.search_results import encode_params

        own = self._plane(rgb)
        message = Message({"params": encode_params(params)}, encode_region(region, own.shape))
        answer = self._planes.ask(own, "maps", message, progress=progress, should_stop=should_stop)
        try:
            return take(answer.arrays, "maps", np.uint8, (None,)).tobytes()
        except InputError as error:
            raise self._damaged() from error

    def _plane(self, rgb: NDArray[np.uint8]) -> RemoteEmbedding:
        """Return a plane that is sent, and embedded only if a call needs that."""
        return RemoteEmbedding(rgb, self.weights.sha256, {})

    def _own(self, embedding: "Embedding") -> RemoteEmbedding:
        if not isinstance(embedding, RemoteEmbedding):
            raise InputError(
                f"An embedding is needed, got {type(embedding).__name__}; "
                "make it with model.embed(plane) of this remote model."
            )
        if embedding.weights_sha256 != self.weights.sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")
        return embedding

    def _damaged(self) -> RemoteError:
        return RemoteError(f"The answer of {self.address.server} is damaged.")


def _connect_again(address: str) -> RemoteModel:
    """Return a pickled model, connected to from this process."""
    from napari_segany.remote.connect import connect

    return connect(address)


def _with_logits(masks: MaskSet, compute: Any) -> MaskSet:
    """Return masks with logits that are asked for each time that they are read."""
    return replace(masks, _logits=RecomputedLogits(compute, np.arange(len(masks))))
