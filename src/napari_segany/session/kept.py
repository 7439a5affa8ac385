"""Sessions as JSON files."""

import json
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.session.provenance import FORMAT
from napari_segany.session.records import Record


def read_session(path: Path) -> Record:
    """Read what :func:`provenance` told and somebody saved.

    Raises
    ------
    InputError
        If the file cannot be read or holds no session.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"{path} is no saved session: {error}.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or "steps" not in found:
        raise InputError(f"{path} is no session that this version can compute again.")
    return found
