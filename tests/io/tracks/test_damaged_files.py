"""Files of tracks with random damage: read, or refused in one sentence."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.effort import choose_count
from tests.io.tracks.test_ctc import disc_movie

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import FORMATS, read_tracks, write_tracks
from napari_segany.linking.tracks.track_table import TrackTable


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, left out, doubled, or the end cut."""
    raw = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        if not raw:
            break
        at = int(rng.integers(len(raw)))
        kind = rng.integers(5)
        if kind == 0:
            raw[at] = int(rng.integers(256))
        elif kind == 1:
            del raw[at : at + int(rng.integers(1, 20))]
        elif kind == 2:
            raw[at:at] = raw[at : at + int(rng.integers(1, 20))]
        elif kind == 3:
            # A digit becomes another one, or a large number.
            digits = [i for i, byte in enumerate(raw) if chr(byte).isdigit()]
            if digits:
                place = digits[int(rng.integers(len(digits)))]
                raw[place : place + 1] = [b"9", b"-1", b"1e9", b"99999999999"][rng.integers(4)]
        else:
            del raw[at:]
    return bytes(raw)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    table, labels = disc_movie()
    whole = write_tracks(kind, tmp_path / "whole", table, labels.__getitem__)
    files = [whole] if whole.is_file() else sorted(p for p in whole.rglob("*") if p.is_file())
    refused = []
    for number in range(choose_count(300, 25)):
        rng = np.random.default_rng(number)
        path: Any = tmp_path / "damaged"
        shutil.copytree(whole, path) if whole.is_dir() else shutil.copy(whole, path)
        target = files[int(rng.integers(len(files)))]
        damaged = path / target.relative_to(whole) if whole.is_dir() else path
        damaged.write_bytes(damage(target.read_bytes(), rng))
        try:
            found = read_tracks(path)
            assert isinstance(found.table, TrackTable)
        except InputError as error:
            refused.append(str(error))
        finally:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert len(refused) > 2
    assert not [text for text in refused if "\n" in text]
