"""Corrections that ask the model: a split by two points, and a frame filled by propagation."""

from typing import Any

import numpy as np

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.linking.propagation.appearance import PlaneView
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.tracks.object_edits import add_object, split_object
from napari_segany.linking.tracks.split import Point, pixels_of, split_mask
from napari_segany.linking.tracks.track_edit import FrameMask
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.tracks.controller import TracksController
from napari_segany.session.inference import Predictor

MASKS_LEFT = 4
"""Pixels below which a found mask is too small to be an object."""


class ModelTools:
    """Corrections that ask the model in the background.

    Parameters
    ----------
    controller : TracksController
        The tracks; it holds the model.
    embeddings_bytes : int
        Memory for embeddings of frames.
    """

    def __init__(self, controller: TracksController, embeddings_bytes: int) -> None:
        self._controller = controller
        self._cache = EmbeddingCache(embeddings_bytes)
        # The image that embeddings are of.
        self._image: Any = None

    def split(self, track: int, frame: int, points: tuple[Point, Point]) -> None:
        """Split an object by a point in each part; each is asked with the other as background.

        The first part stays in the track. The second becomes a new track, or joins one that is
        missing in the frame and overlaps it in the frames around.

        Parameters
        ----------
        track, frame : int
            The object.
        points : tuple
            Row and column of the two points.

        Raises
        ------
        InputError
            If it has no object there, or no image is chosen.
        """
        mask = self._mask(track, frame)
        # Before the model is asked: a point off the object needs no model.
        pixels_of(mask, points)
        prompts = [Prompt(points=points, labels=[1, 0]), Prompt(points=points, labels=[0, 1])]
        self._controller.with_model(
            lambda model: self._ask_split(model, track, frame, mask, points, prompts)
        )

    def _ask_split(
        self,
        model: PromptableModel,
        track: int,
        frame: int,
        mask: FrameMask,
        points: tuple[Point, Point],
        prompts: list[Prompt],
    ) -> None:
        predictor, controller = self._predictor(model), self._controller
        session = controller.opened()

        def work(should_stop: ShouldStop) -> tuple[FrameMask, FrameMask]:
            plane = (frame, None, None)
            one, two = predictor.candidates(plane, [(p, None) for p in prompts], should_stop)
            return split_mask(mask, points, (one, two))

        def done(parts: tuple[FrameMask, FrameMask]) -> None:
            if controller.session is session:
                new = session.next_id
                edit = split_object(session.table, frame, track, parts, new)
                session.apply(edit, link=new)
                second = session.frames.at(frame, parts[1])
                controller.select(track, second)

        controller.jobs.submit("split", Priority.REQUEST, work, done, controller.refuse)
        controller.status.emit("Splitting ...", "info")

    def fill(self, track: int, frame: int) -> None:
        """Add the object of a track to a frame in which it is missing, by propagation.

        The frames before and after it in which the track is there are the prompts.

        Parameters
        ----------
        track, frame : int
            The track, and the frame to fill.

        Raises
        ------
        InputError
            If it is there already, or no image is chosen.
        """
        session = self._controller.opened()
        table = session.table
        frames = table.frame[table.rows_of(track)]
        if not len(frames):
            raise InputError(f"There is no track {track}.")
        if frame in frames:
            raise InputError(f"Track {track} has an object in frame {frame} already.")
        before, after = frames[frames < frame], frames[frames > frame]
        ends = [int(side[at]) for side, at in ((before, -1), (after, 0)) if len(side)]
        masks = {end: self._mask_set(self._mask(track, end)) for end in ends}
        self._controller.with_model(lambda model: self._ask_fill(model, track, frame, masks))

    def _ask_fill(
        self, model: PromptableModel, track: int, frame: int, masks: dict[int, MaskSet]
    ) -> None:
        predictor, controller = self._predictor(model), self._controller
        session = controller.opened()
        planes = range(min(frame, *masks), max(frame, *masks) + 1)

        def view(number: int) -> PlaneView:
            plane = (number, None, None)
            return PlaneView(predictor.embedding(plane), predictor.source.read(plane))

        def work(should_stop: ShouldStop) -> tuple[MaskSet, float]:
            params = PropagationParams(predict_motion=True)
            found = propagate_objects(
                model, view, planes, {track: masks}, params, should_stop=should_stop
            )
            answer = found.objects[track].answers.get(frame)
            if answer is None:
                raise InputError(f"Track {track} was not found in frame {frame}.")
            return answer.mask, answer.confidence

        def done(found: tuple[MaskSet, float]) -> None:
            if controller.session is session:
                mask = self._free_pixels(found[0], frame)
                edit = add_object(session.table, frame, track, mask, found[1])
                controller.apply(edit, select=[track])

        controller.jobs.submit("fill", Priority.REQUEST, work, done, controller.refuse)
        controller.status.emit("Filling the frame ...", "info")

    def _free_pixels(self, found: MaskSet, frame: int) -> FrameMask:
        """Return a mask without the pixels of other objects."""
        start = (int(found.boxes[0, 0]), int(found.boxes[0, 1]))
        whole = FrameMask(start, found.crop(0))
        there = self._controller.opened().frames.data[frame][whole.box]
        free = whole.pixels & (there == 0)
        if np.count_nonzero(free) < MASKS_LEFT:
            raise InputError(f"What was found in frame {frame} belongs to other objects.")
        return FrameMask(start, free)

    @property
    def _shape(self) -> tuple[int, ...]:
        return self._controller.opened().frames.data.shape[1:]

    def _mask(self, track: int, frame: int) -> FrameMask:
        controller = self._controller
        mask = controller.opened().frames.mask(frame, track)
        if len(self._shape) != 2:
            raise InputError(
                "Objects of volumes are not split or filled here, only those of planes."
            )
        if mask is None:
            raise InputError(f"Track {track} has no object in frame {frame}.")
        if controller.image is None:
            raise InputError("Choose the image of the labels; the model is asked about it.")
        return mask

    def _mask_set(self, mask: FrameMask) -> MaskSet:
        rows, cols = self._shape
        row, col = mask.start
        return MaskSet.from_crops((rows, cols), [mask.pixels], [(row, col)])

    def _predictor(self, model: PromptableModel) -> Predictor:
        view = self._controller.image
        assert view is not None
        if self._image is not view:
            self._image = view
            self._cache.clear()
        return Predictor(view.source(), model, self._cache)
