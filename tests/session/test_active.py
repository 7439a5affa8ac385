import gc

import numpy as np

import napari_segany as sa
from napari_segany.session import ArraySource, Session
from napari_segany.session.active import remember


def test_the_session_begun_last_is_known_while_somebody_has_it() -> None:
    session = Session(ArraySource(np.zeros((4, 5))))
    remember(session)
    assert sa.current_session() is session
    del session
    gc.collect()
    assert sa.current_session() is None
