import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import napari_segany
from napari_segany.plugin.jobs import preloading
from napari_segany.plugin.jobs.preloading import (
    begin,
    import_all,
    is_loaded,
    load_libraries,
)


def run(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(napari_segany.__file__).parents[1]), "PATH": "", "HOME": "/"},
    )
    return done.stdout.split()


@pytest.mark.skipif(sys.platform not in preloading.LIBRARIES, reason="torch does it itself here")
def test_torch_uses_the_libraries_that_were_loaded_before() -> None:
    found = run(
        "import sys\n"
        "from napari_segany.plugin.jobs.preloading import load_libraries\n"
        "print(*load_libraries(), 'torch' in sys.modules)\n"
        "import torch\n"
        "print(float(torch.ones(3) @ torch.ones(3)))"
    )
    assert found == [*preloading.LIBRARIES[sys.platform], "False", "3.0"]


def test_libraries_that_are_not_there_are_left_to_torch(tmp_path: Path) -> None:
    (tmp_path / "broken.so").write_text("no library")
    assert load_libraries(tmp_path, ("absent.so", "broken.so")) == []


def test_objects_that_are_made_meanwhile_are_old_afterwards() -> None:
    # In a process of its own: a run of tests has frozen what was there at its start.
    found = run(
        "import gc\n"
        "from napari_segany.plugin.jobs.preloading import without_collections\n"
        "with without_collections():\n"
        "    print(gc.isenabled())\n"
        "    made = [[n] for n in range(2000)]\n"
        "print(gc.isenabled())\n"
        "young = [*gc.get_objects(0), *gc.get_objects(1)]\n"
        "print(len({id(each) for each in young} & {id(each) for each in made}))"
    )
    assert found == ["False", "True", "0"]


def test_what_others_have_chosen_about_garbage_stays() -> None:
    # In a process of its own: other threads of a run of tests free objects that were frozen.
    found = run(
        "import gc\n"
        "from napari_segany.plugin.jobs.preloading import without_collections\n"
        "gc.disable()\n"
        "gc.freeze()\n"
        "frozen = gc.get_freeze_count()\n"
        "with without_collections():\n"
        "    made = [[n] for n in range(2000)]\n"
        "print(gc.isenabled(), frozen > 0, gc.get_freeze_count() == frozen)"
    )
    assert found == ["False", "True", "True"]


def test_a_module_that_is_being_imported_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("half")
    module.__spec__ = type("Spec", (), {"_initializing": True})()  # type: ignore[assignment]
    assert not is_loaded("half")
    monkeypatch.setitem(sys.modules, "half", module)
    assert not is_loaded("half")
    assert is_loaded("sys")


def test_an_error_of_an_import_is_passed_on() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_module_of_that_name"):
        import_all(("sys", "no_module_of_that_name"))


def test_a_module_that_cannot_be_imported_does_not_keep_others_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = "import threading\nby = threading.get_ident()"
    (tmp_path / "imported_in_a_thread.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    thread = begin(("no_module_of_that_name", "imported_in_a_thread"))
    assert thread is not None
    thread.join()
    module: Any = sys.modules.pop("imported_in_a_thread")
    assert module.by == thread.ident != threading.get_ident()


def test_nothing_begins_where_all_is_loaded() -> None:
    assert begin(("sys", "threading")) is None
