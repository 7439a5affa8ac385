"""Earlier sessions on the image of the Prompt dock: restored, or computed again."""

from typing import TYPE_CHECKING, Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.metadata import METADATA
from napari_segany.session.journal import SavedSession
from napari_segany.session.replay import replay
from napari_segany.session.session_file import checked_session

if TYPE_CHECKING:
    from napari_segany.plugin.prompt.controller import PromptController


def restore(controller: "PromptController", saved: SavedSession) -> None:
    """Restore an earlier session; its objects come back in a new labels layer.

    Labels that it wrote into before come back in layers of their own. A session with any step
    ends; its labels stay, and it can be restored, too.

    Raises
    ------
    InputError
        If the image has another shape, or the present session would be lost because it is not
        recorded; nothing has changed then.
    """
    controller.finish()
    in_use = controller.sync.open_session().is_begun
    session, view = controller.host.prepare_restore(saved)
    for steps in saved.former:
        controller.sync.insert_below_prompts(controller.sync.labels.restored_layer(view, steps))
    if saved.steps:
        controller.commit_into(None)
    session.restore(saved)
    if in_use:
        controller.status.emit("The session before has ended; it can be restored, too.")


def replay_later(controller: "PromptController", kept: Any) -> None:
    """Compute the labels of a saved session in a new layer, in another thread.

    Parameters
    ----------
    controller : PromptController
        Controller with a session on the same image.
    kept : dict or str
        Record of the session, or its JSON.
    """
    session, view = controller.sync.open_session(), controller.view
    assert view is not None
    source, record = session.source, checked_session(kept)

    def show(labels: Any) -> None:
        controller.sync.add_replayed(labels, f"{view.name} again", {METADATA: kept})

    def begin(model: PromptableModel) -> None:
        def work(should_stop: ShouldStop) -> Any:
            return replay(record, source, model, should_stop)

        controller.jobs.submit("replay", Priority.REQUEST, work, show, controller.host.refuse)

    controller.with_model(begin)
