"""Card of a finder's file: what it belongs to, how it is used, and for which planes it is."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le, Len, MinLen

if TYPE_CHECKING:
    from napari_segany.networks.encoder_sketch import EncoderSketch
    from napari_segany.networks.finder import FinderShape

_Width = Annotated[int, Ge(1), Le(4096)]
_Projection = Annotated[int, Ge(-(10**7)), Le(10**7)]


@dataclass(frozen=True)
class EncoderCard:
    """The image encoder that a finder was trained on.

    Attributes
    ----------
    name : str
        Name of the model in the catalogue, or under which it was imported.
    architecture : str
        Architecture of the model, such as "vit_t".
    layout, values
        Of the :class:`napari_segany.networks.encoder_sketch.EncoderSketch` of its weights.
    """

    name: Annotated[str, MinLen(1)]
    architecture: Annotated[str, MinLen(1)]
    layout: Annotated[str, MinLen(1)]
    values: tuple[tuple[_Projection, ...], ...]

    @property
    def sketch(self) -> "EncoderSketch":
        """Sketch of the encoder's weights."""
        from napari_segany.networks.encoder_sketch import EncoderSketch

        return EncoderSketch(self.layout, self.values)


@dataclass(frozen=True)
class ShapeCard:
    """Architecture of a finder, with the fields of a :class:`FinderShape`."""

    embedding: _Width
    stages: Annotated[tuple[tuple[_Width, Annotated[int, Ge(1), Le(4)]], ...], Len(0, 8)]
    widths: tuple[_Width, _Width, _Width]
    image_width: Annotated[int, Ge(0), Le(4096)]
    blocks: Annotated[int, Ge(0), Le(16)]

    @property
    def shape(self) -> "FinderShape":
        """The architecture."""
        from napari_segany.networks.finder import FinderShape

        return FinderShape(**vars(self))


@dataclass(frozen=True)
class PlaneGate:
    """The planes that a finder which was trained on one person's labels is for.

    See :mod:`napari_segany.models.plane_gate` for what is compared.

    Attributes
    ----------
    references : tuple of tuple of float
        Descriptions of the labelled planes, all of the same length.
    limit : float
        Largest distance from the nearest reference of a plane that the finder is for, above 0.
    """

    references: Annotated[tuple[tuple[float, ...], ...], Len(1, 256)]
    limit: Annotated[float, Gt(0), Le(10)]


@dataclass(frozen=True)
class FinderCard:
    """Description of a finder, stored in its file.

    Attributes
    ----------
    title : str
        A short description.
    encoder : EncoderCard
        The encoder it was trained on.
    shape : ShapeCard
        Its architecture.
    pred_iou_thresh : float
        Predicted IoU that masks must exceed by default, 0..2.
    min_area : int
        Pixels of the smallest mask that is kept by default.
    facts : dict
        Data sets, licences and figures, for people; plain JSON.
    quality : dict
        Parameters of the predicted IoU, which the generator reads; plain JSON.
    base : str or None
        Hash of the finder that this one was trained from, on one person's labels. Such a finder is
        for images like those, so it is used only when it is named.
    gate : PlaneGate or None
        The planes that it is for, if it has a base, which searches all other planes.
    """

    title: Annotated[str, MinLen(1)]
    encoder: EncoderCard
    shape: ShapeCard
    pred_iou_thresh: Annotated[float, Ge(0), Le(2)]
    min_area: Annotated[int, Ge(0)] = 0
    facts: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    base: Annotated[str, Len(64, 64)] | None = None
    gate: PlaneGate | None = None


def encoder_card(name: str, architecture: str, sketch: "EncoderSketch") -> EncoderCard:
    """Return the card of an image encoder."""
    return EncoderCard(name, architecture, sketch.layout, sketch.values)


def shape_card(shape: "FinderShape") -> ShapeCard:
    """Return the card of a finder's architecture."""
    return ShapeCard(**asdict(shape))
