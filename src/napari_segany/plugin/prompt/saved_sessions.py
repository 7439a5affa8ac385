"""Earlier sessions on the image of the Prompt dock: restored, or computed again."""

from collections.abc import Callable
from typing import Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.metadata import METADATA
from napari_segany.plugin.prompt.session_host import SessionHost
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.session.journal import SavedSession
from napari_segany.session.replay import replay
from napari_segany.session.session_file import checked_session


def restore(host: SessionHost, saved: SavedSession, tell: Callable[[str], object]) -> None:
    """Restore an earlier session; its objects come back in a new labels layer.

    Labels that it wrote into before come back in layers of their own. A session with any step
    ends; its labels stay, and it can be restored, too.

    Parameters
    ----------
    host : SessionHost
        Host of the present session.
    saved : SavedSession
        The earlier one.
    tell : callable
        Shows a message.

    Raises
    ------
    InputError
        If the image has another shape, or the present session would be lost because it is not
        recorded; nothing has changed then.
    """
    sync = host.sync
    host.steps.finish()
    in_use = sync.open_session().is_begun
    session, view = host.prepare_restore(saved)
    if saved.views is not None:
        # Before objects are there, so that they are asked in these views only.
        host.set_views(saved.views)
    for steps in saved.former:
        sync.insert_below_prompts(sync.labels.restored_layer(view, steps))
    if saved.steps:
        sync.set_labels(None)
    session.restore(saved)
    if in_use:
        tell("The session before has ended; it can be restored, too.")


def replay_later(pending: PendingModel, host: SessionHost, kept: Any) -> None:
    """Compute the labels of a saved session in a new layer, in another thread.

    Parameters
    ----------
    pending : PendingModel
        Holder of the model.
    host : SessionHost
        Host of a session on the same image.
    kept : dict or str
        Record of the session, or its JSON.
    """
    session, view = host.sync.open_session(), host.sync.view
    assert view is not None
    source, record = session.source, checked_session(kept)

    def show(labels: Any) -> None:
        host.sync.add_replayed(labels, f"{view.name} again", {METADATA: kept})

    def begin(model: PromptableModel) -> None:
        def work(should_stop: ShouldStop) -> Any:
            return replay(record, source, model, should_stop)

        host.jobs.submit("replay", Priority.REQUEST, work, show, host.refuse)

    pending.with_model(begin)
