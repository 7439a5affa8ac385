"""One interactive job: objects with prompts, candidates, commits, undo; no Qt, no napari.

``Session`` is all that most scripts need::

    session = Session(ArraySource(image), model)
    session.add_point(120, 88)
    session.ask()
    session.next_candidate()
    session.commit()
    session.labels.data
"""

from napari_segany.session.current import current_session
from napari_segany.session.provenance import provenance, replay
from napari_segany.session.session import Session
from napari_segany.session.source import ArraySource, Together
from napari_segany.session.target import ArrayTarget

__all__ = [
    "ArraySource",
    "ArrayTarget",
    "Session",
    "Together",
    "current_session",
    "provenance",
    "replay",
]
