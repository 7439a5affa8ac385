"""Reader of prompt layers: from points and shapes to one prompt per object."""

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
"""Points belong to one object, or each positive point begins another object."""


@dataclass
class LayerPrompts:
    """Prompts of two layers, and the object of each row.

    Attributes
    ----------
    wanted : dict
        Plane and prompt of every object; negative numbers are new objects.
    of_points, of_shapes : list of int
        Object of each point and shape; ``NEW`` for rows that are no prompt.
    outdated : bool
        True if there are rows of committed objects, which the layers show until the step is over.
        They are no prompts.
    """

    wanted: dict[int, tuple[Plane, Prompt]] = field(default_factory=dict)
    of_points: list[int] = field(default_factory=list)
    of_shapes: list[int] = field(default_factory=list)
    outdated: bool = False


class LayerReader:
    """Reads prompt layers for one session.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer, whose sliders place layers of fewer axes.
    image : LayerView
        Image of the session.
    session : Session
        Session, whose open objects keep the points with their number.
    mode : {"one", "many"}
        Assignment of new points to objects.
    view : tuple
        The plane in view.
    hidden : collection of int
        Open objects whose prompts are not drawn in the layers; they stay unchanged.
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
        self._prompts: dict[int, tuple[Plane, ShapePrompt]] = {}
        self._boxed: set[int] = set()
        self._begun = 0

    def read(self, points: Any, shapes: Any) -> LayerPrompts:
        """Return the prompts of a points and a shapes layer."""
        result = LayerPrompts()
        for number, positions, sign, _ in self._rows(points, points.data):
            result.of_points.append(self._point(number, positions[0], sign))
        for number, positions, sign, kind in self._rows(shapes, shapes.data):
            result.of_shapes.append(self._shape(number, positions, sign, kind))
        result.outdated = any(map(self._is_committed, (*result.of_points, *result.of_shapes)))
        for number, (plane, drawn) in self._prompts.items():
            result.wanted[number] = plane, self._prompt(number, plane, drawn)
        for number, each in self._open.items():
            prompt = each.prompt
            if number in self.hidden:
                result.wanted[number] = each.plane, prompt
            elif number not in result.wanted and prompt.box is None and prompt.has_mask:
                # Its mask is not drawn, and remains when all points are removed.
                rest = prompt if prompt.region is None else Prompt(mask=prompt.region)
                result.wanted[number] = each.plane, rest if prompt.points is not None else prompt
        return result

    def read_other(self, layer: Any) -> list[tuple[Plane, Prompt]]:
        """Return plane and prompt of each object in a points or shapes layer of another origin.

        Rows with the same value in a feature "object" belong together. Points whose feature
        "sign" is "negative", "-", 0 or False are off their object. A feature "label" that holds
        nothing but signs has the same meaning.
        """
        drawn: dict[tuple[Plane, Any], ShapePrompt] = {}
        kinds = getattr(layer, "shape_type", None)
        owners, signs = layer.features.get("object"), layer_features.sign_column(layer.features)
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
            if owners is not None:
                key = (plane, owners.iloc[i])
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
        """Return the prompt of an object; the same instance if nothing changed."""
        shape = plane_shape(self.session.source.shape, plane)
        if number not in self._open:
            return drawn.prompt(shape)
        known = self._open[number].prompt
        drawn.keep_order_of(known)
        # A mask that is not drawn came from labels, or from an outline whose box is drawn. It is
        # kept unless that box was moved.
        keeps_mask = known.box is None or drawn.box == known.box.tolist()
        prompt = drawn.prompt(shape, known.region if keeps_mask else None)
        return known if is_same_prompt(prompt, known) else prompt

    def _rows(self, layer: Any, data: Any) -> Any:
        """Yield number, (N, n) positions in the image, sign and kind of each point or shape."""
        numbers = layer_features.column(layer, "object", layer_features.NEW)
        signs = layer_features.column(layer, "sign", layer_features.POSITIVE)
        kinds = getattr(layer, "shape_type", ["point"] * len(data))
        for number, each, sign, kind in zip(numbers, data, signs, kinds, strict=True):
            positions = in_image(self.viewer, layer, each, self.image)
            yield int(number), positions, int(str(sign) != layer_features.NEGATIVE), str(kind)

    def _place(
        self, number: int, positions: NDArray[np.float64]
    ) -> tuple[Plane, NDArray[np.float64]]:
        """Return the plane of positions, and (N, 2) row and column in it."""
        known = self._open.get(number)
        like = self.view if known is None else known.plane
        at = np.rint(positions[0]).astype(int).tolist()
        plane = tuple(None if n is None else m for n, m in zip(like, at, strict=True))
        return plane, positions[:, [axis for axis, n in enumerate(plane) if n is None]]

    def _in_image(self, plane: Plane) -> bool:
        shape = self.session.source.shape
        return all(n is None or 0 <= n < size for n, size in zip(plane, shape, strict=True))

    def _point(self, number: int, position: NDArray[np.float64], sign: int) -> int:
        if self._is_committed(number):
            return number
        plane, spots = self._place(number, position[None])
        if not self._in_image(plane):
            return layer_features.NEW
        if not inside(spots, plane_shape(self.session.source.shape, plane)).all():
            return layer_features.NEW
        number = self._owner_of_points(number, plane, spots, sign)
        drawn = self._prompt_of(number, plane)
        drawn.points.append(spots[0].tolist())
        drawn.signs.append(sign)
        return number

    def _shape(self, number: int, positions: NDArray[np.float64], sign: int, kind: str) -> int:
        if self._is_committed(number):
            return number
        plane, spots = self._place(number, positions)
        if not self._in_image(plane):
            return layer_features.NEW
        shape = plane_shape(self.session.source.shape, plane)
        given = prompts_of_shape(kind, spots, sign, shape)
        if given.empty:
            return layer_features.NEW
        if given.box is None:
            number = self._owner_of_points(number, plane, spots, sign)
        else:
            number = self._owner_of_box(number, plane)
            self._boxed.add(number)
        drawn = self._prompt_of(number, plane)
        drawn.add(given)
        return number

    def _prompt_of(self, number: int, plane: Plane) -> ShapePrompt:
        return self._prompts.setdefault(number, (plane, ShapePrompt()))[1]

    def _is_committed(self, number: int) -> bool:
        known = self.session.state.objects.get(number)
        return known is not None and known.commit is not None

    def _is_open_in(self, number: int, plane: Plane) -> bool:
        return number in self._open and self._open[number].plane == plane

    def _active(self, plane: Plane) -> int | None:
        """Return the active object if it is open in a plane, or its part there."""
        active = self.session.active
        if active is None:
            return None
        if self._is_open_in(active.id, plane):
            return active.id
        parts = (n for n, each in self._open.items() if each.whole == active.whole)
        return next((n for n in parts if self._is_open_in(n, plane)), None)

    def _owner_of_points(
        self, number: int, plane: Plane, spots: NDArray[np.float64], sign: int
    ) -> int:
        """Return the object of points; points without the number of an open object are new.

        Raises
        ------
        InputError
            If they are off an object, with many objects, and no object is open.
        """
        if self._is_open_in(number, plane):
            return number
        begun = [n for n, (where, _) in self._prompts.items() if where == plane and n < 0]
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
        """Return the open object with the nearest center in a plane."""
        here = [n for n in self._open if self._is_open_in(n, plane) and n not in self.hidden]
        if not here:
            raise InputError("A point off an object needs an open object in this plane.")
        distances = [np.linalg.norm(np.subtract(object_center(self._open[n]), spot)) for n in here]
        return here[int(np.argmin(distances))]

    def _owner_of_box(self, number: int, plane: Plane) -> int:
        """Return the object of a box: the active one if it has no box, else another."""
        if self._is_open_in(number, plane) and number not in self._boxed:
            return number
        active = self._active(plane) if self.mode == "one" else None
        if active is not None and active not in self._boxed:
            known = self._open[active].prompt
            drawn = self._prompts.get(active)
            if known.box is None and (drawn is None or drawn[1].box is None):
                return active
        return self._begin()

    def _begin(self) -> int:
        self._begun += 1
        return -self._begun
