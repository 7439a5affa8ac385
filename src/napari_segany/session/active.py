"""The active session: the one that a widget began last, for use in a console."""

import weakref

from napari_segany.session.session import Session

_last: "weakref.ref[Session] | None" = None


def remember(session: Session) -> None:
    """Make a session the current one; only a weak reference is kept."""
    global _last
    _last = weakref.ref(session)


def current_session() -> Session | None:
    """Return the session that the Prompt widget began last, for use in napari's console.

    Returns
    -------
    Session or None
        None if no session was begun, or if it no longer exists.

    Examples
    --------
    >>> session = current_session()  # in napari's console, with the Prompt widget open
    >>> session.add_point(12, 30)
    """
    return None if _last is None else _last()
