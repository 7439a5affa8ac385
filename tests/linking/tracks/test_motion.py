"""Tests of the motion that objects keep, and of the margin of links."""

import numpy as np
import pytest
from tests.linking.tracks.movies import found_links, moving_discs

from napari_segany.linking.tracks.link_costs import Candidates, link_margin
from napari_segany.linking.tracks.link_labels import link_labels
from napari_segany.linking.tracks.motion import estimate_motion, no_motion
from napari_segany.linking.tracks.observed_movie import ObservedMovie, observe
from napari_segany.linking.tracks.track_params import TrackParams


def observed(movie) -> ObservedMovie:
    frames = range(len(movie.labels))
    return observe(movie.labels.__getitem__, frames, "YX", {}, max_gap=0, align=True)


def true_links(movie, found: ObservedMovie) -> np.ndarray:
    label, frame = (
        found.gather("label"),
        np.repeat(np.arange(len(found.frames)), np.diff(found.first_row)),
    )
    rows = {pair: i for i, pair in enumerate(zip(frame.tolist(), label.tolist(), strict=True))}
    before = np.full(len(label), -1, np.intp)
    for one, two in movie.links:
        before[rows[two]] = rows[one]
    return before


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_the_part_of_a_step_that_is_repeated_is_found(persistence: float):
    movie = moving_discs(
        0, frames=12, count=25, shape=(400, 400), radius=4, step=4.0, persistence=persistence
    )
    found = observed(movie)
    before = true_links(movie, found)
    motion = estimate_motion(found, before, np.ones(len(before)))
    assert motion.persistence == pytest.approx(persistence, abs=0.12)
    rows = np.flatnonzero(before >= 0)
    assert np.allclose(motion.ahead(rows, 1), motion.persistence * motion.last_step[rows])
    twice = motion.persistence + motion.persistence**2
    assert np.allclose(motion.ahead(rows, 2), twice * motion.last_step[rows])


def test_few_steps_say_nothing():
    found = observed(moving_discs(0, frames=2, count=3))
    motion = estimate_motion(found, np.full(len(found.area), -1), np.ones(len(found.area)))
    assert motion.persistence == no_motion(found).persistence == 0
    assert not motion.last_step.any()


def test_fast_objects_that_keep_their_way_are_followed_better():
    found = {True: 0.0, False: 0.0}
    for seed in range(3):
        movie = moving_discs(seed, count=12, step=10.0, persistence=0.9)
        for predict in found:
            params = TrackParams(predict_motion=predict)
            table = link_labels(movie.labels.__getitem__, range(len(movie.labels)), params)
            made = found_links(table)
            found[predict] += len(made & movie.links) / (len(made) + len(movie.links))
    assert found[True] > found[False]


def test_a_margin_compares_with_the_best_alternative():
    pairs = np.array([[0, 5], [0, 6], [1, 6], [2, 7]])
    candidates = Candidates(pairs, np.array([0.1, 0.4, 0.3, 0.2]))
    chosen = np.array([True, False, True, True])
    # The first two have the candidate of 0.4 as their alternative, the last has no link at all.
    assert link_margin(candidates, chosen, 0.8).tolist() == pytest.approx([0.75, 0.25, 0.75])
    worse = np.array([False, True, False, True])
    assert link_margin(candidates, worse, 0.8).tolist() == pytest.approx([0.0, 0.75])
