"""Holder of a model that may still be loading, and of the work that waits for it."""

from collections.abc import Callable

from psygnal import Signal

from napari_segany.errors import SeganyError
from napari_segany.models.protocol import PromptableModel


class PendingModel:
    """Model that is loaded now or later; work requested before starts when it is set.

    Attributes
    ----------
    status : Signal
        Emitted with a message, and with its severity unless that is "info".
    """

    status = Signal(str, str)

    def __init__(self) -> None:
        self._model: PromptableModel | None = None
        self._waiting: list[Callable[[], None]] = []

    @property
    def model(self) -> PromptableModel | None:
        """The model; setting it starts the work that waits for it."""
        return self._model

    @model.setter
    def model(self, model: PromptableModel | None) -> None:
        self._model = model
        self._follow_model()
        if model is not None:
            waiting, self._waiting = self._waiting, []
            for act in waiting:
                try:
                    act()
                except SeganyError as error:
                    self.status.emit(str(error), "error")

    def _follow_model(self) -> None:
        """Adapt to another model; a subclass may override this method."""

    @property
    def waiting(self) -> bool:
        """True if work waits for the model."""
        return bool(self._waiting)

    def give_up(self) -> None:
        """Discard all work that waits for the model."""
        self._waiting = []

    def with_model(self, act: Callable[[PromptableModel], None]) -> None:
        """Call a function with the model, now or when there is one."""

        def now() -> None:
            assert self._model is not None
            act(self._model)

        if self._model is not None:
            now()
        else:
            self._waiting.append(now)
            self.status.emit("Waiting for the model ...")
