"""Embeddings that stay on a server, and the model's description that it gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError, RemoteError
from napari_segany.remote.values import encode_plane
from napari_segany.weights.catalog import ModelDefaults

if TYPE_CHECKING:
    # A window without torch can embed planes and prompt them.
    from torch import Tensor

    from napari_segany.core.geometry import PlaneFrame
    from napari_segany.models.device import Precision


@dataclass(frozen=True)
class RemoteWeights:
    """The name and hash of weights that a server has.

    Attributes
    ----------
    id : str
        Name of the weights there.
    sha256 : str
        Hexadecimal hash of their file.
    """

    id: str
    sha256: str


@dataclass(frozen=True)
class RemoteDescription:
    """A model as its server describes it.

    Attributes
    ----------
    id : str
        Its name.
    weights : RemoteWeights
        Its weights.
    precision : {"exact", "bfloat16"}
        The precision of its arithmetic.
    device : str
        The device on which it computes, such as "cuda:0".
    defaults : ModelDefaults
        Thresholds of its authors.
    finder : bool
        True if the server has a finder that fits it.
    decoder : bool
        True if it carries a decoder of foreground and distances.
    """

    id: str
    weights: RemoteWeights
    precision: "Precision"
    device: str
    defaults: ModelDefaults
    finder: bool
    decoder: bool

    @classmethod
    def of(cls, values: Any) -> "RemoteDescription":
        """Return the description that a server sent.

        Raises
        ------
        RemoteError
            If it is none.
        """
        try:
            own = values["defaults"]
            precision: Any = values["precision"]
            if precision not in ("exact", "bfloat16"):
                raise ValueError(precision)
            return cls(
                str(values["id"]),
                RemoteWeights(str(values["weights"]), str(values["sha256"])),
                precision,
                str(values["device"]),
                ModelDefaults(
                    float(own["pred_iou_thresh"]),
                    float(own["stability_score_thresh"]),
                    int(own["min_area"]),
                ),
                bool(values["finder"]),
                bool(values["decoder"]),
            )
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise RemoteError(
                "The server describes its model in a way that is unknown; update both sides."
            ) from error


@dataclass(frozen=True)
class RemoteDevice:
    """The name of a device on another machine, where torch is not installed.

    Attributes
    ----------
    name : str
        The name there, such as "cuda:0".
    """

    name: str

    @property
    def type(self) -> str:
        """Kind of the device: "cpu", "cuda" or "mps"."""
        return self.name.partition(":")[0]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class RemoteEmbedding:
    """A plane that is embedded on a server, an :class:`napari_segany.Embedding`.

    The plane is kept here, so that a server that was started again, or needed the memory, gets it
    once more.

    Attributes
    ----------
    rgb : ndarray
        (H, W, 3) uint8, the plane as the model sees it.
    weights_sha256 : str
        Hash of the weights that made it.
    facts : mapping
        The kind and the values of the model's frame, as the server says them.
    """

    rgb: NDArray[np.uint8]
    weights_sha256: str
    facts: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def frame(self) -> "PlaneFrame":
        """The place of the plane in the model's frame.

        Raises
        ------
        RemoteError
            If the model's frame is of a kind that this version does not know.
        """
        from napari_segany.core.geometry import Frame, SquashedFrame

        frames = {"fit": Frame, "squash": SquashedFrame}
        kind: Any = frames.get(str(self.facts.get("frame")))
        if kind is None:
            raise RemoteError("The frame of the server's model is unknown here; update this side.")
        try:
            values = {
                name: None if n is None else int(n) for name, n in self.facts["values"].items()
            }
            made: Frame = kind(self.shape, **values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RemoteError("The frame of the server's model cannot be used.") from error
        return made

    @property
    def stages(self) -> "tuple[Tensor, ...]":
        """Empty: finders read them where the model is."""
        return ()

    @property
    def nbytes(self) -> int:
        """Bytes of the plane that is kept here."""
        return encode_plane(self.rgb).nbytes

    def without_stages(self) -> "RemoteEmbedding":
        """Return the embedding itself."""
        return self
