"""Waiting for a model, however early something is asked for."""

from collections.abc import Callable

from psygnal import Signal

from napari_segany.errors import SeganyError
from napari_segany.models.protocol import PromptableModel


class PendingModel:
    """Has a model, or will have one; what is asked for before is begun as soon as it is there.

    Attributes
    ----------
    status : Signal
        Emitted with a line.
    """

    status = Signal(str)

    def __init__(self) -> None:
        self._model: PromptableModel | None = None
        # What is to be done as soon as there is a model.
        self._wishes: list[Callable[[], None]] = []

    @property
    def model(self) -> PromptableModel | None:
        """The model that is asked; what waited for it is begun when it is set."""
        return self._model

    @model.setter
    def model(self, model: PromptableModel | None) -> None:
        self._model = model
        self._follow_model()
        if model is not None:
            wishes, self._wishes = self._wishes, []
            for act in wishes:
                try:
                    act()
                except SeganyError as error:
                    self.status.emit(str(error))

    def _follow_model(self) -> None:
        """There is another model."""

    @property
    def waiting(self) -> bool:
        """True if something is begun as soon as there is a model."""
        return bool(self._wishes)

    def give_up(self) -> None:
        """Wait for no model any more."""
        self._wishes = []

    def with_model(self, act: Callable[[PromptableModel], None]) -> None:
        """Do something now, or as soon as there is a model."""

        def now() -> None:
            assert self._model is not None
            act(self._model)

        if self._model is not None:
            now()
        else:
            self._wishes.append(now)
            self.status.emit("Waiting for the model ...")
