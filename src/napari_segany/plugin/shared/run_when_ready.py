"""Start of work that needs a model, from a button or from a script that waits for it."""

from collections.abc import Callable

from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.pending_model import PendingModel


class RunWhenReady:
    """Starter of work now or when the model is loaded; loads the model if needed.

    Parameters
    ----------
    picker : ModelPicker
        Control that chooses and loads the model.
    pending : PendingModel
        Holder of the model and of what waits for it.
    jobs : QtJobQueue
        Queue of the work.
    message : MessageLine
        Line for the error if the model cannot be loaded.
    """

    def __init__(
        self, picker: ModelPicker, pending: PendingModel, jobs: QtJobQueue, message: MessageLine
    ) -> None:
        self._picker, self._pending, self._jobs, self._message = picker, pending, jobs, message
        self._failure: Exception | None = None
        picker.failed.connect(self._on_model_failed)

    def begin(self, act: Callable[[], object], wait: bool = False) -> None:
        """Call a function that starts work, and load the model if the work waits for it.

        Parameters
        ----------
        act : callable
            Starts the work.
        wait : bool
            Return when all work is done.

        Raises
        ------
        SeganyError
            If the work cannot be started, or its model cannot be loaded.
        """
        self._failure = None
        act()
        if self._pending.waiting:
            try:
                self._picker.ensure_loading()
            except SeganyError:
                self._pending.give_up()
                raise
        if wait:
            self._jobs.wait()
            if self._failure is not None:
                raise self._failure

    def _on_model_failed(self, error: Exception) -> None:
        if self._pending.waiting:
            self._failure = error
            self._pending.give_up()
            self._message.say_error(error)
