"""Protocols of mask generators: their parameters, and the search for every object of a plane.

A new generator is a module that implements :class:`MaskGenerator`, with frozen parameters of its
own, and an entry in :mod:`napari_segany.generators.registry`.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, Self

from napari_segany.errors import InputError

if TYPE_CHECKING:
    # Recipes are read without torch, and they need the parameters only.
    import numpy as np
    from numpy.typing import NDArray

    from napari_segany.core.callbacks import Progress, ShouldStop
    from napari_segany.core.masks import MaskSet
    from napari_segany.models.protocol import Embedding, PromptableModel


@dataclass(frozen=True)
class GeneratorParams:
    """Base of the parameters of mask generators.

    Subclasses are frozen dataclasses whose values have a form in JSON, and whose ``strategy`` has a
    default. Recipes store them with all values filled in.

    Attributes
    ----------
    strategy : str
        The generator's name in :data:`napari_segany.generators.registry.GENERATORS`, by which a
        recipe finds the type of its parameters again.
    """

    strategy: str

    def resolved(
        self, pred_iou_thresh: float, stability_score_thresh: float, min_area: int
    ) -> Self:
        """Return parameters with the model's own defaults filled in where values were left out."""
        del pred_iou_thresh, stability_score_thresh, min_area
        return self

    def resolved_for(self, model: "PromptableModel") -> Self:
        """Return parameters with everything filled in that a model decides.

        Those of a generator with weights of its own fill in these, too.

        Raises
        ------
        InputError
            If the generator cannot work with the model.
        """
        own = model.defaults
        return self.resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, as recipes store it."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_dict`; unknown names are an error."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise InputError(f"Unknown automatic parameters: {', '.join(sorted(unknown))}.")
        return cls(**values)


class MaskGenerator(Protocol):
    """A way to find every object of a plane; made from its parameters."""

    def find(
        self,
        model: "PromptableModel",
        plane: "NDArray[np.uint8]",
        *,
        region: "NDArray[np.bool_] | None" = None,
        embedding: "Embedding | None" = None,
        progress: "Progress | None" = None,
        should_stop: "ShouldStop | None" = None,
        refilter: bool = True,
    ) -> "MaskSet":
        """Find the objects of a plane.

        Parameters
        ----------
        model : PromptableModel
            The model that answers prompts.
        plane : ndarray
            (H, W, 3) uint8.
        region : ndarray, optional
            (H, W) boolean; objects are searched for only inside it.
        embedding : Embedding, optional
            The plane's embedding if it exists already.
        progress : callable, optional
            Called with steps done and in all, :meth:`count_steps` at the end.
        should_stop : callable, optional
            Polled often.
        refilter : bool
            Also keep candidates beyond the thresholds, so that ``MaskSet.filter`` can choose again
            (see :mod:`napari_segany.core.refilterable`). The masks returned are the same.

        Returns
        -------
        MaskSet
            Best first.

        Raises
        ------
        InputError
            If ``region`` has another shape than the plane.
        Cancelled
            If ``should_stop`` returned True.
        """
        ...

    def count_steps(self, shape: tuple[int, int], region: "NDArray[np.bool_] | None" = None) -> int:
        """Return the number of steps that :meth:`find` reports on a plane of ``shape``, at most."""
        ...
