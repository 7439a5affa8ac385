"""Interactive segmentation: objects with prompts, candidates, commits and undo; no Qt, no napari.

Most scripts need only ``Session``::

    session = Session(ArraySource(image), model)
    session.add_point(120, 88)
    session.ask()
    session.next_candidate()
    session.commit()
    session.labels.data
"""

from napari_segany.core.image_source import ArraySource, CompositeSource
from napari_segany.session.active import current_session
from napari_segany.session.labels_target import ArrayTarget
from napari_segany.session.replay import provenance, replay
from napari_segany.session.session import Session

__all__ = [
    "ArraySource",
    "ArrayTarget",
    "CompositeSource",
    "Session",
    "current_session",
    "provenance",
    "replay",
]
