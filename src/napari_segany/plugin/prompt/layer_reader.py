"""What points and shapes of a viewer ask a session for, object by object."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.core.prompts import Prompt
from napari_segany.core.shape_prompts import ShapePrompt, inside, prompts_of_shape, sign_of
from napari_segany.errors import InputError
from napari_segany.plugin.layers.transforms import in_image
from napari_segany.plugin.prompt import layer_features
from napari_segany.session.prompt_updates import is_same_prompt
from napari_segany.session.session import Session
from napari_segany.session.state import object_center

Mode = Literal["one", "many"]
"""Whether points belong to one object, or each positive point begins another."""


@dataclass
class LayerPrompts:
    """What is asked.

    Attributes
    ----------
    wanted : dict
        Plane and prompt of every object; negative numbers are objects yet to begin.
    of_points, of_shapes : list of int
        The object of each point and shape; ``NEW`` for those that ask for nothing.
    """

    wanted: dict[int, tuple[Plane, Prompt]] = field(default_factory=dict)
    of_points: list[int] = field(default_factory=list)
    of_shapes: list[int] = field(default_factory=list)


class LayerReader:
    """Reads prompt layers for one session.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose sliders say where layers of fewer axes lie.
    image : napari.layers.Image
        The session's image.
    session : Session
        Its open objects keep the points that carry their number.
    mode : {"one", "many"}
        To whom new points belong.
    view : tuple
        The plane in view.
    hidden : collection of int
        Open objects whose prompts are not drawn in the layers; they stay as they are.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        session: Session,
        mode: Mode,
        view: Plane,
        hidden: Collection[int] = (),
    ) -> None:
        self.viewer, self.image, self.session = viewer, image, session
        self.mode, self.view, self.hidden = mode, view, hidden
        self._open = {each.id: each for each in session.state.open}
        self._drawn: dict[int, tuple[Plane, ShapePrompt]] = {}
        self._boxed: set[int] = set()
        self._begun = 0

    def read(self, points: Any, shapes: Any) -> LayerPrompts:
        """Everything that two layers ask for."""
        reading = LayerPrompts()
        for number, positions, sign, _ in self._rows(points, points.data):
            reading.of_points.append(self._point(number, positions[0], sign))
        for number, positions, sign, kind in self._rows(shapes, shapes.data):
            reading.of_shapes.append(self._shape(number, positions, sign, kind))
        for number, (plane, drawn) in self._drawn.items():
            reading.wanted[number] = plane, self._prompt(number, plane, drawn)
        for number, each in self._open.items():
            prompt = each.prompt
            if number in self.hidden:
                reading.wanted[number] = each.plane, prompt
            elif number not in reading.wanted and prompt.box is None and prompt.has_mask:
                # Its mask is drawn nowhere, and is left when all points are taken away.
                left = prompt if prompt.region is None else Prompt(mask=prompt.region)
                reading.wanted[number] = each.plane, left if prompt.points is not None else prompt
        return reading

    def read_other(self, layer: Any) -> list[tuple[Plane, Prompt]]:
        """Objects that a points or shapes layer of somebody else's asks for.

        Rows with the same value in a feature "object" belong together; points whose feature
        "sign" is "negative", "-", 0 or False are off their object. So are those of a feature
        "label" that holds nothing but signs, and no ids.
        """
        drawn: dict[tuple[Plane, Any], ShapePrompt] = {}
        kinds = getattr(layer, "shape_type", None)
        whose, signs = layer.features.get("object"), layer_features.sign_column(layer.features)
        for i, each in enumerate(layer.data):
            positions = in_image(self.viewer, layer, each, self.image)
            plane, spots = self._place(layer_features.NEW, positions)
            shape = plane_shape(self.session.source.shape, plane)
            spots = spots if kinds is not None else spots[inside(spots, shape)]
            if not len(spots) or not self._in_image(plane):
                continue
            sign = 1 if signs is None else sign_of(signs.iloc[i])
            given = prompts_of_shape("line" if kinds is None else str(kinds[i]), spots, sign, shape)
            here = [key for key in drawn if key[0] == plane]
            key: tuple[Plane, Any] = (plane, i)
            if whose is not None:
                key = (plane, whose.iloc[i])
            elif kinds is None and here and (self.mode == "one" or not sign):
                key = here[-1]
            drawn.setdefault(key, ShapePrompt()).add(given)
        shape_of = self.session.source.shape
        return [
            (plane, each.prompt(plane_shape(shape_of, plane)))
            for (plane, _), each in drawn.items()
            if not each.empty
        ]

    def _prompt(self, number: int, plane: Plane, drawn: ShapePrompt) -> Prompt:
        """What an object is asked for with; the prompt that it has if nothing is new."""
        shape = plane_shape(self.session.source.shape, plane)
        if number not in self._open:
            return drawn.prompt(shape)
        known = self._open[number].prompt
        drawn.settle(known)
        # A mask that is not drawn came from labels, or from an outline whose box is drawn: it stays
        # unless that box went elsewhere.
        stays = known.box is None or drawn.box == known.box.tolist()
        prompt = drawn.prompt(shape, known.region if stays else None)
        return known if is_same_prompt(prompt, known) else prompt

    def _rows(self, layer: Any, data: Any) -> Any:
        """Number, (N, n) positions in the image, sign and kind of each point or shape."""
        numbers = layer_features.column(layer, "object", layer_features.NEW)
        signs = layer_features.column(layer, "sign", layer_features.POSITIVE)
        kinds = getattr(layer, "shape_type", ["point"] * len(data))
        for number, each, sign, kind in zip(numbers, data, signs, kinds, strict=True):
            positions = in_image(self.viewer, layer, each, self.image)
            yield int(number), positions, int(str(sign) != layer_features.NEGATIVE), str(kind)

    def _place(
        self, number: int, positions: NDArray[np.float64]
    ) -> tuple[Plane, NDArray[np.float64]]:
        """Plane of positions, and (N, 2) row and column in it."""
        known = self._open.get(number)
        like = self.view if known is None else known.plane
        at = np.rint(positions[0]).astype(int).tolist()
        plane = tuple(None if n is None else m for n, m in zip(like, at, strict=True))
        return plane, positions[:, [axis for axis, n in enumerate(plane) if n is None]]

    def _in_image(self, plane: Plane) -> bool:
        shape = self.session.source.shape
        return all(n is None or 0 <= n < size for n, size in zip(plane, shape, strict=True))

    def _point(self, number: int, position: NDArray[np.float64], sign: int) -> int:
        plane, spots = self._place(number, position[None])
        if not self._in_image(plane):
            return layer_features.NEW
        if not inside(spots, plane_shape(self.session.source.shape, plane)).all():
            return layer_features.NEW
        number = self._whose(number, plane, spots, sign)
        drawn = self._of(number, plane)
        drawn.points.append(spots[0].tolist())
        drawn.signs.append(sign)
        return number

    def _shape(self, number: int, positions: NDArray[np.float64], sign: int, kind: str) -> int:
        plane, spots = self._place(number, positions)
        if not self._in_image(plane):
            return layer_features.NEW
        shape = plane_shape(self.session.source.shape, plane)
        given = prompts_of_shape(kind, spots, sign, shape)
        if given.empty:
            return layer_features.NEW
        if given.box is None:
            number = self._whose(number, plane, spots, sign)
        else:
            number = self._whose_box(number, plane)
            self._boxed.add(number)
        drawn = self._of(number, plane)
        drawn.add(given)
        return number

    def _of(self, number: int, plane: Plane) -> ShapePrompt:
        return self._drawn.setdefault(number, (plane, ShapePrompt()))[1]

    def _is_there(self, number: int, plane: Plane) -> bool:
        return number in self._open and self._open[number].plane == plane

    def _active(self, plane: Plane) -> int | None:
        active = self.session.active
        return active.id if active is not None and self._is_there(active.id, plane) else None

    def _whose(self, number: int, plane: Plane, spots: NDArray[np.float64], sign: int) -> int:
        """The object of points; those that carry no open object's number are new.

        Raises
        ------
        InputError
            If they are off an object, of many, and there is none.
        """
        if self._is_there(number, plane):
            return number
        begun = [n for n, (where, _) in self._drawn.items() if where == plane and n < 0]
        active = self._active(plane)
        if self.mode == "one":
            if active is not None:
                return active
            return begun[-1] if begun else self._begin()
        if sign:
            return self._begin()
        if begun:
            return begun[-1]
        return self._nearest(plane, spots.mean(axis=0)) if active is None else active

    def _nearest(self, plane: Plane, spot: NDArray[np.float64]) -> int:
        """The open object whose middle is nearest in a plane."""
        here = [n for n in self._open if self._is_there(n, plane) and n not in self.hidden]
        if not here:
            raise InputError("A point off an object needs an open object in this plane.")
        away = [np.linalg.norm(np.subtract(object_center(self._open[n]), spot)) for n in here]
        return here[int(np.argmin(away))]

    def _whose_box(self, number: int, plane: Plane) -> int:
        """The object of a box: the active one if it has none, else another."""
        if self._is_there(number, plane) and number not in self._boxed:
            return number
        active = self._active(plane) if self.mode == "one" else None
        if active is not None and active not in self._boxed:
            known = self._open[active].prompt
            drawn = self._drawn.get(active)
            if known.box is None and (drawn is None or drawn[1].box is None):
                return active
        return self._begin()

    def _begin(self) -> int:
        self._begun += 1
        return -self._begun
