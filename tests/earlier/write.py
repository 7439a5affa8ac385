"""Write the files of one version, to be kept as a folder beside this script.

Run it with the version's own ``src`` and ``tests`` on the path, and the folder to write::

    PYTHONPATH=src:. python tests/earlier/write.py tests/earlier/VERSION

It uses public names, and interrupts a batch in the method that runs the image encoder.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tests.tiny import build_tiny_model, use_tiny_model

from napari_segany import Prompt, SamModel, Session
from napari_segany.cli.main import main
from napari_segany.session import ArraySource, ArrayTarget, provenance

LOOSE = ("--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0")
COMMANDS = {
    "segment": ("--min-area", "5", "--strategy", "adaptive", *LOOSE),
    "edges": ("--points-per-side", "3"),
    "proposals": ("--points-per-side", "3"),
}


def write_image(path: Path) -> None:
    """Write a stack of three planes of blocks."""
    blocks = np.random.default_rng(7).integers(0, 255, (3, 6, 7)).astype(np.uint8)
    stack = blocks.repeat(4, 1).repeat(4, 2)
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "TYX"})


def write_batches() -> None:
    """Write the results of each product, and of a batch that ended in its second plane."""
    for command, options in COMMANDS.items():
        assert main([command, "a.tif", "-o", command, *options]) == 0
    calls = 0

    def interrupt(embed: Any) -> Any:
        def embedding(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise KeyboardInterrupt
            return embed(*args, **named)

        return embedding

    usual = SamModel._embed_rgb
    SamModel._embed_rgb = interrupt(usual)  # type: ignore[method-assign]
    try:
        assert main(["segment", "a.tif", "-o", "interrupted", *COMMANDS["segment"]]) != 0
    finally:
        SamModel._embed_rgb = usual  # type: ignore[method-assign]
    assert list(Path("interrupted", ".segany").rglob("plane_*"))
    for name in ("segany_log.jsonl", "segany_report.html", "*.lock"):
        for path in Path().rglob(name):
            path.unlink()


def write_session() -> None:
    """Write the journal of a session, the session itself, and the labels that belong to both."""
    stack = tifffile.imread("a.tif")
    labels = np.zeros(stack.shape, np.int32)
    labels[0, :6, :6] = 5
    before = labels.copy()
    target = ArrayTarget(labels)
    session = Session(ArraySource(stack), build_tiny_model(), target, journal=Path("journals"))
    session.set_prompt(Prompt(points=[(5, 6)]), plane=(0, None, None))
    session.ask()
    session.next_candidate()
    session.add_point(12, 9, positive=False)
    session.ask()
    session.commit()
    session.set_prompt(Prompt(box=(2, 3, 18, 20)), plane=(1, None, None))
    session.ask()
    session.commit()
    mask = np.zeros(stack.shape[1:], bool)
    mask[4:15, 5:22] = True
    session.set_prompt(Prompt(mask=mask), plane=(2, None, None))
    session.ask()
    session.commit()
    session.set_prompt(Prompt(points=[(20, 20)]), plane=(2, None, None))
    session.ask()
    session.commit()
    session.undo()
    session.redo()
    session.set_prompt(Prompt(points=[(3, 24)]), plane=(1, None, None))
    Path("session.json").write_text(json.dumps(provenance(session)))
    session.close()
    (journal,) = Path("journals").glob("*.jsonl")
    journal.rename("journal.jsonl")
    shutil.rmtree("journals")
    np.savez_compressed("labels.npz", before=before, after=labels)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    os.chdir(folder)
    use_tiny_model()
    write_image(Path("a.tif"))
    write_batches()
    write_session()
