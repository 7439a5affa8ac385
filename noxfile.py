"""The versions that the tests run against: Python, the oldest dependencies, napari.

    nox --list
    nox --session "tests-3.12" -- tests/io
    nox --session lowest

Sessions whose Python is not installed are skipped. Arguments after ``--`` go to pytest. Options of
pip, such as an index with the CPU build of torch, go into the environment variable PIP_ARGS.
"""

import os
import shlex
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
from lowest_versions import lowest_versions

PYTHONS = ("3.11", "3.12", "3.13")
PIP_ARGS = shlex.split(os.environ.get("PIP_ARGS", ""))
PARALLEL = (
    *("--numprocesses", "logical", "--maxprocesses", "4"),
    *("--dist", "loadscope", "--no-loadscope-reorder"),
)

nox.options.sessions = ["tests", "lowest", "napari"]
nox.options.error_on_missing_interpreters = False


def run(
    session: nox.Session, *install: str, options: tuple[str, ...] = (), paths: tuple[str, ...] = ()
) -> None:
    """Install the package with its test group and more, and run the tests with these options."""
    session.install("--upgrade", "pip>=25.1")
    session.install(*PIP_ARGS, "--editable", ".", "--group", "test", *install)
    session.run("python", "-m", "pip", "freeze", silent=False)
    arguments = (*PARALLEL, *options, *(session.posargs or paths))
    session.run("scripts/run_tests.sh", "python", *arguments, external=True)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the newest dependencies."""
    run(session)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest direct dependencies that pyproject.toml allows."""
    constraints = Path(session.create_tmp()) / "lowest.txt"
    constraints.write_text("\n".join(lowest_versions()) + "\n", encoding="utf-8")
    # Old releases of direct dependencies use what new ones of indirect ones have deprecated.
    options = ("-W", "ignore::DeprecationWarning")
    run(session, "--constraint", str(constraints), options=options)


@nox.session(python=PYTHONS[0])
@nox.parametrize("napari", ["0.6", "latest"])
def napari(session: nox.Session, napari: str) -> None:
    """Run the tests of the plugin with the oldest and the newest napari."""
    wanted = "napari[pyqt6]" if napari == "latest" else f"napari[pyqt6]=={napari}.*"
    run(session, wanted, paths=("tests/plugin",))
