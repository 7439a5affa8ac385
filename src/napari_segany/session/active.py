"""The session that was begun last, for a console."""

import weakref

from napari_segany.session.session import Session

_last: "weakref.ref[Session] | None" = None


def remember(session: Session) -> None:
    """Make a session the current one; it is not kept alive by that."""
    global _last
    _last = weakref.ref(session)


def current_session() -> Session | None:
    """The session that a widget began last, None if there is none any more."""
    return None if _last is None else _last()
