import numpy as np
import pytest
from tests.linking.masks import one
from tests.linking.propagation.bright import BrightModel, Planes

from napari_segany import Prompt
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.linking.propagation.walls import UnlikePlanes

SQUARE = Prompt(box=[8, 8, 19, 19])


def column(*levels: int) -> Planes:
    """A column of one cross-section, with a brightness for each plane."""
    volume = np.full((len(levels), 30, 30), 20, np.uint8)
    volume[:, 8:20, 8:20] = np.array(levels)[:, None, None]
    return Planes(BrightModel(), volume)


def planes_found(view: Planes, spacing: float | None) -> tuple[tuple[int, ...], str]:
    found = propagate_objects(
        view.model, view, range(len(view.volume)), {1: {2: SQUARE}}, spacing=spacing
    )
    return found.objects[1].planes, found.objects[1].ends[1]


def test_the_middle_of_a_wall_is_its_darkest_plane() -> None:
    unlike = UnlikePlanes()
    mask = one(np.ones((4, 4), bool))
    for plane, level in ((7, 0.4), (6, 0.1), (5, -0.3), (4, 0.2)):
        unlike.add(plane, PlaneAnswer(mask), level)
    assert len(unlike) == 4
    assert unlike.rises_to(0.6)
    assert not unlike.rises_to(-0.1)
    assert list(unlike.before_middle()) == [7, 6]


def test_an_object_reaches_to_the_middle_of_the_wall_behind_it() -> None:
    view = column(200, 200, 200, 200, 108, 105, 102, 105, 108, 200, 200)
    assert planes_found(view, 1.0) == ((0, 1, 2, 3, 4, 5), "similarity")


@pytest.mark.parametrize(
    ("levels", "spacing"),
    [
        # Nothing like the object follows, up to another end or to that of the stack.
        ((200, 200, 200, 200, 108, 105, 102, 105, 108, 20, 20), 1.0),
        ((200, 200, 200, 200, 108, 105, 102, 105, 108), 1.0),
        # A wall of five planes is too thick where planes are far from each other.
        ((200, 200, 200, 200, 108, 105, 102, 105, 108, 200, 200), 2.0),
        # How far planes are from each other is not known.
        ((200, 200, 200, 200, 108, 105, 102, 105, 108, 200, 200), None),
    ],
)
def test_without_a_wall_it_ends_at_the_first_plane_that_is_unlike_it(
    levels: tuple[int, ...], spacing: float | None
) -> None:
    assert planes_found(column(*levels), spacing) == ((0, 1, 2, 3), "similarity")


def test_planes_in_front_of_the_middle_are_reported_when_the_wall_is_known() -> None:
    view = column(200, 200, 200, 108, 102, 108, 200)
    heard: list[int] = []
    propagate_objects(
        view.model,
        view,
        range(7),
        {1: {0: SQUARE}},
        spacing=1.0,
        on_answer=lambda i, plane, answer: heard.append(plane),
    )
    assert heard == [1, 2, 3]
