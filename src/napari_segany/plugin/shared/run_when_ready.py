"""Beginning what needs a model, from a button or from a script that waits for it."""

from collections.abc import Callable

from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.queue import QtJobQueue
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.pending_model import PendingModel


class RunWhenReady:
    """Begins things now or when the model is there, and has it loaded if need be.

    Parameters
    ----------
    picker : ModelPicker
        Where the model is chosen and loaded.
    asker : PendingModel
        What has the model, and keeps what waits for it.
    jobs : QtJobQueue
        Where work is done.
    message : MessageLine
        Where it is said that there is no model.
    """

    def __init__(
        self, picker: ModelPicker, asker: PendingModel, jobs: QtJobQueue, message: MessageLine
    ) -> None:
        self._picker, self._asker, self._jobs, self._message = picker, asker, jobs, message
        self._failure: Exception | None = None
        picker.failed.connect(self._on_no_model)

    def begin(self, act: Callable[[], object], wait: bool = False) -> None:
        """Begin something that waits for the model by itself.

        Parameters
        ----------
        act : callable
            Begins it.
        wait : bool
            Return when all work is done.

        Raises
        ------
        SeganyError
            If it cannot be begun, or its model cannot be had.
        """
        self._failure = None
        act()
        if self._asker.waiting:
            try:
                self._picker.want()
            except SeganyError:
                self._asker.give_up()
                raise
        if wait:
            self._jobs.wait()
            if self._failure is not None:
                raise self._failure

    def _on_no_model(self, error: Exception) -> None:
        if self._asker.waiting:
            self._failure = error
            self._asker.give_up()
            self._message.complain(str(error))
