"""Classes of objects with parts in several planes."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.linking.planes import SHAPE, disc, plane

from napari_segany import LinkParams
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.linking.linked_volume import link_volume
from napari_segany.linking.object_classes import class_columns, majority_classes
from napari_segany.linking.plane_candidates import PlaneCandidates

ONE, TWO = disc(14, 14, 8), disc(30, 44, 9)


def classed(candidates: PlaneCandidates, names: tuple[str, ...], *found: int) -> PlaneCandidates:
    """The candidates with classes; object ``i`` has the score 0.5 + i / 10."""
    index = np.array(found, np.int64)
    scores = (0.5 + np.arange(len(found)) / 10).astype(np.float32)
    classes = MaskClasses(names, index, scores, (0.9,) * len(names))
    return replace(candidates, masks=replace(candidates.masks, classes=classes))


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(-1, 3), st.floats(0, 1, width=32)), max_size=20
    )
)
def test_the_class_is_that_of_most_parts(parts: list[tuple[int, int, float]]) -> None:
    label, index = (np.array([each[k] for each in parts], np.int64) for k in (0, 1))
    score = np.array([each[2] for each in parts], np.float64)
    found, means = majority_classes(label, 4, index, score)
    for k in range(1, 5):
        own = {c: [each[2] for each in parts if each[:2] == (k, c)] for c in range(4)}
        most = max(len(some) for some in own.values())
        if most == 0:
            assert found[k - 1] == -1
            assert np.isnan(means[k - 1])
            continue
        best = max(np.mean(some) for some in own.values() if len(some) == most)
        assert len(own[found[k - 1]]) == most
        assert np.isclose(np.mean(own[found[k - 1]]), best)
        assert np.isclose(means[k - 1], best)


def test_columns_have_names() -> None:
    columns = class_columns(("cell", "nucleus"), np.array([1, -1, 0]), np.array([0.5, np.nan, 1]))
    assert columns["class"].tolist() == ["nucleus", "", "cell"]


def test_a_volume_has_the_class_of_most_planes() -> None:
    names = ("cell", "nucleus")
    planes = [
        classed(plane([ONE, TWO]), names, 0, 1),
        # Planes may know their phrases in another order.
        classed(plane([ONE, TWO]), names[::-1], 0, 0),
        classed(plane([ONE, TWO]), names, 0, 0),
        PlaneCandidates.empty(SHAPE),
    ]
    volume = link_volume(planes.__getitem__, (4, *SHAPE), LinkParams())
    table = volume.objects()
    assert table["class"].tolist() == ["cell", "nucleus"]
    assert np.allclose(table["class_score"], [0.5, 0.6])
    assert volume.filter(min_planes=4).objects()["class"].tolist() == []
    plain = link_volume([plane([ONE])].__getitem__, (1, *SHAPE), LinkParams())
    assert "class" not in plain.objects()
    assert table.keys() - plain.objects().keys() == {"class", "class_score"}
