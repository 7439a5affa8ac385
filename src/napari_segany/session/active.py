"""The active session: the one that a widget began last, for use in a console."""

import weakref

from napari_segany.session.session import Session

_last: "weakref.ref[Session] | None" = None


def remember(session: Session) -> None:
    """Make a session the current one; only a weak reference is kept."""
    global _last
    _last = weakref.ref(session)


def current_session() -> Session | None:
    """Return the session that a widget began last; None if it no longer exists."""
    return None if _last is None else _last()
