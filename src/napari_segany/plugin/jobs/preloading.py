"""Import of large modules in a background thread, in which the window stays responsive.

A thread that imports holds Python's lock in two kinds of long pieces: while the system loads a
shared library of hundreds of megabytes, and while Python looks for garbage among the objects that
were just made. Both are avoided here; all else gives way to the window every few milliseconds.
"""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

DOCKS = {
    "Prompt": "napari_segany.plugin.prompt.widget",
    "Everything": "napari_segany.plugin.everything.widget",
    "Tracks": "napari_segany.plugin.tracks.widget",
    "Batch": "napari_segany.plugin.batch.widget",
    "Learn": "napari_segany.plugin.learn.widget",
    "Evaluate": "napari_segany.plugin.evaluate.widget",
    "Models": "napari_segany.plugin.models.widget",
}
"""Module of each dock, by its name in the menu."""

SOON = ("pandas", "napari_segany.models.sam.model", "tifffile", *DOCKS.values())
"""Modules that are needed soon after the first dock was opened."""

LIBRARIES = {"linux": ("libc10.so", "libtorch_cpu.so")}
"""Torch's shared libraries without Python in them, by platform, in the order of their needs.

On Windows torch loads its libraries without Python's lock itself.
"""

_loading = threading.Lock()


def is_loaded(module: str) -> bool:
    """Return True if a module was imported completely."""
    found = sys.modules.get(module)
    return found is not None and not getattr(found.__spec__, "_initializing", False)


def import_all(modules: tuple[str, ...]) -> None:
    """Import modules one after the other; call it in a background thread.

    Parameters
    ----------
    modules : tuple of str
        Names of modules.

    Raises
    ------
    Exception
        What the import of a module raises.
    """
    with _loading, without_collections():
        if "torch" not in sys.modules:
            load_libraries()
        for module in modules:
            import_module(module)


def begin(modules: tuple[str, ...] = SOON) -> threading.Thread | None:
    """Import modules in a thread of their own, unless all are loaded; return the thread.

    A module that cannot be imported is left to those who need it, which say so.
    """
    if all(map(is_loaded, modules)):
        return None
    # The interpreter waits for it at exit: it must not end in the middle of loading a library.
    thread = threading.Thread(
        target=_import_each, args=(modules,), name="napari-segany preloading", daemon=False
    )
    thread.start()
    return thread


def _import_each(modules: tuple[str, ...]) -> None:
    for module in modules:
        with suppress(Exception):
            import_all((module,))
    # Garbage of imports, and the next search for garbage by itself, would fall into a person's
    # first clicks; now the dock waits for its model.
    gc.collect()


@contextmanager
def without_collections() -> Iterator[None]:
    """Let Python not look for garbage meanwhile, and not at once for what was made meanwhile.

    What is imported stays, and there are hundreds of thousands of objects of it. Python would walk
    over all objects of the process several times, for a tenth of a second each time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Objects that were made meanwhile would be walked over soon; this makes them old ones.
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()


def load_libraries(folder: Path | None = None, names: tuple[str, ...] | None = None) -> list[str]:
    """Load torch's large libraries without holding Python's lock; return the names of those.

    ``import torch`` finds them loaded then. It loads those itself that could not be loaded.

    Parameters
    ----------
    folder : Path, optional
        Folder of the libraries, by default torch's.
    names : tuple of str, optional
        Names of files, by default those of this platform.
    """
    names = LIBRARIES.get(sys.platform, ()) if names is None else names
    if folder is None:
        spec = find_spec("torch")
        if spec is None or spec.origin is None:
            return []
        folder = Path(spec.origin).parent / "lib"
    return [name for name in names if _load_library(folder / name)]


def _load_library(path: Path) -> bool:
    if not path.is_file():
        return False
    # ctypes.CDLL(path) would hold the lock; a call of a C function does not.
    load: Callable[..., int | None] = _system_function("dlopen")
    return load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL) is not None


def _system_function(name: str) -> Callable[..., int | None]:
    function = getattr(ctypes.CDLL(None), name)
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_char_p, ctypes.c_int]
    found: Callable[..., int | None] = function
    return found
