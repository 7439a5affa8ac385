"""Protocol of the candidates that a mask set keeps of a generator's run, for filtering again."""

from typing import Any, Protocol, TypeVar

Masks = TypeVar("Masks", covariant=True)


class Refilterable(Protocol[Masks]):
    """All candidates of a generator's run, from which masks can be chosen without the model."""

    @property
    def masks(self) -> Masks:
        """All candidates that were kept."""

    @property
    def loosest(self) -> tuple[float, float]:
        """Predicted IoU and stability below which no candidate was kept."""

    def filtered(self, **bounds: Any) -> Masks:
        """Choose with some bounds changed; None leaves a bound as it was.

        Raises
        ------
        InputError
            If a bound is looser than the candidates that were kept.
        """
