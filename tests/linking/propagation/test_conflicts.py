import numpy as np
import pytest
from tests.linking.masks import one

from napari_segany.linking.propagation.conflicts import resolve_conflicts
from napari_segany.linking.propagation.result import PropagatedObject
from napari_segany.linking.propagation.spans import PlaneAnswer, SpanResult, spans_of

SHAPE = (20, 40)


def block(left: int, right: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[4:16, left:right] = True
    return mask


def followed(prompted: dict[int, np.ndarray], found: dict[int, np.ndarray]) -> PropagatedObject:
    """An object with its masks on prompted planes and on those where it was found."""
    given = {plane: one(mask) for plane, mask in prompted.items()}
    spans = {}
    for span in spans_of(prompted):
        inside = {
            plane: PlaneAnswer(one(mask), 0.9)
            for plane, mask in found.items()
            if (span.first is None or plane > span.first)
            and (span.last is None or plane < span.last)
        }
        spans[span] = SpanResult("", inside, "stack")
    prompts = {plane: PlaneAnswer(mask) for plane, mask in given.items()}
    each = PropagatedObject(dict(given), prompts, spans, {})
    return PropagatedObject(dict(given), prompts, spans, each.found())


def masks_of(each: PropagatedObject) -> dict[int, np.ndarray]:
    return {plane: answer.mask.mask(0) for plane, answer in each.answers.items()}


def test_oblique_neighbours_share_the_planes_between_them() -> None:
    """On planes 1 to 3 both were found as one outline."""
    both = {plane: block(10, 30) for plane in (1, 2, 3)}
    objects = {
        1: followed({0: block(10, 20)}, both),
        2: followed({4: block(20, 30)}, both),
    }
    found = {i: masks_of(each) for i, each in resolve_conflicts(objects, 0.75, 1.0).items()}
    assert list(found[1]) == [0, 1, 2, 3]
    assert list(found[2]) == [1, 2, 3, 4]
    for plane in (1, 2, 3):
        assert not (found[1][plane] & found[2][plane]).any()
        assert ((found[1][plane] | found[2][plane]) == block(10, 30)).all()
    # Half way, the border is where the prompted masks meet, up to rounded corners.
    assert (found[1][2] ^ block(10, 20)).sum() < 12
    # The nearer a plane is, the further an object reaches there.
    sizes = [int(found[1][plane].sum()) for plane in (1, 2, 3)]
    assert sizes == sorted(sizes, reverse=True)


def test_an_object_ends_where_it_loses_more_than_the_limit() -> None:
    column = block(10, 22)
    objects = {
        1: followed({0: column}, dict.fromkeys(range(1, 9), column)),
        2: followed({9: column}, dict.fromkeys(range(2, 9), column)),
    }
    found = resolve_conflicts(objects, 0.75, 1.0)
    assert found[1].planes == (0, 1, 2, 3, 4)
    assert found[2].planes == (5, 6, 7, 8, 9)
    assert resolve_conflicts(objects, 1.0, 1.0)[1].planes == tuple(range(9))


def test_what_is_beyond_the_end_goes_too() -> None:
    """Behind the plane on which it met another object, it was found alone again."""
    objects = {
        1: followed({0: block(10, 20)}, {plane: block(10, 20) for plane in (1, 2, 3, 4)}),
        2: followed({2: block(10, 20)}, {}),
    }
    assert resolve_conflicts(objects, 0.75, 1.0)[1].planes == (0, 1)


@pytest.mark.parametrize("shared", [0.0, 0.75])
def test_prompted_planes_and_planes_between_them_stay(shared: float) -> None:
    whole, part = block(10, 30), block(20, 30)
    objects = {
        1: followed({0: whole, 4: whole}, dict.fromkeys((1, 2, 3), whole)),
        2: followed({0: part, 2: part}, {1: part}),
    }
    found = {i: masks_of(each) for i, each in resolve_conflicts(objects, shared, 1.0).items()}
    # Both were given on plane 0, so they overlap there.
    assert (found[1][0] == whole).all()
    assert (found[2][0] == part).all()
    assert (found[1][4] == whole).all()
    assert (found[2][2] == part).all()
    assert (found[1][2] == block(10, 20)).all()
    assert list(found[1]) == [0, 1, 2, 3, 4]
