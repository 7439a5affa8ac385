"""Protocols of video memory: models that recall an object from the planes they have seen it on.

A model with video memory answers a plane by what it saw of an object on prompted planes and on the
latest others, not by a prompt. :mod:`napari_segany.linking.propagation` uses it through these
protocols only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.protocol import Embedding, PromptableModel


class PlaneMemory(Protocol):
    """The memory of one object on one plane. Its tensors belong to the model's family."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        ...


@dataclass(frozen=True, eq=False)
class Recalled:
    """An object on a plane, as a model with memory sees it.

    Attributes
    ----------
    mask : MaskSet
        One mask with its predicted IoU and low-resolution logits; empty if the object is not there.
        A mask that was given is returned as it is.
    presence : float
        Probability that the object is on the plane, 0..1.
    memory : PlaneMemory
        The memory of it.
    """

    mask: MaskSet
    presence: float
    memory: PlaneMemory


class ObjectMemory(Protocol):
    """The memory of one object on its way in one direction; bounded, however long the way is."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        ...

    def add(self, plane: int, memory: PlaneMemory) -> None:
        """Add the memory of the next plane, and drop what is too old to matter."""
        ...


class VideoMemory(Protocol):
    """The part of a model that follows objects by memory. Any thread may call its methods."""

    def see(
        self,
        embedding: Embedding,
        given: Sequence[Prompt | MaskSet],
        should_stop: ShouldStop | None = None,
    ) -> list[Recalled]:
        """Return objects on a plane on which they are prompted.

        Parameters
        ----------
        embedding : Embedding
            Of the plane.
        given : sequence of Prompt or MaskSet
            One prompt for each object, or a set of one mask that is taken as it is.
        should_stop : callable, optional
            Polled between objects.

        Raises
        ------
        InputError
            If a prompt does not fit the plane.
        Cancelled
            If ``should_stop`` returned True.
        """
        ...

    def begin(self, prompted: Mapping[int, PlaneMemory], forward: bool, count: int) -> ObjectMemory:
        """Return the memory of an object before its first step.

        Parameters
        ----------
        prompted : mapping
            Memories of prompted planes, by plane. Those ahead are known from the beginning.
        forward : bool
            The direction: to higher planes, or to lower ones.
        count : int
            Planes of the stack.
        """
        ...

    def recall(
        self,
        embedding: Embedding,
        plane: int,
        objects: Sequence[Any],
        should_stop: ShouldStop | None = None,
    ) -> list[Recalled]:
        """Return objects on a plane that is not prompted, each by its memory from :meth:`begin`.

        Raises
        ------
        Cancelled
            If ``should_stop`` returned True; it is polled between objects.
        """
        ...


@runtime_checkable
class HasVideoMemory(Protocol):
    """A model that may have video memory."""

    def video_memory(self) -> VideoMemory:
        """Return its video memory.

        Raises
        ------
        InputError
            If it has none.
        WeightsError
            If its weights have none.
        """
        ...


def video_memory_of(model: PromptableModel) -> VideoMemory:
    """Return the video memory of a model.

    Raises
    ------
    InputError
        If it has none.
    WeightsError
        If its weights have none.
    """
    if isinstance(model, HasVideoMemory):
        return model.video_memory()
    raise InputError(
        f"The model {model.id} has no video memory; choose a SAM 2.1 or SAM 3 model, or the "
        'method "prompts".'
    )
