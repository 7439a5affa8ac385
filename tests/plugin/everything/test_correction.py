"""Objects that are corrected in the Prompt dock take the places of found ones in the labels."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from tests.generators.squares import spots, use_squares

from napari_segany import FinderParams, MaskSet
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.errors import InputError
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.export_code import as_python
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.layers.transforms import camera_of
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.session.session import Session

HERE = (1, None, None)


class Docks:
    """Both docks' controllers on one stack, whose middle plane was searched."""

    def __init__(self, viewer: Any, jobs: Any, model: Any) -> None:
        self.jobs = jobs
        self.everything = EverythingController(viewer, jobs)
        self.prompt = PromptController(viewer, jobs)
        self.everything.model = self.prompt.model = model
        image = viewer.add_layer(Image(np.stack([spots()] * 3), name="spots"))
        viewer.dims.set_current_step(0, 1)
        self.everything.open_image(image)
        self.everything.find()
        jobs.run()
        self.review = ObjectReview(self.everything)
        self.label = self.review.show_next()
        self.candidate = self.label - 1

    def correct(self) -> None:
        """Open the selected object in the Prompt dock, as the button does."""
        if self.everything.made is None:
            self.everything.make_labels()
        assert self.everything.view is not None
        self.prompt.open_image(self.everything.view.layer)
        self.review.correct(self.label, self.dock)
        self.jobs.run()

    @property
    def dock(self) -> Any:
        """What the review knows of the Prompt dock."""
        session = self.prompt.session
        return SimpleNamespace(controller=self.prompt, session=session, reset_choices=lambda: None)

    def commit(self, mask: MaskSet) -> None:
        """Commit one mask as the answer of the model about the open object."""
        session = self.session
        (number,) = [each.id for each in session.state.open]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Session, "preview", lambda self, n=None: mask if n == number else None)
            session.commit([number])
        self.jobs.run()

    @property
    def session(self) -> Session:
        assert self.prompt.session is not None
        return self.prompt.session

    @property
    def data(self) -> Any:
        """The labels of the plane, copied."""
        assert self.everything.made is not None
        return np.array(self.everything.made.layer.data[1])

    @property
    def id(self) -> int:
        assert self.everything.made is not None
        label = self.everything.made.label_of(HERE, self.candidate)
        assert label is not None
        return label


@pytest.fixture
def docks(viewer: Any, jobs: Any, tiny_model: Any, monkeypatch: Any) -> Iterator[Docks]:
    use_squares(monkeypatch)
    made = Docks(viewer, jobs, tiny_model)
    yield made
    made.everything.end()
    made.prompt.end()


def moved(before: Any, label: int) -> MaskSet:
    """Return the pixels of a label moved a little, and some that are another object's."""
    mask = np.roll(before == label, (2, 3), (0, 1)) | np.roll(before == label, 12, 1)
    return MaskSet.from_masks(mask[None], [0.75], [0.5])


def test_the_commit_replaces_the_found_object(docks: Docks) -> None:
    docks.correct()
    before, label, found = docks.data, docks.id, docks.everything.found
    assert found is not None
    assert before.max() == 6
    assert (docks.data == before).all(), "nothing changes before the commit"
    (each,) = docks.session.state.open
    assert each.label == label
    mask = moved(before, label)
    docks.commit(mask)
    wanted = np.where(before == label, 0, before)
    wanted[mask.mask(0) & (wanted == 0)] = label
    assert (wanted == label).sum() < mask.area[0], "some pixels are those of others"
    assert np.array_equal(docks.data, wanted)
    assert found.corrected[HERE][docks.candidate].area[0] == (wanted == label).sum()
    assert docks.candidate in found.accepted[HERE]
    row = docks.everything.made.layer.features.set_index("index").loc[label]
    assert row["predicted_iou"] == pytest.approx(0.75)

    assert docks.prompt.undo()
    docks.jobs.run()
    assert np.array_equal(docks.data, before)
    assert not found.corrected[HERE]
    assert docks.candidate not in found.accepted[HERE]
    assert docks.prompt.redo()
    docks.jobs.run()
    assert np.array_equal(docks.data, wanted)
    assert docks.candidate in found.corrected[HERE]


def test_objects_are_named_by_their_label_once_there_are_labels(docks: Docks) -> None:
    review, said, told = docks.review, [], []
    assert review.number_of(HERE, docks.candidate) == docks.label
    # A rejected object has no label, so that all after it have smaller ones.
    first, last = sorted((1, docks.label)) if docks.label > 1 else (1, 2)
    review.reject(first)
    docks.label, docks.candidate = last, last - 1
    docks.everything.status.connect(lambda text, _="info": said.append(text))
    docks.prompt.status.connect(lambda text, _="info": told.append(text))
    docks.correct()
    assert docks.id == last - 1
    assert review.number_of(HERE, docks.candidate) == docks.id
    assert told[-1].startswith(f"Correct object {docks.id}: click on it or off it")
    docks.commit(moved(docks.data, docks.id))
    assert said[-1] == f"Object {docks.id} was corrected."
    review.undo()
    review.undo()
    with pytest.raises(InputError, match="'Change filters', then 'Make labels'"):
        review.correct(first, docks.dock)


def test_the_review_takes_a_correction_back(docks: Docks) -> None:
    docks.correct()
    before, label = docks.data, docks.id
    docks.commit(moved(before, label))
    assert not np.array_equal(docks.data, before)
    assert docks.review.undo() == docks.label
    docks.jobs.run()
    assert np.array_equal(docks.data, before)
    assert [each.label for each in docks.session.state.open] == [label], "it is open again"
    docks.commit(moved(before, label))
    docks.prompt.close_session()
    assert not np.array_equal(docks.data, before)
    assert docks.review.undo() == docks.label
    assert np.array_equal(docks.data, before), "also when the session has ended"


def test_correcting_again_opens_the_same_object(docks: Docks) -> None:
    docks.correct()
    before, label = docks.data, docks.id
    docks.commit(moved(before, label))
    docks.correct()
    assert [each.label for each in docks.session.state.open] == [label]
    assert np.array_equal(docks.data, before)
    docks.commit(moved(before, label))
    assert (docks.data == label).any()


def test_a_correction_outlives_filters_and_further_labels(docks: Docks) -> None:
    docks.correct()
    before, label, of = docks.data, docks.id, docks.everything
    docks.commit(moved(before, label))
    corrected = docks.data
    first = of.made.layer
    of.filter_again()
    assert of.made is None
    assert of.layer.visible
    assert not first.visible
    again = of.make_labels()
    assert np.array_equal(again.data[1] > 0, corrected > 0)
    assert again.metadata["napari_segany"]["corrected"] == {str(HERE): [docks.candidate]}
    of.apply_filters(Filters(pred_iou_thresh=0.99))
    kept = of.shown.candidate.tolist()
    assert docks.candidate in kept
    assert len(kept) < 6
    assert any("corrected (1)" in note for note in as_python(of.found, of.view).notes)
    of.find()
    docks.jobs.run()
    assert docks.candidate in of.found.corrected[HERE], "a repeated search keeps it"


def test_what_is_rejected_leaves_the_labels_and_comes_back(docks: Docks) -> None:
    docks.everything.make_labels()
    before, label = docks.data, docks.id
    docks.review.reject(docks.label)
    assert np.array_equal(docks.data, np.where(before == label, 0, before))
    assert docks.review.undo() == docks.label
    assert np.array_equal(docks.data, before)


def test_only_what_is_in_the_labels_can_be_corrected(docks: Docks) -> None:
    docks.everything.make_labels()
    docks.everything.made._ids[HERE].pop(docks.candidate)
    with pytest.raises(InputError, match="not in the labels"):
        docks.correct()
    assert docks.prompt.session is not None
    assert not docks.prompt.session.state.objects


def test_a_session_that_goes_on_in_other_labels_leaves_these_alone(docks: Docks) -> None:
    docks.correct()
    before, label, found = docks.data, docks.id, docks.everything.found
    docks.commit(moved(before, label))
    corrected = docks.data
    docks.prompt.commit_into(None)
    assert not np.array_equal(before, corrected)
    assert np.array_equal(docks.data, corrected)
    assert found is not None
    assert docks.candidate in found.corrected[HERE]
    assert docks.review.undo() == docks.label
    assert np.array_equal(docks.data, before)


def test_a_search_with_other_numbers_is_not_corrected(docks: Docks) -> None:
    docks.correct()
    before, label, found = docks.data, docks.id, docks.everything.found
    made = docks.everything.made
    docks.everything.find(FinderParams(min_area=40))
    docks.jobs.run()
    assert docks.everything.made is None
    docks.commit(moved(before, label))
    assert not np.array_equal(made.layer.data[1], before), "the labels are"
    assert found is not None
    assert not found.corrected
    assert docks.prompt.undo()
    docks.jobs.run()
    assert np.array_equal(made.layer.data[1], before)


def test_the_review_follows_a_correction(docks: Docks) -> None:
    docks.correct()
    assert docks.review.present is not None
    assert docks.review.present.reasons[:1] != ("corrected",)
    assert (docks.review.done, docks.review.left) == (0, 6)
    docks.commit(moved(docks.data, docks.id))
    assert docks.review.present.reasons[0] == "corrected"
    assert docks.review.done == 1
    assert docks.review.show_next() != docks.label
    docks.prompt.viewer.dims.ndisplay = 3
    assert docks.prompt.undo(), "also while no plane is in view"
    docks.jobs.run()
    docks.prompt.viewer.dims.ndisplay = 2
    assert docks.review.show_next() == docks.label


def test_any_object_is_shown_by_a_click_on_it(docks: Docks) -> None:
    of, review = docks.everything, docks.review
    centre = tuple(camera_of(docks.prompt.viewer).center)
    for candidate in of.shown.candidate.tolist():
        assert review.show(of.layer, candidate + 1) == candidate + 1
        assert review.present.candidate == candidate
    of.make_labels()
    for candidate in of.shown.candidate.tolist():
        label = of.made.label_of(HERE, candidate)
        assert review.show(of.made.layer, label) == candidate + 1
        assert of.made.layer.selected_label == label
    assert tuple(camera_of(docks.prompt.viewer).center) == centre
    assert review.show(of.made.layer, 99) is None, "painted by hand"
    last = candidate
    review.accept(last + 1)
    assert review.show(of.layer, last + 1) == last + 1, "also what is accepted"


def test_a_corrected_object_keeps_its_class(docks: Docks) -> None:
    found = docks.everything.found
    assert found is not None
    every = found.masks[HERE].all_candidates
    index = np.arange(len(every)) % 2
    classes = MaskClasses(("cell", "dirt"), index, np.full(len(every), 0.5, np.float32), (0.5, 0.5))
    candidates = replace(found.masks[HERE]._candidates, masks=replace(every, classes=classes))
    found.masks[HERE] = candidates.select()
    docks.correct()
    docks.commit(moved(docks.data, docks.id))
    assert found.corrected[HERE][docks.candidate].classes.index.tolist() == [docks.candidate % 2]
    features = docks.everything.make_labels().features
    assert sorted(features["class"]) == ["cell"] * 3 + ["dirt"] * 3
